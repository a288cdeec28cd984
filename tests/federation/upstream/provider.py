"""An OpenID provider on the loopback: proper unless a test changes one thing about it."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

from tests.conftest import START, Clock
from tests.tokens.forge import ForgeKey, forge

CLIENT_ID = "moongate-at-acme"
CLIENT_SECRET = "s3cret of:acme/+"
SUBJECT = "248289761001"


@dataclass
class Provider:
    """What it says, and what it was asked."""

    key: ForgeKey
    clock: Clock
    issuer: str = ""
    published: list[dict[str, object]] = field(default_factory=list)
    """Its key set."""
    metadata: dict[str, object] = field(default_factory=dict)
    """Changes to the discovery document; None removes a member."""
    claims: dict[str, Any] = field(default_factory=dict)
    """Changes to the ID token's claims."""
    header: dict[str, object] = field(default_factory=dict)
    sign: Callable[[bytes], bytes] | None = None
    tokens: dict[str, object] = field(default_factory=dict)
    """Changes to the token endpoint's answer."""
    token_status: int = 200
    raw_tokens: bytes | None = None
    """What the token endpoint says instead."""
    userinfo: dict[str, object] | None = None
    """Changes to userinfo; None: the endpoint fails."""
    answer: dict[str, str | None] = field(default_factory=dict)
    """Changes to the parameters the browser brings back."""
    calls: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    """Authorization headers at the token endpoint."""
    before_answer: Callable[[str], object] = field(default=lambda _path: None)
    """Runs before each answer, with the path asked."""
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return self.calls.count(path)

    def authorize(self, url: str) -> str:
        """Do what its authorization endpoint does with the browser that brings `url`: return where it is sent."""
        asked = dict(parse_qsl(urlsplit(url).query, strict_parsing=True))
        assert url.startswith(f"{self.issuer}/authorize?")
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        given: dict[str, str | None] = {"code": code, "state": asked["state"], "iss": self.issuer}
        return f"{asked['redirect_uri']}?{urlencode({name: value for name, value in (given | self.answer).items() if value is not None})}"

    def document(self) -> dict[str, Any]:
        members = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return _changed(members, self.metadata)

    def id_token(self, nonce: str) -> str:
        seconds = self.clock.now // 1000
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": SUBJECT,
            "iat": seconds,
            "exp": seconds + 300,
            "nonce": nonce,
            "email": "flast@acme.example",
            "email_verified": True,
            "preferred_username": "flast",
            "name": "First Last",
        }
        return forge(_changed(claims, self.claims), self.key, header=self.header, sign=self.sign)

    def redeem(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, object]]:
        """Do what its token endpoint does."""
        asked = self._codes.pop(form.get("code", ""), None)
        if _credentials(form, authorization) != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri") or asked.get("code_challenge", challenge) != challenge:
            return 400, {"error": "invalid_grant"}
        body: dict[str, object] = {"access_token": "at-1", "token_type": "Bearer", "id_token": self.id_token(asked["nonce"])}
        return self.token_status, _changed(body, self.tokens)

    def reply(self, path: str, form: dict[str, str], authorization: str) -> tuple[int, bytes]:
        """Answer a request to one of its endpoints."""
        self.calls.append(path)
        self.before_answer(path)
        body: dict[str, Any]
        status = 200
        if path == "/.well-known/openid-configuration":
            body = self.document()
        elif path == "/keys":
            body = {"keys": self.published}
        elif path == "/token":
            self.forms.append(form)
            self.authorizations.append(authorization)
            status, body = self.redeem(form, authorization)
            if self.raw_tokens is not None:
                return self.token_status, self.raw_tokens
        elif path == "/userinfo" and self.userinfo is not None and authorization == "Bearer at-1":
            body = _changed({"sub": SUBJECT, "email": "flast@acme.example", "email_verified": True}, self.userinfo)
        else:
            status, body = 500, {"error": "server_error"}
        return status, json.dumps(body).encode()


@contextmanager
def running(key: ForgeKey, clock: Clock | None = None) -> Iterator[Provider]:
    """Run a provider that signs with `key` until the block ends."""
    provider = Provider(key, clock or Clock(START), published=[key.jwk()])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer({name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()})

        def _answer(self, form: dict[str, str]) -> None:
            status, body = provider.reply(self.path, form, self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_arguments: None  # type: ignore[method-assign]  # clients that hang up are part of the tests
        provider.issuer = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()


def _changed(members: dict[str, object], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (members | changes).items() if value is not None}


def _credentials(form: dict[str, str], authorization: str) -> tuple[str, str]:
    if authorization.startswith("Basic "):
        user, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        return unquote(user), unquote(password)
    return form.get("client_id", ""), form.get("client_secret", "")
