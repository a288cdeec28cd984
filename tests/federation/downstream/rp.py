"""An app as its developer writes it: it asks, waits for the answer, redeems, and keeps what it was told."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import AuthMethod, Level, Means, RelyingParty
from gateway.domain.sign_in import Path, Proof
from gateway.http import endpoints
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.tokens.verification import Expected, import_key_set, verify_id_token

CALLBACK = "https://app.example/cb"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
STATE, NONCE = "st-8 äß", "n-0S6_WzA2Mj"


def claims_of(token: str) -> dict[str, Any]:
    """The payload of a token, as anybody can read it."""
    return part_of(token, 1)


def header_of(token: str) -> dict[str, Any]:
    return part_of(token, 0)


def part_of(token: str, number: int) -> dict[str, Any]:
    segment = token.split(".")[number]
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return read


def basic(client_id: str, secret: str) -> dict[str, str]:
    """The header of client_secret_basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def answer_of(response: TestResponse) -> dict[str, str]:
    """What the browser takes to the app's callback, with nothing twice."""
    assert response.status_code == 303
    location = urlsplit(response.location)
    assert f"{location.scheme}://{location.netloc}{location.path}" == CALLBACK, response.location
    assert not location.fragment
    pairs = parse_qsl(location.query, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@dataclass
class Rp:
    """An app registered at a node, and the browser of one person."""

    browser: FlaskClient
    context: Context
    node: Node
    party: RelyingParty
    secret: str
    redirect_uri: str = CALLBACK

    def url(self, path: str) -> str:
        return self.node.issuer + path

    def request(self, **changes: str | None) -> dict[str, str]:
        """A good authorization request with some parameters changed; None removes one."""
        good: dict[str, str | None] = {
            "client_id": self.party.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": "openid profile email offline_access",
            "state": STATE,
            "nonce": NONCE,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (good | changes).items() if value is not None}

    def authorize(self, **changes: str | None) -> TestResponse:
        """The browser follows the app's link."""
        return self.browser.get(self.url(endpoints.AUTHORIZE), query_string=self.request(**changes))

    def error(self, **changes: str | None) -> str:
        """The OAuth error that a request earns; it carries state and issuer, and no code (openid.md 9)."""
        answer = answer_of(self.authorize(**changes))
        assert answer["state"] == STATE
        assert answer["iss"] == self.node.issuer
        assert "code" not in answer
        assert answer["error_description"].isascii()
        assert not set('"\\\r\n\t') & set(answer["error_description"])
        return answer["error"]

    def code(self, **changes: str | None) -> str:
        """The code for somebody who is signed in."""
        answer = answer_of(self.authorize(**changes))
        assert answer.get("state") == changes.get("state", STATE)
        assert answer["iss"] == self.node.issuer
        return answer["code"]

    def sign_in(self, response: TestResponse, account: Account, means: Means | None = None) -> TestResponse:
        """The person signs in at the page that the response leads to; the browser goes on to the app."""
        sign_in_id = sign_in_id_of(response)
        stored = sign_ins.get(self.context, self.node, sign_in_id, self.cookie(f"mg-t-{sign_in_id}"))
        proved = means or Means(level=Level.ONE_FACTOR, amr=("pwd",), auth_time=self.context.now())
        proof = Proof(account.id, Path.FEDERATED if proved.provider else Path.PASSWORD, proved, self.context.now())
        progress = sign_ins.advance(self.context, self.node, replace(stored, proof=proof))
        if progress.session_secret:
            self.browser.set_cookie(f"mg-{self.node.id}", progress.session_secret)
        return self.browser.get(self.url(endpoints.AUTHORIZE_CONTINUE), query_string={"id": sign_in_id})

    def open_session(self, account: Account, **changes: str | None) -> str:
        """The person signs in from the beginning; return the code."""
        return answer_of(self.sign_in(self.authorize(**changes), account))["code"]

    def connect(self, account: Account, **changes: str | None) -> dict[str, Any]:
        """The person signs in from the beginning, and the app redeems the code; return its tokens."""
        return self.tokens(self.redeem(self.open_session(account, **changes)))

    def cookie(self, name: str) -> str:
        found = self.browser.get_cookie(name)
        return found.value if found else ""

    def post(self, path: str, form: Mapping[str, Any], **headers: str) -> TestResponse:
        """A call of the app itself, which knows no cookies, authenticated as registered."""
        sent = dict(form)
        if self.party.auth_method is AuthMethod.POST:
            sent = {"client_id": self.party.client_id, "client_secret": self.secret} | sent
        elif self.party.auth_method is AuthMethod.NONE:
            sent = {"client_id": self.party.client_id} | sent
        authorization = basic(self.party.client_id, self.secret) if self.party.auth_method is AuthMethod.BASIC else {}
        server = self.browser.application.test_client(use_cookies=False)
        return server.post(self.url(path), data=sent, headers=authorization | headers)

    def token(self, **form: str | None) -> TestResponse:
        return self.post(endpoints.TOKEN, {name: value for name, value in form.items() if value is not None})

    def redeem(self, code: str, **changes: str | None) -> TestResponse:
        form: dict[str, str | None] = {"redirect_uri": self.redirect_uri, "code_verifier": VERIFIER}
        return self.token(**{"grant_type": "authorization_code", "code": code} | form | changes)

    def refresh(self, refresh_token: str, **changes: str | None) -> TestResponse:
        return self.token(**{"grant_type": "refresh_token", "refresh_token": refresh_token} | changes)

    def tokens(self, response: TestResponse) -> dict[str, Any]:
        """A good token answer, held against what every module of the conformance suite asserts (openid.md section 4)."""
        assert response.status_code == 200, response.text
        assert response.mimetype == "application/json"
        assert "no-store" in response.headers["Cache-Control"]
        answer: dict[str, Any] = response.json or {}
        assert answer["token_type"].lower() == "bearer"
        assert isinstance(answer["expires_in"], int)
        return answer

    def id_token(self, answer: Mapping[str, Any], *, nonce: str | None = NONCE) -> dict[str, Any]:
        """The ID token, verified by the published keys as an app does it."""
        keys = import_key_set(self.browser.get(self.url(endpoints.JWKS)).json or {})
        algorithms = frozenset({self.party.id_token_alg})
        expected = Expected(self.node.issuer, self.party.client_id, keys, algorithms, nonce=nonce, access_token=answer["access_token"])
        return dict(verify_id_token(answer["id_token"], expected, now=self.context.now()).claims)

    def userinfo(self, access_token: str, *, method: str = "GET") -> TestResponse:
        server = self.browser.application.test_client(use_cookies=False)
        headers = {"Authorization": f"Bearer {access_token}"}
        return server.open(self.url(endpoints.USERINFO), method=method, headers=headers)


def sign_in_id_of(response: TestResponse) -> str:
    """The sign-in that a response leads to."""
    assert response.status_code == 303, response.text
    location = urlsplit(response.location)
    assert location.path.endswith(endpoints.SIGN_IN), response.location
    return parse_qs(location.query)["id"][0]
