"""From the app's request to its tokens with a second factor on the way: what `acr` and `amr` then say (openid.md 92, 95)."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from argon2 import PasswordHasher
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.domain.relying_party import RelyingParty
from gateway.services import credentials, relying_parties, second_factor
from gateway.services.context import Context
from gateway.services.relying_parties import NewRelyingParty
from gateway.storage import sessions
from tests.conftest import Clock
from tests.factors import CALLBACK, PASSWORD, add_person, code_at, enrol

ORIGIN = "http://localhost:8000"
ISSUER = f"{ORIGIN}/t/acme"
VERIFIER = "v" * 43


@pytest.fixture
def shop(context: Context, acme: Node, monkeypatch: pytest.MonkeyPatch) -> RelyingParty:
    monkeypatch.setattr(credentials, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    return relying_parties.register(context, acme.id, NewRelyingParty("Shop", [CALLBACK], public=True, roleless=True))[0]


def authorize(client: FlaskClient, app: RelyingParty, **changes: str) -> str:
    """Where the answer to the app's request leads."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "client_id": app.client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid",
        "state": "state",
        "nonce": "nonce",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return client.get(f"{ISSUER}/oauth2/authorize?{urlencode(asked | changes)}").headers.get("Location", "")


def follow(client: FlaskClient, url: str) -> str:
    """The page, or the address of the app, to which the gateway's own redirects lead."""
    while url.startswith(ORIGIN):
        answer = client.get(url)
        page = answer.get_data(as_text=True)
        onward = re.search(r'<a class="button[^"]*"[^>]*href="([^"]+continue[^"]*)"', page)
        if answer.status_code != 303 and not onward:
            return page
        url = answer.headers["Location"] if answer.status_code == 303 else html.unescape(onward[1] if onward else "")
    return url


def send(client: FlaskClient, page: str, path: str, **fields: str) -> str:
    """Send a form of the page and go on."""
    hidden = dict(re.findall(r'name="(id|form_token)" value="([^"]+)"', page))
    answer = client.post(f"{ISSUER}/sign-in/{path}", data=hidden | fields)
    return follow(client, answer.headers["Location"]) if answer.status_code == 303 else answer.get_data(as_text=True)


def claims_of(client: FlaskClient, app: RelyingParty, address: str) -> Mapping[str, object]:
    """What the ID token says for the code in the app's address; its signature has tests of its own."""
    code = parse_qs(urlsplit(address).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    answer = client.post(f"{ISSUER}/oauth2/token", data=form | {"client_id": app.client_id})
    payload = answer.get_json()["id_token"].split(".")[1]
    read: Mapping[str, object] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return read


def sign_in(client: FlaskClient, app: RelyingParty, login: str, **changes: str) -> str:
    """The page, or the app's address, after a right password."""
    page = follow(client, authorize(client, app, **changes))
    return send(client, page, "password", login=login, password=PASSWORD)


def test_enrolment_at_the_first_sign_in_leads_to_tokens_of_two_factors(
    client: FlaskClient, context: Context, acme: Node, shop: RelyingParty
) -> None:
    add_person(context, acme, "mia", mfa_required=True)
    page = sign_in(client, shop, "mia")
    secret = re.search(r"data-totp-secret>([A-Z2-7]+)<", page)
    assert secret
    codes = send(client, page, "enrol", code=code_at(secret[1], context.now()))
    onward = re.search(r'data-action="continue" href="([^"]+)"', codes)
    assert onward
    claims = claims_of(client, shop, follow(client, html.unescape(onward[1])))
    assert (claims["acr"], claims["amr"]) == (f"{ORIGIN}/acr/mfa", ["pwd", "otp", "mfa"])


def test_a_code_leads_to_tokens_of_two_factors(client: FlaskClient, context: Context, acme: Node, shop: RelyingParty, clock: Clock) -> None:
    mia = add_person(context, acme, "mia", mfa_required=True)
    secret, _ = enrol(context, acme, shop, mia)
    clock.advance(seconds=60)
    page = sign_in(client, shop, "mia")
    claims = claims_of(client, shop, send(client, page, "code", code=code_at(secret, context.now())))
    assert claims["acr"] == f"{ORIGIN}/acr/mfa"


def test_a_password_alone_is_never_told_as_two_factors(client: FlaskClient, context: Context, acme: Node, shop: RelyingParty) -> None:
    add_person(context, acme, "olaf")
    claims = claims_of(client, shop, sign_in(client, shop, "olaf"))
    assert (claims["acr"], claims["amr"]) == (f"{ORIGIN}/acr/1fa", ["pwd"])


def test_while_a_factor_is_due_no_code_is_given_by_any_way(client: FlaskClient, context: Context, acme: Node, shop: RelyingParty) -> None:
    mia = add_person(context, acme, "mia", mfa_required=True)
    page = sign_in(client, shop, "mia")
    assert "data-totp-secret" in page
    sign_in_id = dict(re.findall(r'name="(id)" value="([^"]+)"', page))["id"]
    ways = (authorize(client, shop, prompt="none"), client.get(f"{ISSUER}/oauth2/authorize/continue?id={sign_in_id}").location or "")
    assert not [way for way in ways if "code=" in way]
    assert "error=login_required" in ways[0]
    assert sessions.list_sessions(context.database, mia.id) == []


def test_a_session_of_one_factor_is_stepped_up_where_an_app_wants_two(
    client: FlaskClient, context: Context, acme: Node, shop: RelyingParty, clock: Clock
) -> None:
    olaf = add_person(context, acme, "olaf")
    sign_in(client, shop, "olaf")
    secret, _ = enrol(context, acme, shop, second_factor.enforce(context, olaf))
    clock.advance(seconds=60)
    wants = {"acr_values": f"{ORIGIN}/acr/mfa"}
    assert "error=interaction_required" in authorize(client, shop, prompt="none", **wants)
    page = follow(client, authorize(client, shop, **wants))
    assert 'name="code"' in page
    claims = claims_of(client, shop, send(client, page, "code", code=code_at(secret, context.now())))
    assert (claims["acr"], claims["amr"]) == (f"{ORIGIN}/acr/mfa", ["pwd", "otp", "mfa"])


def test_a_step_up_that_is_left_undone_leaves_the_session_as_it_was(
    client: FlaskClient, context: Context, acme: Node, shop: RelyingParty
) -> None:
    olaf = add_person(context, acme, "olaf")
    sign_in(client, shop, "olaf")
    follow(client, authorize(client, shop, acr_values=f"{ORIGIN}/acr/mfa"))
    assert len(sessions.list_sessions(context.database, olaf.id)) == 1
    assert "code=" in authorize(client, shop, prompt="none")
