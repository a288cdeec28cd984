"""The sign-in pages in Chromium: without scripts, across origins, and never against the content security policy (decisions 20, 28)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.journeys.processes import Gateway, counterpart, free_port, serving

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(240)]

PASSWORD = "four quiet herons wade"


@pytest.fixture
def plain_page(chromium: Browser) -> Iterator[Page]:
    """A browser that runs no scripts, in which nothing may be blocked."""
    context = chromium.new_context(java_script_enabled=False)
    context.set_default_timeout(20_000)
    page, blocked = context.new_page(), list[str]()

    def note(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            blocked.append(message.text)

    page.on("console", note)
    yield page
    context.close()
    assert not blocked


@contextmanager
def app_at(gateway: Gateway, tenant: str, issuer: str) -> Iterator[str]:
    """Run an app that is registered at a tenant, on a port and so an origin of its own; return its address."""
    port = free_port()
    url = f"http://localhost:{port}"
    app = gateway.run(*("client", "register", "--tenant", tenant, "--name", "App", "--roleless", "--redirect-uri", f"{url}/callback"))
    settings = {"port": port, "issuer": issuer, "client_id": app["client_id"], "client_secret": app["client_secret"]}
    with counterpart("app.py", settings):
        yield url


def create_person(gateway: Gateway, tenant: str, login: str, *options: str, given: str = "") -> dict[str, str]:
    named = ("--email", f"anna@{tenant}.example", "--given-name", "Anna", "--family-name", "Berg")
    return gateway.run("user", "create", "--tenant", tenant, "--login", login, *named, *options, given=given)


def test_a_temporary_password_leads_to_the_app_without_scripts(tmp_path: Path, plain_page: Page) -> None:
    gateway = Gateway(tmp_path, free_port())
    gateway.run("platform", "init", "--admin-login", "admin", "--admin-email", "admin@moongate.example")
    acme = gateway.run("tenant", "create", "acme", "--name", "Acme Ltd", "--kind", "customer")
    person = create_person(gateway, "acme", "anna.berg", "--temporary-password")
    with serving(gateway), app_at(gateway, "acme", acme["issuer"]) as app:
        plain_page.goto(f"{app}/sign-in")
        expect(plain_page.locator(".brand-name")).to_have_text("Acme Ltd")
        plain_page.fill("[name=login]", "anna.berg")
        plain_page.keyboard.press("Enter")
        plain_page.fill("[name=password]", person["temporary_password"])
        plain_page.keyboard.press("Enter")
        plain_page.fill("[name=new_password]", "anna")
        plain_page.keyboard.press("Enter")
        expect(plain_page.locator("[data-error]")).to_have_text("E_Password_Policy")
        plain_page.fill("[name=new_password]", PASSWORD)
        plain_page.keyboard.press("Enter")
        expect(plain_page.locator("#subject")).to_have_text(person["id"])


def test_a_password_is_proved_at_the_issuer_on_another_host_and_comes_back(tmp_path: Path, plain_page: Page) -> None:
    gateway = Gateway(tmp_path, free_port())
    gateway.run("platform", "init", "--admin-login", "admin", "--admin-email", "admin@moongate.example")
    elsewhere = f"http://127.0.0.1:{gateway.port}"
    gateway.run("tenant", "create", "far", "--name", "Far Ltd", "--kind", "customer", "--issuer", elsewhere)
    gateway.run("domain", "add", "--tenant", "far", "far.example", "--assume-verified")
    person = create_person(gateway, "far", "anna@far.example", "--password-stdin", given=PASSWORD)
    with serving(gateway), app_at(gateway, "platform", f"{gateway.url}/t/platform") as app:
        plain_page.goto(f"{app}/sign-in")
        plain_page.fill("[name=login]", "anna@far.example")
        plain_page.keyboard.press("Enter")
        plain_page.wait_for_url(f"{elsewhere}/sign-in?**")
        expect(plain_page.locator(".brand-name")).to_have_text("Far Ltd")
        plain_page.fill("[name=password]", PASSWORD)
        plain_page.keyboard.press("Enter")
        expect(plain_page.locator("#subject")).to_have_text(person["id"])
