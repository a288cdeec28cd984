"""Back-channel logout: whoever is out is out at every app (openid.md 86, 88; decisions.md 32)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.ports import Reply, Unreachable
from gateway.domain.values import Instant
from gateway.http import endpoints
from gateway.services import nodes, people
from gateway.services.context import Context
from gateway.services.house import House
from gateway.services.jobs import Runner
from gateway.tokens.claims import VerifiedLogout
from gateway.tokens.verification import Expected, import_key_set, verify_logout_token
from gateway.worker import HANDLERS
from tests.conftest import Clock, NoOutside
from tests.federation.downstream.rp import Rp, claims_of, header_of

LOGOUT_URI = "https://app.example/backchannel-logout"


@dataclass
class Apps(NoOutside):
    """Every app of the world: keeps what it is told, and answers by its URL."""

    status: dict[str, int] = field(default_factory=dict)
    told: list[tuple[str, str]] = field(default_factory=list)

    def post_form(self, url: str, form: Mapping[str, str], *, private_outbound: bool, auth: tuple[str, str] | None = None) -> Reply:
        assert auth is None, "an app is told without our credentials"
        status = self.status.get(url, 200)
        if not status:
            raise Unreachable("it hangs")
        if status == 200:
            self.told.append((url, form["logout_token"]))
        return Reply(status, {}, b"")


@pytest.fixture
def apps() -> Apps:
    return Apps()


@pytest.fixture
def runner(house: House, apps: Apps) -> Runner:
    return Runner(replace(house, fetcher=apps), HANDLERS)


def verified(rp: Rp, token: str, now: Instant) -> VerifiedLogout:
    keys = import_key_set(rp.browser.get(rp.url(endpoints.JWKS)).json or {})
    expected = Expected(rp.node.issuer, rp.party.client_id, keys, frozenset({rp.party.id_token_alg}))
    return verify_logout_token(token, expected, now=now)


def test_an_app_is_told_by_a_token_that_a_library_of_apps_accepts(
    context: Context, register: Callable[..., Rp], ann: Account, runner: Runner, apps: Apps, clock: Clock
) -> None:
    shop = register(backchannel_logout_uri=LOGOUT_URI)
    tokens = shop.connect(ann)
    people.set_enabled(context, ann, enabled=False)
    assert runner.run_due() == 1
    [(url, token)] = apps.told
    logout = verified(shop, token, clock())
    assert (url, logout.subject, logout.session_id) == (LOGOUT_URI, ann.id, claims_of(tokens["id_token"])["sid"])
    assert header_of(token)["typ"] == "logout+jwt"
    claims = claims_of(token)
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert "nonce" not in claims
    assert claims["exp"] - claims["iat"] <= 120


def test_a_logout_token_never_passes_for_an_id_token(
    context: Context, register: Callable[..., Rp], ann: Account, runner: Runner, apps: Apps
) -> None:
    shop = register(backchannel_logout_uri=LOGOUT_URI)
    shop.connect(ann)
    people.set_enabled(context, ann, enabled=False)
    runner.run_due()
    hinted = shop.authorize(id_token_hint=apps.told[0][1], prompt="none")
    assert "error=" in hinted.location


def test_every_app_is_told_and_each_once_in_its_own_name(
    context: Context, register: Callable[..., Rp], ann: Account, runner: Runner, apps: Apps, clock: Clock
) -> None:
    registered = [register(name=f"App {at}", backchannel_logout_uri=f"https://app{at}.example/out") for at in range(20)]
    for rp in registered:
        rp.connect(ann)
    people.set_enabled(context, ann, enabled=False)
    assert runner.run_due() == 20
    by_url = dict(apps.told)
    for rp in registered:
        assert verified(rp, by_url[rp.party.backchannel_logout_uri], clock()).subject == ann.id


def test_an_app_that_fails_is_told_again_later_and_delays_nobody(
    context: Context, register: Callable[..., Rp], ann: Account, runner: Runner, apps: Apps, clock: Clock
) -> None:
    for name, status in (("broken", 500), ("hung", 0), ("well", 200)):
        apps.status[f"https://{name}.example/out"] = status
        register(name=name, backchannel_logout_uri=f"https://{name}.example/out").connect(ann)
    people.set_enabled(context, ann, enabled=False)
    runner.run_due()
    assert [url for url, _ in apps.told] == ["https://well.example/out"]
    apps.status.clear()
    clock.advance(seconds=2)
    runner.run_due()
    assert sorted(url for url, _ in apps.told) == [f"https://{name}.example/out" for name in ("broken", "hung", "well")]


def test_an_app_without_the_endpoint_and_an_app_that_is_gone_are_not_told(
    context: Context, register: Callable[..., Rp], ann: Account, runner: Runner, apps: Apps
) -> None:
    register().connect(ann)
    people.set_enabled(context, ann, enabled=False)
    assert runner.run_due() == 0
    assert not apps.told


@pytest.mark.parametrize("act", ["delete", "lock", "disable the tenant"])
def test_whatever_puts_somebody_out_tells_the_apps(
    context: Context, register: Callable[..., Rp], acme: Node, ann: Account, runner: Runner, apps: Apps, act: str
) -> None:
    register(backchannel_logout_uri=LOGOUT_URI).connect(ann)
    if act == "delete":
        people.delete_person(context, ann)
    elif act == "lock":
        people.set_admin_lock(context, ann, locked=True)
    else:
        nodes.disable_node(context, acme)
    runner.run_due()
    assert [url for url, _ in apps.told] == [LOGOUT_URI]
