"""The second factor in a browser: enrolment with picture and key, recovery codes shown once, challenge, and no way around them."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from argon2 import PasswordHasher
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import RelyingParty
from gateway.services import credentials, credentials_recovery, second_factor
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.storage import audit, factors, sessions
from tests.conftest import Clock
from tests.factors import PASSWORD, add_app, add_person, code_at, current, enrol, request_of, wrong_code

ISSUER = "http://localhost:8000/t/acme"


@dataclass
class Browser:
    """A browser in the middle of one sign-in."""

    client: FlaskClient
    begin: Callable[[], str]
    id: str = ""
    page: str = ""
    status: int = 0

    def look(self) -> str:
        """What the dispatcher shows now."""
        self.id = self.id or self.begin()
        return self._keep(self.client.get(f"{ISSUER}/sign-in?id={self.id}"))

    def send(self, path: str, **fields: str | list[str]) -> str:
        """Send the form that is on the page; go on to where the answer leads within the sign-in."""
        token = re.search(r'name="form_token" value="([^"]+)"', self.page)
        assert token
        answer = self.client.post(f"{ISSUER}/sign-in/{path}", data={"id": self.id, "form_token": token[1], **fields})
        if answer.status_code == 303:
            return self._keep(self.client.get(answer.headers["Location"]))
        return self._keep(answer)

    def has_session(self) -> bool:
        return any(re.fullmatch(r"mg-[0-9a-f]{8}-[0-9a-f-]{27}", key[2]) for key in self.client._cookies or {})

    def _keep(self, answer: TestResponse) -> str:
        self.status, self.page, self.headers = answer.status_code, answer.get_data(as_text=True), answer.headers
        return self.page


@pytest.fixture
def shop(context: Context, acme: Node, monkeypatch: pytest.MonkeyPatch) -> RelyingParty:
    monkeypatch.setattr(credentials, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    return add_app(context, acme)


@pytest.fixture
def mia(context: Context, acme: Node, shop: RelyingParty) -> Account:
    """Must have a second factor and has none yet."""
    return add_person(context, acme, "mia", mfa_required=True)


@pytest.fixture
def secret(context: Context, acme: Node, shop: RelyingParty, mia: Account, clock: Clock) -> str:
    """The secret of Mia's app, enrolled a while ago."""
    made, _ = enrol(context, acme, shop, mia)
    clock.advance(seconds=3600)
    return made


@pytest.fixture
def browser(context: Context, acme: Node, shop: RelyingParty, client: FlaskClient) -> Browser:
    """A browser that an app sends to sign in as soon as it looks."""

    def begin() -> str:
        begun = sign_ins.begin(context.traced_as(context.new_id()), acme, request_of(shop))
        client.set_cookie(f"mg-t-{begun.sign_in.id}", begun.secret, domain="localhost")
        return begun.sign_in.id

    return Browser(client, begin)


def sign_in_by_password(browser: Browser, login: str = "mia") -> str:
    browser.look()
    return browser.send("password", login=login, password=PASSWORD)


def secret_on(page: str) -> str:
    found = re.search(r"<code[^>]*data-totp-secret[^>]*>([A-Z2-7]+)</code>", page)
    assert found
    return found[1]


def recovery_codes_on(page: str) -> list[str]:
    return re.findall(r"<li><code>([a-z2-7-]+)</code></li>", page)


def test_who_must_set_up_a_factor_sees_picture_and_key_and_is_not_signed_in(browser: Browser, mia: Account, context: Context) -> None:
    page = sign_in_by_password(browser)
    assert browser.status == 200
    assert len(secret_on(page)) == 32
    assert "<svg" in page
    assert re.search(r'<input[^>]*name="code"[^>]*autocomplete="one-time-code"', page)
    assert not browser.has_session()
    assert sessions.list_sessions(context.database, mia.id) == []


def test_the_page_works_under_the_content_security_policy(browser: Browser, mia: Account) -> None:
    page = sign_in_by_password(browser)
    assert "style=" not in page
    assert "<script" not in page
    assert "no-store" in browser.headers["Cache-Control"]
    assert "'unsafe-inline'" not in browser.headers["Content-Security-Policy"]


def test_a_right_code_sets_the_factor_up_signs_in_and_shows_ten_recovery_codes_once(
    browser: Browser, mia: Account, context: Context
) -> None:
    secret = secret_on(sign_in_by_password(browser))
    page = browser.send("enrol", code=code_at(secret, context.now()))
    codes = recovery_codes_on(page)
    assert (browser.status, len(codes)) == (200, 10)
    assert "no-store" in browser.headers["Cache-Control"]
    assert browser.has_session()
    assert secret not in page
    again = browser.look()
    assert not [code for code in codes if code in again]


def test_the_recovery_codes_can_be_had_as_a_file(browser: Browser, mia: Account, context: Context) -> None:
    page = browser.send("enrol", code=code_at(secret_on(sign_in_by_password(browser)), context.now()))
    codes = recovery_codes_on(page)
    text = browser.send("recovery-codes", recovery_code=codes)
    assert browser.headers["Content-Disposition"] == 'attachment; filename="recovery-codes.txt"'
    assert browser.headers["Content-Type"].startswith("text/plain")
    assert "no-store" in browser.headers["Cache-Control"]
    assert all(code in text for code in codes)


def test_the_file_echoes_nothing_but_the_accounts_own_codes(browser: Browser, mia: Account, context: Context) -> None:
    page = browser.send("enrol", code=code_at(secret_on(sign_in_by_password(browser)), context.now()))
    browser.send("recovery-codes", recovery_code=[*recovery_codes_on(page)[:9], "https://evil.example"])
    assert browser.status != 200
    assert "evil.example" not in browser.page


def test_a_wrong_code_shows_the_same_key_again(browser: Browser, mia: Account, context: Context) -> None:
    secret = secret_on(sign_in_by_password(browser))
    page = browser.send("enrol", code=wrong_code(secret, context.now()))
    assert browser.status == 401
    assert 'data-error="E_Mfa_Invalid"' in page
    assert secret_on(page) == secret
    assert factors.find_factor(context.database, mia.id) is None


def test_a_code_page_asks_and_a_right_code_leads_on(browser: Browser, context: Context, secret: str) -> None:
    page = sign_in_by_password(browser)
    assert "data-totp-secret" not in page
    assert 'name="code"' in page
    assert 'name="recovery_code"' in page
    browser.send("code", code=code_at(secret, context.now()))
    assert browser.has_session()
    assert f"/oauth2/authorize/continue?id={browser.id}" in html.unescape(browser.page)


def test_a_wrong_code_is_401_with_the_tries_left(browser: Browser, context: Context, secret: str) -> None:
    sign_in_by_password(browser)
    page = browser.send("code", code=wrong_code(secret, context.now()))
    assert browser.status == 401
    assert 'data-error="E_Mfa_Invalid"' in page
    assert "4" in page[page.index("data-error") - 200 : page.index("data-error")]
    assert not browser.has_session()


def test_a_replayed_code_looks_like_any_wrong_one(browser: Browser, context: Context, secret: str, mia: Account) -> None:
    factor = factors.find_factor(context.database, mia.id)
    assert factor is not None
    sign_in_by_password(browser)
    code = code_at(secret, context.now())
    factors.take_step(context.database, factor, context.now() // 30_000, drift=0)
    page = browser.send("code", code=code)
    assert (browser.status, "E_Mfa_Replayed" in page, "E_Mfa_Invalid" in page) == (401, False, True)
    assert "E_Mfa_Replayed" in [row.code for row in audit.list_audit(context.database, mia.home, limit=50)]


def test_the_fifth_wrong_code_is_423_with_the_time_and_a_way_back(browser: Browser, context: Context, secret: str) -> None:
    sign_in_by_password(browser)
    for _ in range(5):
        browser.send("code", code=wrong_code(secret, context.now()))
    assert browser.status == 423
    assert 'data-error="E_Mfa_Locked"' in browser.page
    assert re.search(r"\d\d:\d\d UTC", browser.page)
    assert 'data-action="return"' in browser.page
    assert "data-correlation" in browser.page


def test_a_recovery_code_leads_on_once(browser: Browser, context: Context, acme: Node, shop: RelyingParty, mia: Account) -> None:
    _, codes = enrol(context, acme, shop, mia)
    sign_in_by_password(browser)
    browser.send("recovery", recovery_code=codes[0])
    assert browser.has_session()


def test_a_used_recovery_code_is_told_as_such(browser: Browser, context: Context, acme: Node, shop: RelyingParty, mia: Account) -> None:
    _, codes = enrol(context, acme, shop, mia)
    with context.database.transaction():
        factors.take_recovery_code(context.database, mia.id, credentials_recovery._hash(codes[0]), context.now())
    sign_in_by_password(browser)
    page = browser.send("recovery", recovery_code=codes[0])
    assert (browser.status, 'data-error="E_Recovery_Code_Used"' in page) == (401, True)


def test_after_a_reset_the_page_asks_for_the_access_code_and_then_for_a_new_factor(
    browser: Browser, context: Context, mia: Account, secret: str
) -> None:
    code, _ = second_factor.reset(context, current(context, mia))
    page = sign_in_by_password(browser)
    assert "Temporary access code" in page
    assert 'name="recovery_code"' not in page
    assert secret_on(browser.send("code", code=code)) != secret


@pytest.mark.parametrize("path", ["code", "recovery", "enrol", "recovery-codes"])
def test_no_step_can_be_skipped_to(browser: Browser, mia: Account, secret: str, path: str) -> None:
    browser.look()
    browser.send(path, code="000000", recovery_code="aaaa-aaaa-aaaa-aaaa")
    assert browser.status in {400, 403, 409}
    assert "E_State_Invalid" in browser.page
    assert not browser.has_session()


def test_enrolment_cannot_take_the_place_of_a_challenge(browser: Browser, context: Context, secret: str) -> None:
    sign_in_by_password(browser)
    browser.send("enrol", code=code_at(secret, context.now()))
    assert "E_State_Invalid" in browser.page
    assert not browser.has_session()


def test_a_form_of_another_site_is_refused(browser: Browser, context: Context, secret: str) -> None:
    sign_in_by_password(browser)
    answer = browser.client.post(f"{ISSUER}/sign-in/code", data={"id": browser.id, "code": code_at(secret, context.now())})
    assert answer.status_code == 403
    assert not browser.has_session()


def test_another_browser_cannot_go_on_with_the_sign_in(browser: Browser, app: object, context: Context, secret: str) -> None:
    sign_in_by_password(browser)
    stranger = Browser(browser.client.application.test_client(), browser.begin, browser.id, browser.page)
    stranger.send("code", code=code_at(secret, context.now()))
    assert "E_State_Invalid" in stranger.page


def test_a_first_factor_that_is_too_old_begins_anew(browser: Browser, clock: Clock, mia: Account) -> None:
    browser.look()
    token = re.search(r'name="form_token" value="([^"]+)"', browser.page)
    assert token
    form = {"id": browser.id, "form_token": token[1], "login": "mia", "password": PASSWORD}
    browser.client.post(f"{ISSUER}/sign-in/password", data=form)
    clock.advance(seconds=301)
    assert 'data-error="E_Session_Expired"' in browser.look()
    assert 'data-action="again"' in browser.page


def test_the_device_is_known_after_the_second_factor_and_told_when_a_lock_ends(
    browser: Browser, context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str
) -> None:
    sign_in_by_password(browser)
    browser.send("code", code=code_at(secret, context.now()))
    for _ in range(10):
        credentials.check_password(context, acme, "mia", "wrong")
    begun = sign_ins.begin(context, acme, request_of(shop))
    browser.client.set_cookie(f"mg-t-{begun.sign_in.id}", begun.secret, domain="localhost")
    known = Browser(browser.client, browser.begin, begun.sign_in.id)
    sign_in_by_password(known)
    assert (known.status, bool(re.search(r"\d\d:\d\d UTC", known.page))) == (401, True)
    stranger_client = browser.client.application.test_client()
    stranger_client.set_cookie(f"mg-t-{begun.sign_in.id}", begun.secret, domain="localhost")
    stranger = Browser(stranger_client, browser.begin, begun.sign_in.id)
    sign_in_by_password(stranger)
    assert (stranger.status, " UTC" in stranger.page) == (401, False)
