"""People who sign on in the morning, work, and leave; whoever left must not be let in anywhere, by anything they still hold."""

import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.journeys.processes import Answer
from tests.journeys.wanderer import CALLBACK, App
from tests.load.directory import Person
from tests.load.ledger import Ledger
from tests.load.outside import Organisation
from tests.load.scim import active
from tests.load.wire import Browser, Failed, Line, Scim


def sign_on(browser: Browser, app: App, organisation: Organisation, login: str) -> tuple[str, Answer]:
    """Go to an app, sign in at the organisation if no session lives; return where the browser ends, with a code if all is well."""
    url, page = browser.follow(app.request)
    if not url.startswith(CALLBACK):
        url, page = browser.submit(url, page, "/sign-in", login=login)
        if url.startswith(organisation.issuer):
            url, page = browser.follow(organisation.authorize(url, login))
    return url, page


@dataclass
class Visit:
    """What somebody holds who has signed on."""

    person: Person
    browser: Browser
    tokens: dict[str, tuple[App, dict[str, Any]]] = field(default_factory=dict)
    """By client id."""


@dataclass
class Gate:
    """People of their own, whom one thread sends through the gate."""

    ledger: Ledger
    line: Line
    scim: Scim
    organisation: Organisation
    apps: Sequence[App]
    people: Sequence[Person]
    rate: Callable[[], float]
    """Acts per second now: more in the morning."""
    ended: threading.Event
    pick: random.Random
    left: list[tuple[str, str, float]] = field(default_factory=list)
    """Account, client id, and when it was acknowledged that they are out."""
    visits: dict[str, Visit] = field(default_factory=dict)

    def run(self) -> None:
        """Act until the end."""
        while not self.ended.is_set():
            begun = time.monotonic()
            person = self.pick.choice(self.people)
            try:
                self._act(person)
            except Failed:
                # Whatever became of it, this browser is closed; the session may live on.
                self.ledger.abandon()
                self.visits.pop(person.login, None)
            self.ended.wait(max(0.0, begun + 1 / self.rate() - time.monotonic()))

    def _act(self, person: Person) -> None:
        visit = self.visits.get(person.login)
        if visit is None:
            self._arrive(person)
        elif self.pick.random() < 0.12:
            self._leave(visit)
        elif self.pick.random() < 0.5:
            self._use(visit)
        else:
            self._refresh(visit)

    def _arrive(self, person: Person) -> None:
        if not person.active:
            # The try of everything was cut short by a fault.
            self._switch(person, value=True)
        visit = Visit(person, Browser(self.line))
        self._redeem(visit, self.pick.choice(self.apps))
        self.visits[person.login] = visit

    def _use(self, visit: Visit) -> None:
        """Go to another app by the session, and let it ask who this is."""
        app = self.pick.choice(self.apps)
        landed, _ = visit.browser.follow(app.request)
        if not landed.startswith(f"{CALLBACK}?code="):
            self.ledger.surprise(f"{visit.person.login} had a session and was asked to sign in again: {landed[:200]}")
            raise Failed("session")
        issued = self._tokens(visit, app, landed)
        answer = visit.browser.ask("GET", f"{app.issuer}/oauth2/userinfo", Authorization=f"Bearer {issued['access_token']}")
        if answer.status != 200 or answer.json()["sub"] != visit.person.id:
            self.ledger.surprise(f"userinfo answered {answer.status} {answer.body[:200]!r} to {visit.person.login}")

    def _refresh(self, visit: Visit) -> None:
        app, issued = self.pick.choice(list(visit.tokens.values()))
        answer = self._ask_to_refresh(visit, app, issued)
        if answer[0] != 200:
            self.ledger.surprise(f"a refresh token of {visit.person.login} was refused: {answer}")
            raise Failed("refresh")
        visit.tokens[app.client_id] = app, answer[1]

    def _leave(self, visit: Visit) -> None:
        """Be switched off, try everything, be switched on again, and find that nothing of before came back to life."""
        code_app = self.pick.choice(self.apps)
        landed, _ = visit.browser.follow(code_app.request)
        self._switch(visit.person, value=False)
        out = time.monotonic()
        self.left += [(visit.person.id, client_id, out) for client_id in visit.tokens]
        self._try_everything(visit, code_app, landed)
        self._switch(visit.person, value=True)
        self._try_everything(visit, code_app, landed)
        del self.visits[visit.person.login]

    def _switch(self, person: Person, *, value: bool) -> None:
        answer = self.scim.insist("active", "PATCH", f"/Users/{person.id}", active(value=value))
        if answer.status != 200:
            self.ledger.surprise(f"the switch of {person.login} answered {answer.status} {answer.body[:200]!r}")
            return
        person.active = value

    def _try_everything(self, visit: Visit, code_app: App, landed: str) -> None:
        for app, issued in visit.tokens.values():
            self._require_out(visit, "refresh token", self._ask_to_refresh(visit, app, issued)[0] != 200)
            bearer = visit.browser.ask("GET", f"{app.issuer}/oauth2/userinfo", Authorization=f"Bearer {issued['access_token']}")
            self._require_out(visit, "access token", bearer.status == 401)
        if landed.startswith(f"{CALLBACK}?code="):
            self._require_out(visit, "code", self._ask_for_tokens(visit, code_app, landed)[0] != 200)
        url, _ = visit.browser.follow(code_app.request)
        self._require_out(visit, "session", "code=" not in url)

    def _require_out(self, visit: Visit, what: str, out: bool) -> None:
        if not out:
            self.ledger.surprise(f"{visit.person.login} was switched off, and a {what} was good")

    def _redeem(self, visit: Visit, app: App) -> None:
        begun = time.monotonic()
        landed, page = sign_on(visit.browser, app, self.organisation, visit.person.login)
        # A callback that a proxy repeats, because its gateway died with the first one, is refused: a state is good once.
        done = landed.startswith(f"{CALLBACK}?code=")
        told = re.findall(r'data-error="(\w+)"', page.body.decode(errors="replace"))
        self.ledger.note("browser sign-in, all of it", begun, failed="" if done else f"{visit.person.login}: {told} at {landed[:200]}")
        if not done:
            raise Failed("sign-in")
        self._tokens(visit, app, landed)

    def _tokens(self, visit: Visit, app: App, landed: str) -> dict[str, Any]:
        status, issued = self._ask_for_tokens(visit, app, landed)
        if status != 200:
            self.ledger.surprise(f"a code of {visit.person.login} was refused: {issued}")
            raise Failed("code")
        visit.tokens[app.client_id] = app, issued
        return issued

    def _ask_for_tokens(self, visit: Visit, app: App, landed: str) -> tuple[int, dict[str, Any]]:
        code = parse_qs(urlsplit(landed).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": app.verifier}
        answer = visit.browser.ask("POST", f"{app.issuer}/oauth2/token", form=form, Authorization=app.basic)
        return answer.status, answer.json()

    def _ask_to_refresh(self, visit: Visit, app: App, issued: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        form = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]}
        answer = visit.browser.ask("POST", f"{app.issuer}/oauth2/token", form=form, Authorization=app.basic)
        return answer.status, answer.json()
