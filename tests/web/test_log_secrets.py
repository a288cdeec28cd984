"""No secret is ever written to the log: not over a whole sign-in, with its mistakes, nor over what a directory does."""

import html
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.services import connections, credentials, relying_parties
from gateway.services.connections import NewConnection
from gateway.services.context import Context
from gateway.services.relying_parties import NewRelyingParty
from tests.conftest import Clock
from tests.factors import CALLBACK, add_person, code_at
from tests.logbook import Log, Secrets, logging_as_before
from tests.web.test_factors_tokens import ISSUER, VERIFIER, authorize, follow, send

PASSWORD = "seven loud geese land softly"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    with logging_as_before():
        yield


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


@pytest.fixture
def client(app: Flask, secrets: Secrets) -> FlaskClient:
    """A caller on whose line we listen."""
    return secrets.listen(app)


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_sign_in_with_password_and_second_factor_leaves_no_secret(
    client: FlaskClient, secrets: Secrets, context: Context, acme: Node, clock: Clock, log_format: str
) -> None:
    app, client_secret = relying_parties.register(context, acme.id, NewRelyingParty("Shop", [CALLBACK], roleless=True))
    temporary, _ = credentials.issue_temporary_password(context, add_person(context, acme, "mia", mfa_required=True))
    secrets.add(temporary, client_secret or "")
    log = Log(log_format)

    page = follow(client, authorize(client, app, scope="openid"))
    send(client, page, "password", login="mia", password="a wrong password of mine")
    page = send(client, page, "password", login="mia", password=temporary)
    send(client, page, "new-password", new_password="short1")
    page = send(client, page, "new-password", new_password=PASSWORD)
    [secret] = re.findall(r"data-totp-secret>([A-Z2-7]+)<", page)
    send(client, page, "enrol", code="000000")
    codes = send(client, page, "enrol", code=code_at(secret, context.now()))
    [onward] = re.findall(r'data-action="continue" href="([^"]+)"', codes)
    address = follow(client, html.unescape(onward))
    form = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(address).query)["code"][0],
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    client.post(f"{ISSUER}/oauth2/token", data=form, auth=(app.client_id, "mgc_a_wrong_secret_of_the_app"))
    client.post(f"{ISSUER}/oauth2/token", data=form | {"code": "mgx_a_code_of_nobody"}, auth=(app.client_id, client_secret or ""))
    tokens = client.post(f"{ISSUER}/oauth2/token", data=form, auth=(app.client_id, client_secret or "")).get_json()
    client.post(f"{ISSUER}/oauth2/token", data=form, auth=(app.client_id, client_secret or ""))
    for token in (tokens["access_token"], tokens["id_token"], "nonsense-token"):
        client.get(f"{ISSUER}/oauth2/userinfo", headers={"Authorization": f"Bearer {token}"})
        client.post(f"{ISSUER}/oauth2/introspect", data={"token": token}, auth=(app.client_id, client_secret or ""))
    client.get(f"{ISSUER}/oauth2/logout?id_token_hint={tokens['id_token']}&state=app-state-secret")

    assert len(secrets.known) > 30
    assert {temporary, PASSWORD, secret, client_secret, tokens["access_token"], form["code"], "000000"} <= secrets.known
    assert "E_Invalid_Credentials" in log.text
    assert secrets.found_in(log.text) == []


def test_what_a_directory_does_leaves_no_secret(client: FlaskClient, secrets: Secrets, context: Context, acme: Node) -> None:
    token = connections.create_connection(context, acme, NewConnection("Directory", profile="okta")).secret
    log = Log()
    person = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "mia", "password": PASSWORD}
    for bearer in (token, "mgscim_a_token_of_nobody"):
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/scim+json"}
        client.post(f"{ISSUER}/scim/v2/Users", json=person, headers=headers)
        client.get(f'{ISSUER}/scim/v2/Users?filter=password eq "{PASSWORD}"', headers=headers)
        client.post(f"{ISSUER}/scim/v2/Users", data='{"password": "half a body', headers=headers)
    assert {token, PASSWORD, "mgscim_a_token_of_nobody"} <= secrets.known
    assert [line["status"] for line in log.lines()] == [201, 400, 400, 401, 401, 401]
    assert secrets.found_in(log.text) == []


def test_what_somebody_makes_up_for_the_way_back_from_a_provider_is_not_written(client: FlaskClient, secrets: Secrets, acme: Node) -> None:
    log = Log()
    client.get(f"{ISSUER}/federation/corp/callback?state=a-state-of-mine&code=a-code-of-mine")
    client.post(f"{ISSUER}/federation/corp/callback", data={"state": "another-state", "code": "another-code"})
    client.post(f"{ISSUER}/federation/corp/backchannel-logout", data={"logout_token": "a.logout.token"})
    client.get(f"{ISSUER}/sign-in/return?id=somebodys-id&handle=mgh_somebodys_handle")
    assert len(log.lines()) == 4
    assert secrets.found_in(log.text) == []
