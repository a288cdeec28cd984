"""A person with a password, without a line of JavaScript: the temporary one, her own, a second factor, and her way back in."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.processes import Gateway, call, counterpart, free_port, serving

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(240)]

PASSWORD = "seven loud geese land softly"


@dataclass(frozen=True)
class World:
    """Everything that runs."""

    gateway: Gateway
    app_url: str
    temporary_password: str


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    gateway = Gateway(tmp_path, free_port())
    app_port = free_port()
    app_url = f"http://localhost:{app_port}"
    gateway.run("platform", "init", "--admin-login", "admin", "--admin-email", "admin@moongate.example")
    acme = gateway.run("tenant", "create", "acme", "--name", "Acme Ltd", "--kind", "customer", "--private-outbound")
    app = gateway.run("client", "register", "--tenant", "acme", "--name", "App", "--roleless", "--redirect-uri", f"{app_url}/callback")
    mia = gateway.run(
        *("user", "create", "--tenant", "acme", "--login", "mia", "--email", "mia@acme.example", "--given-name", "Mia"),
        *("--family-name", "Wong", "--temporary-password", "--mfa-required"),
    )
    relying = {"port": app_port, "issuer": acme["issuer"], "client_id": app["client_id"], "client_secret": app["client_secret"]}
    with serving(gateway), counterpart("app.py", relying):
        yield World(gateway, app_url, mia["temporary_password"])


@pytest.fixture
def plain_page(chromium: Browser) -> Iterator[Page]:
    """A browser that runs no script."""
    context = chromium.new_context(java_script_enabled=False, color_scheme="dark", viewport={"width": 320, "height": 640})
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def test_a_temporary_password_becomes_her_own_and_a_second_factor_stands_beside_it(world: World, plain_page: Page) -> None:
    page = plain_page
    _give_password(world, page, "mia", world.temporary_password)

    page.locator("[name=new_password]").first.fill("short")
    page.keyboard.press("Enter")
    expect(page.locator("[data-error]").first).to_have_text("E_Password_Policy")
    page.locator("[name=new_password]").first.fill(PASSWORD)
    page.keyboard.press("Enter")

    expect(page.locator("svg.qr")).to_be_visible()
    page.fill("[name=code]", "000000")
    page.keyboard.press("Enter")
    expect(page.locator("[data-error]").first).to_have_text("E_Mfa_Invalid")
    page.fill("[name=code]", pyotp.TOTP(page.locator("[data-totp-secret]").inner_text().replace(" ", "")).now())
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(re.compile("recovery", re.IGNORECASE))
    codes = page.locator("[data-recovery-codes] code").all_inner_texts()
    assert len(set(codes)) == 10
    page.click("[data-action=continue]")
    expect(page.locator("#subject")).to_be_visible()
    claims = call("GET", f"{world.app_url}/state").json()["id_token"]
    assert claims["acr"].endswith("/acr/mfa")
    assert set(claims["amr"]) >= {"pwd", "otp", "mfa"}

    page.context.clear_cookies()
    _give_password(world, page, "mia", PASSWORD)
    page.get_by_text(re.compile("recovery code", re.IGNORECASE)).first.click()
    page.fill("[name=recovery_code]", codes[0])
    page.keyboard.press("Enter")
    expect(page.locator("#subject")).to_be_visible()


def test_a_wrong_password_and_a_name_nobody_has_look_alike(world: World, plain_page: Page) -> None:
    looks = []
    for name in ("mia", "nobody"):
        plain_page.context.clear_cookies()
        _give_password(world, plain_page, name, "not the right one")
        expect(plain_page.locator("[data-error]")).to_have_text("E_Invalid_Credentials")
        looks.append(plain_page.locator("main").inner_text())
    assert looks[0] == looks[1]


def _give_password(world: World, page: Page, name: str, password: str) -> None:
    page.goto(f"{world.app_url}/sign-in")
    page.fill("[name=login]", name)
    page.keyboard.press("Enter")
    page.fill("[name=password]", password)
    page.keyboard.press("Enter")
