"""`make demo`, as a newcomer tries it: what it prints works, and what it promises happens."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.processes import Gateway, call, free_port, wait_for

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(240)]


@dataclass(frozen=True)
class Demo:
    """What the demo printed."""

    process: "subprocess.Popen[Any]"
    gateway: Gateway
    printed: str

    def line(self, name: str) -> str:
        found = re.search(rf"^{name}: (\S+)$", self.printed, re.MULTILINE)
        assert found, self.printed
        return found[1]

    def app(self) -> str:
        found = re.search(r"sign in:\s+(\S+)", self.printed)
        assert found, self.printed
        return found[1]

    def password(self, login: str) -> str:
        found = re.search(rf"^\s+{re.escape(login)}\s+(\S+)", self.printed, re.MULTILINE)
        assert found, self.printed
        return found[1]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    port = free_port()
    told = tmp_path / "told"
    environment = {name: value for name, value in Gateway(tmp_path, port).environment.items() if not name.startswith("MOONGATE_")}
    with told.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "gateway", "demo", "--port", str(port)], cwd=tmp_path, env=environment, stdout=out, stderr=out
        )
    try:
        wait_for(lambda: "Ready:" in told.read_text() or process.poll() is not None, told.read_text)
        yield Demo(process, Gateway(tmp_path / f"var/demo-{port}", port), told.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_the_demo_shows_the_main_job(demo: Demo, page: Page) -> None:
    assert demo.line("Ready") == demo.gateway.url
    assert call("GET", demo.gateway.url + "/").status == 200

    _sign_in(demo, page, "grace@acme.example")
    expect(page.locator("#subject")).to_have_text("Grace Hopper")
    base, token = demo.line("SCIM base"), demo.line("SCIM token")
    query = quote('userName eq "grace@acme.example"')
    [grace] = call("GET", f"{base}/Users?filter={query}", token=token).json()["Resources"]
    disable: dict[str, object] = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "Replace", "path": "active", "value": "False"}],
    }
    assert call("PATCH", f"{base}/Users/{grace['id']}", token=token, body=disable).status == 200
    expect(page.locator("#note")).to_contain_text("Signed out by the provider")


def test_the_demo_refuses_whom_nobody_provisioned_until_the_directory_pushes_her(demo: Demo, page: Page) -> None:
    _sign_in(demo, page, "eve@acme.example")
    expect(page.locator("[data-error]")).to_have_text("E_No_User")
    explained = demo.gateway.run("explain", page.locator("[data-correlation]").inner_text())
    assert explained["code"] == "E_No_User"
    eve = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "eve@acme.example", "active": True}
    assert call("POST", f"{demo.line('SCIM base')}/Users", token=demo.line("SCIM token"), body=eve).status == 201
    page.context.clear_cookies()
    _sign_in(demo, page, "eve@acme.example")
    expect(page.locator("#subject")).to_be_visible()


def test_the_demo_asks_its_third_person_for_a_second_factor(demo: Demo, page: Page) -> None:
    _sign_in(demo, page, "mia")
    expect(page.locator("[data-totp-secret]")).to_be_visible()


def _sign_in(demo: Demo, page: Page, login: str) -> None:
    page.goto(demo.app())
    page.click("#sign-in")
    page.fill("[name=login]", login)
    page.keyboard.press("Enter")
    page.locator("[name=password]").wait_for()
    page.fill("[name=password]", demo.password(login))
    page.keyboard.press("Enter")
