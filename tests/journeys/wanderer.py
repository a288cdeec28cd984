"""A person's browser, and an app behind it, whose every request may reach another process: by plain HTTP, without a line of Moongate."""

import base64
import hashlib
import json
import re
import secrets
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import unescape
from http.client import HTTPConnection, HTTPSConnection
from itertools import cycle
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.journeys.processes import Answer

_PATIENCE_SECONDS = 30
CALLBACK = "https://app.example/callback"


@dataclass
class Wanderer:
    """Asks for URLs of one origin, and goes to each of several ports in turn for them."""

    ports: Sequence[int]
    tls: ssl.SSLContext | None = None
    source: str = ""
    """The address to come from; any of this machine's where it is empty."""
    cookies: dict[str, str] = field(default_factory=dict)
    set_cookies: list[str] = field(default_factory=list)
    """As they came, with their attributes."""

    def __post_init__(self) -> None:
        self._next = cycle(self.ports)

    def ask(self, method: str, url: str, *, form: dict[str, str] | None = None, port: int = 0, **headers: str) -> Answer:
        """Ask once; `port` names who answers."""
        parts = urlsplit(url)
        at = port or next(self._next)
        source = (self.source, 0) if self.source else None
        connection = (
            HTTPSConnection("localhost", at, timeout=_PATIENCE_SECONDS, context=self.tls, source_address=source)
            if self.tls
            else HTTPConnection("localhost", at, timeout=_PATIENCE_SECONDS, source_address=source)
        )
        sent = {"Host": parts.netloc, "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), urlencode(form) if form else None, sent)
            answer = connection.getresponse()
            found = Answer(answer.status, {name.title(): value for name, value in answer.headers.items()}, answer.read())
            self._keep(answer.headers.get_all("Set-Cookie") or [])
        finally:
            connection.close()
        return found

    def follow(self, url: str, *, form: dict[str, str] | None = None) -> tuple[str, Answer]:
        """Go on until a page stays or another origin is meant; return the last URL and answer."""
        origin, method = urlsplit(url).netloc, "GET" if form is None else "POST"
        answer = self.ask(method, url, form=form)
        while onward := _onward(answer):
            url = onward if "://" in onward else f"{urlsplit(url).scheme}://{origin}{onward}"
            if urlsplit(url).netloc != origin:
                break
            answer = self.ask("GET", url)
        return url, answer

    def submit(self, url: str, page: Answer, action: str, **fields: str) -> tuple[str, Answer]:
        """Send the form of a page that posts to `action`."""
        text = page.body.decode()
        form = next(form for form in re.findall(r"<form.*?</form>", text, re.DOTALL) if f'{action}"' in form)
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
        target = unescape(re.findall(r'action="([^"]*)"', form)[0])
        parts = urlsplit(url)
        return self.follow(target if "://" in target else f"{parts.scheme}://{parts.netloc}{target}", form={**hidden, **fields})

    def _keep(self, headers: Sequence[str]) -> None:
        for header in headers:
            self.set_cookies.append(header)
            name, _, value = header.partition(";")[0].partition("=")
            if re.search(r"max-age=0\b", header, re.IGNORECASE) or not value:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value


def _onward(answer: Answer) -> str:
    if answer.status in {302, 303}:
        return answer.headers["Location"]
    refresh = re.findall(r'http-equiv="refresh" content="0; url=([^"]*)"', answer.body.decode(errors="replace"))
    return unescape(refresh[0]) if refresh else ""


@dataclass
class App:
    """An app of a tenant."""

    issuer: str
    client_id: str
    client_secret: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def request(self) -> str:
        """The URL of its request."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid email",
            "state": "s",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self.issuer}/oauth2/authorize?{urlencode(asked)}"

    def redeem(self, browser: Wanderer, landed: str, *, port: int = 0) -> dict[str, Any]:
        """Return the tokens for the code with which the browser came back."""
        returned = parse_qs(urlsplit(landed).query)
        assert landed.startswith(CALLBACK), landed
        form = {"grant_type": "authorization_code", "code": returned["code"][0], "redirect_uri": CALLBACK, "code_verifier": self.verifier}
        answer = browser.ask("POST", f"{self.issuer}/oauth2/token", form=form, port=port, Authorization=self.basic)
        assert answer.status == 200, answer.body
        return answer.json()

    @property
    def basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()


def sign_in(browser: Wanderer, app: App, login: str, password: str) -> str:
    """Sign in at an app with a password; return the URL at which the browser leaves us."""
    url, page = browser.follow(app.request)
    url, page = browser.submit(url, page, "/sign-in", login=login)
    url, page = browser.submit(url, page, "/sign-in/password", login=login, password=password)
    return url


def unverified_header(token: str) -> dict[str, Any]:
    """What a token says of its key."""
    head = token.partition(".")[0]
    return dict(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))))
