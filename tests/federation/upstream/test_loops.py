"""Issuers that are one another's identity provider send a browser round in a circle, and it is told so."""

import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gateway.domain.identity import IdentityProvider
from gateway.domain.nodes import Node
from gateway.domain.ports import Reply
from gateway.domain.relying_party import RelyingParty
from gateway.domain.sign_in import MOST_LEGS
from gateway.domain.values import SignInId
from gateway.http.endpoints import AUTHORIZE, below, federation_callback, federation_start
from gateway.services import relying_parties
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.services.house import House
from gateway.services.relying_parties import NewRelyingParty
from gateway.settings import Settings
from gateway.storage import audit
from gateway.storage import sign_ins as stored_sign_ins
from gateway.wiring import open_house
from tests.conftest import Clock
from tests.databases import Databases
from tests.sign_ins import begin, make_app, make_provider, origin_of, path_of, prove_domain, query_of

LOGIN = "anna@acme.example"


class OurOwn:
    """The outside, where every issuer is one of ours."""

    def get_json(self, url: str, *, private_outbound: bool, bearer: str | None = None) -> Mapping[str, object]:
        issuer = url.removesuffix("/.well-known/openid-configuration")
        endpoints = {name: f"{issuer}/oauth2/{name.partition('_')[0]}" for name in ("token_endpoint", "jwks_uri")}
        return {"issuer": issuer, "authorization_endpoint": issuer + AUTHORIZE, **endpoints}

    def post_form(self, url: str, form: Mapping[str, str], *, private_outbound: bool, auth: tuple[str, str] | None = None) -> Reply:
        raise AssertionError(url)


@pytest.fixture
def house(settings: Settings, stock: Databases, clock: Clock) -> Iterator[House]:
    stock.new(settings.home)
    opened = open_house(settings, clock=clock, entropy=random.Random(1).randbytes, fetcher=OurOwn())
    yield opened
    opened.database.close()


@pytest.fixture
def shop(context: Context, acme: Node) -> RelyingParty:
    return make_app(context, acme)


def federate(context: Context, node: Node, upstream: Node, key: str = "round") -> IdentityProvider:
    """Let `upstream` be an identity provider of `node`, to which names of the domain are led; stored as it was added in former times."""
    new = NewRelyingParty(node.name, [below(node, federation_callback(key))], roleless=True)
    party = relying_parties.register(context, upstream.id, new)[0]
    return make_provider(context, node, key, issuer=upstream.issuer, client_id=party.client_id)


def followed(client: FlaskClient, url: str) -> tuple[TestResponse, list[str]]:
    """Follow redirects to a page, and further than a browser would."""
    visited: list[str] = []
    while len(visited) < 60:
        visited.append(url)
        page = client.get(path_of(url), base_url=origin_of(url))
        if page.status_code != 303:
            return page, visited
        url = page.headers["Location"]
    pytest.fail(f"round and round: {visited[-3:]}")


def ask(client: FlaskClient, node: Node, app: RelyingParty, **more: Any) -> tuple[TestResponse, list[str]]:
    """What a browser comes to that an app sends to sign somebody in."""
    asked = {"client_id": app.client_id, "redirect_uri": app.redirect_uris[0], "response_type": "code", "scope": "openid", "state": "s"}
    pkce = {"code_challenge": "c" * 43, "code_challenge_method": "S256"}
    query = "&".join(f"{name}={value}" for name, value in (asked | pkce | more).items())
    return followed(client, f"{below(node, AUTHORIZE)}?{query}")


def starts(visited: list[str], key: str = "round") -> list[str]:
    return [url for url in visited if f"{federation_start(key)}?" in url]


def require_told(context: Context, page: TestResponse, sign_in_id: str) -> None:
    """The page, the trace and the audit row of the last sign-in of the circle say what it is."""
    assert (page.status_code, 'data-error="E_Loop_Detected"' in page.text) == (400, True)
    stored = stored_sign_ins.find_parent(context.database, SignInId(sign_in_id))
    assert stored is not None
    assert stored.correlation_id in page.text
    assert [trace.code for trace in audit.list_traces(context.database, stored.correlation_id)] == ["E_Loop_Detected"]
    assert "E_Loop_Detected" in {row.code for row in audit.list_audit_of_correlation(context.database, stored.correlation_id)}


def test_an_issuer_that_is_its_own_provider_stops_after_five_rounds(
    context: Context, acme: Node, shop: RelyingParty, client: FlaskClient
) -> None:
    prove_domain(context, acme, "acme.example", federate(context, acme, acme))
    page, visited = ask(client, acme, shop, login_hint=LOGIN)
    assert len(starts(visited)) == MOST_LEGS + 1
    require_told(context, page, query_of(visited[-1])["id"])


def test_two_issuers_that_are_each_others_provider_stop_after_five_rounds(
    context: Context, acme: Node, globex: Node, shop: RelyingParty, client: FlaskClient
) -> None:
    federate(context, globex, acme)
    prove_domain(context, acme, "acme.example", federate(context, acme, globex))
    page, visited = ask(client, acme, shop, login_hint=LOGIN)
    while page.status_code == 200 and len(starts(visited)) <= MOST_LEGS:
        # Globex does not know the domain and shows its buttons; this person chooses theirs again and again.
        page, more = followed(client, below(globex, "/sign-in/provider", id=query_of(visited[-1])["id"], idp="round"))
        visited += more
    assert len(starts(visited)) == MOST_LEGS + 1
    require_told(context, page, query_of(visited[-1])["id"])


def test_the_app_hears_of_the_circle_as_a_server_error(context: Context, acme: Node, shop: RelyingParty, client: FlaskClient) -> None:
    provider = make_provider(context, acme)
    begun = begin(context, acme, shop)
    client.set_cookie(f"mg-t-{begun.sign_in.id}", begun.secret, domain="localhost")
    for _ in range(MOST_LEGS):
        answer = client.get(path_of(below(acme, federation_start(provider.key), id=begun.sign_in.id)), base_url=origin_of(acme.issuer))
        assert answer.headers["Location"].startswith(provider.issuer)
    page, _ = followed(client, below(acme, federation_start(provider.key), id=begun.sign_in.id))
    require_told(context, page, begun.sign_in.id)
    back = client.get(path_of(below(acme, "/oauth2/authorize/return", id=begun.sign_in.id)), base_url=origin_of(acme.issuer))
    assert query_of(back.headers["Location"])["error"] == "server_error"


def test_a_minute_later_the_way_is_free_again(context: Context, acme: Node, shop: RelyingParty, client: FlaskClient, clock: Clock) -> None:
    provider = make_provider(context, acme)
    begun = begin(context, acme, shop)
    client.set_cookie(f"mg-t-{begun.sign_in.id}", begun.secret, domain="localhost")
    for _ in range(MOST_LEGS * 2):
        answer = client.get(path_of(below(acme, federation_start(provider.key), id=begun.sign_in.id)), base_url=origin_of(acme.issuer))
        assert answer.headers["Location"].startswith(provider.issuer)
        clock.advance(seconds=12)


def test_many_tabs_of_one_browser_are_no_circle(context: Context, acme: Node, shop: RelyingParty) -> None:
    provider = make_provider(context, acme)
    for _ in range(MOST_LEGS * 2):
        assert sign_ins.begin_leg(context, begin(context, acme, shop, state="s").sign_in, provider)[0]


def test_a_sign_in_handed_over_goes_on_with_the_rounds_of_the_one_that_asked(
    context: Context, platform: Node, acme: Node, client: FlaskClient
) -> None:
    app = make_app(context, platform)
    prove_domain(context, acme, "acme.example", federate(context, acme, platform))
    page, visited = ask(client, platform, app, login_hint=LOGIN)
    assert len(starts(visited)) == MOST_LEGS + 1
    assert 'data-error="E_Loop_Detected"' in page.text
