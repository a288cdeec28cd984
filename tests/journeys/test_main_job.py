"""The main job, whole: a directory pushes a person; she signs in at an app through her organisation's provider; switched off, she is out.

Real processes: the gateway under its production server, an OpenID provider and an app that share no line with it, and Chromium clicking.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.processes import Gateway, call, counterpart, free_port, serving, wait_for

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(240)]

SECRET = "an upstream secret of sufficient length"
PASSWORD = "correct horse battery staple"
ADA = {"user_name": "ada", "given_name": "Ada", "family_name": "Lovelace", "email": "ada@acme.example", "password": PASSWORD}
EVE = {"user_name": "eve", "given_name": "Eve", "family_name": "Adams", "email": "eve@acme.example", "password": PASSWORD}
# As Entra ID posts a person (scim.md E10): UPN and mail differ, externalId is the mail nickname.
ENTRA_POST = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
    "externalId": "alovelace",
    "userName": "alovelace@acme.example",
    "active": True,
    "displayName": "Ada Lovelace",
    "emails": [{"primary": True, "type": "work", "value": "ada@acme.example"}],
    "meta": {"resourceType": "User"},
    "name": {"formatted": "Ada Lovelace", "familyName": "Lovelace", "givenName": "Ada"},
    "roles": [],
}
# As Entra ID switches somebody off without its compatibility flag (E03).
ENTRA_DISABLE = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [{"op": "Replace", "path": "active", "value": "False"}],
}


@dataclass(frozen=True)
class World:
    """Everything that runs."""

    gateway: Gateway
    app_url: str
    scim_base: str
    scim_token: str

    def app_state(self) -> dict[str, Any]:
        return call("GET", f"{self.app_url}/state").json()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    gateway = Gateway(tmp_path, free_port())
    app_port, provider_port = free_port(), free_port()
    app_url, issuer = f"http://localhost:{app_port}", f"http://localhost:{provider_port}"
    gateway.run("platform", "init", "--admin-login", "admin", "--admin-email", "admin@moongate.example")
    acme = gateway.run("tenant", "create", "acme", "--name", "Acme Ltd", "--kind", "customer", "--private-outbound")
    app = gateway.run(
        *("client", "register", "--tenant", "acme", "--name", "App", "--roleless", "--redirect-uri", f"{app_url}/callback"),
        *("--backchannel-logout-uri", f"{app_url}/backchannel-logout"),
    )
    upstream = {
        "port": provider_port,
        "client_id": "moongate",
        "client_secret": SECRET,
        "redirect_uri": f"{acme['issuer']}/federation/corp/callback",
        "people": [ADA, EVE],
    }
    relying = {"port": app_port, "issuer": acme["issuer"], "client_id": app["client_id"], "client_secret": app["client_secret"]}
    with serving(gateway), counterpart("provider.py", upstream), counterpart("app.py", relying):
        added = gateway.run(
            *(
                "idp",
                "add",
                "--tenant",
                "acme",
                "corp",
                "--issuer",
                issuer,
                "--client-id",
                "moongate",
                "--client-secret-stdin",
                "--activate",
            ),
            given=SECRET,
        )
        assert added["redirect_uri"] == upstream["redirect_uri"]
        gateway.run("domain", "add", "--tenant", "acme", "acme.example", "--idp", "corp", "--assume-verified")
        connection = gateway.run("scim-connection", "create", "--tenant", "acme", "--name", "Entra", "--profile", "entra", "--idp", "corp")
        yield World(gateway, app_url, connection["base_url"], connection["token"])


def test_a_provisioned_person_signs_in_and_is_out_the_moment_the_directory_says_so(world: World, page: Page) -> None:
    created = call("POST", f"{world.scim_base}/Users", token=world.scim_token, body=ENTRA_POST)
    assert created.status == 201, created.body
    account = created.json()["id"]

    _sign_in_at_the_app(world, page, "ada")
    expect(page.locator("#subject")).to_have_text(account)
    state = world.app_state()
    assert state["id_token"]["iss"] == f"{world.gateway.url}/t/acme"
    assert state["id_token"]["sub"] == account
    assert state["id_token"]["tenant"] == "acme"
    assert state["id_token"]["acr"].endswith("/acr/fed")
    assert state["userinfo"]["email"] == "ada@acme.example"
    assert state["userinfo"]["name"] == "Ada Lovelace"
    assert call("POST", f"{world.app_url}/refresh").json() == {"refreshed": True}

    before = time.time()
    disabled = call("PATCH", f"{world.scim_base}/Users/{account}", token=world.scim_token, body=ENTRA_DISABLE)
    assert disabled.status == 200
    assert disabled.json()["active"] is False
    assert call("POST", f"{world.app_url}/refresh").json() == {"refreshed": False, "error": "invalid_grant"}
    wait_for(lambda: world.app_state()["logouts"])
    told = world.app_state()["logouts"][0]
    assert told["at"] - before < 1.0
    assert told["sid"] == state["id_token"]["sid"]

    page.goto(f"{world.app_url}/sign-in")
    _name_and_provider(page, "ada")
    expect(page.locator("[data-error]")).to_have_text("E_User_Disabled")


def test_whom_nobody_provisioned_learns_what_was_looked_for_and_the_app_hears_access_denied(world: World, page: Page) -> None:
    _sign_in_at_the_app(world, page, "eve")
    expect(page.locator("[data-error]")).to_have_text("E_No_User")
    assert "eve@acme.example" in page.locator("main").inner_text()
    correlation = page.locator("[data-correlation]").inner_text()
    explained = world.gateway.run("explain", correlation)
    assert explained["code"] == "E_No_User"
    assert [step["step"] for step in explained["chain"] if step["outcome"] == "refused"] == ["match"]
    page.get_by_text("Return to application").click()
    expect(page.locator("#error")).to_have_text("access_denied")
    assert "E_No_User" in world.app_state()["error"]["error_description"]


def test_the_gateway_can_be_its_own_upstream(world: World, page: Page, tmp_path: Path) -> None:
    gateway = world.gateway
    gateway.run("tenant", "create", "corp", "--name", "Corp", "--kind", "customer")
    callback = f"{gateway.url}/t/acme/federation/own/callback"
    client = gateway.run("client", "register", "--tenant", "corp", "--name", "Acme", "--roleless", "--redirect-uri", callback)
    gateway.run(
        *("idp", "add", "--tenant", "acme", "own", "--issuer", f"{gateway.url}/t/corp", "--client-id", client["client_id"]),
        *("--client-secret-stdin", "--matching", "custom-login", "--activate"),
        given=client["client_secret"],
    )
    for tenant in ("corp", "acme"):
        gateway.run(
            *("user", "create", "--tenant", tenant, "--login", "zoe", "--email", f"zoe@{tenant}.example"),
            *("--given-name", "Zoe", "--family-name", "Q", "--password-stdin"),
            given=PASSWORD,
        )
    page.goto(f"{world.app_url}/sign-in")
    page.fill("[name=login]", "zoe")
    page.keyboard.press("Enter")
    page.click('[data-idp="own"]')
    page.wait_for_url(f"{gateway.url}/t/corp/**")
    if page.locator("[name=password]").count() == 0:
        page.fill("[name=login]", "zoe")
        page.keyboard.press("Enter")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("#subject")).to_be_visible()


def _sign_in_at_the_app(world: World, page: Page, name: str) -> None:
    page.goto(world.app_url)
    page.click("#sign-in")
    _name_and_provider(page, name)


def _name_and_provider(page: Page, name: str) -> None:
    """Type the address at our page, which leads straight to the provider, and sign in there unless its session still lives."""
    page.fill("[name=login]", f"{name}@acme.example")
    page.keyboard.press("Enter")
    at_provider = page.locator("button[name=answer]").first
    at_provider.or_(page.locator("[data-error]")).or_(page.locator("#subject")).first.wait_for()
    if at_provider.is_visible():
        page.fill("input#login", name)
        at_provider.click()
        page.fill("input[name=password]", PASSWORD)
        page.keyboard.press("Enter")
