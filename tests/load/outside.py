"""Those who are not us: an organisation's OpenID provider, and the apps that hear of sign-outs. Both run in threads of the test."""

import asyncio
import base64
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec

from tests.journeys.processes import free_port
from tests.tokens.forge import ForgeKey, forge

CLIENT_ID = "moongate-at-acme"
CLIENT_SECRET = "an upstream secret of sufficient length"
_HANG_SECONDS = 20


@dataclass
class Organisation:
    """A provider whose people need no password: whoever brings a browser says who it is."""

    issuer: str = ""
    alive: threading.Event = field(default_factory=threading.Event)
    """Cleared, it takes connections and says nothing."""
    key: ForgeKey = field(default_factory=lambda: ForgeKey("org", "ES256", ec.generate_private_key(ec.SECP256R1())))
    _asked: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Nonce and login by code."""

    def authorize(self, url: str, login: str) -> str:
        """Do what its authorization endpoint does with the browser that brings `url`: return where it is sent."""
        asked = dict(parse_qsl(urlsplit(url).query, strict_parsing=True))
        code = secrets.token_urlsafe(16)
        self._asked[code] = asked["nonce"], login
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.issuer})}"

    def reply(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Answer a request of the gateway."""
        self.alive.wait(_HANG_SECONDS)
        if path == "/.well-known/openid-configuration":
            return 200, self._document()
        if path == "/keys":
            return 200, {"keys": [self.key.jwk()]}
        nonce, login = self._asked.pop(form.get("code", ""), ("", ""))
        return (
            (200, {"access_token": "at", "token_type": "Bearer", "id_token": self._id_token(nonce, login)})
            if login
            else (
                400,
                {"error": "invalid_grant"},
            )
        )

    def _id_token(self, nonce: str, login: str) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "sub": f"sub-{login}", "iat": now, "exp": now + 300, "nonce": nonce}
        return forge(claims | {"preferred_username": login, "email": login, "email_verified": True}, self.key)

    def _document(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }


@contextmanager
def organisation() -> Iterator[Organisation]:
    """Run a provider until the block ends."""
    provider = Organisation()
    provider.alive.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer({name: values[0] for name, values in parse_qs(body).items()})

        def _answer(self, form: dict[str, str]) -> None:
            status, document = provider.reply(self.path, form)
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_arguments: None  # type: ignore[method-assign]  # whoever waited too long has hung up
        provider.issuer = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield provider
        finally:
            provider.alive.set()
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Told:
    """A logout token that came, not verified here."""

    client_id: str
    subject: str
    session: str
    at: float


@dataclass
class Apps:
    """The back-channel endpoints of several apps. They share an address, and so the few calls that a process makes there at once."""

    uris: list[str]
    told: list[Told] = field(default_factory=list)

    def hear(self, body: bytes) -> None:
        """Note a logout token."""
        token = parse_qs(body.decode())["logout_token"][0]
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        self.told.append(Told(claims["aud"], claims["sub"], claims["sid"], time.monotonic()))


@contextmanager
def listening_apps(number: int) -> Iterator[Apps]:
    """Run the apps until the block ends."""
    port = free_port()
    apps = Apps([f"http://127.0.0.1:{port}/{at}/logout" for at in range(number)])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        apps.hear(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    # A loop and a thread of its own: the test's thread may have a running loop already, a browser's.
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(answer, "127.0.0.1", port), loop).result(10)
    try:
        yield apps
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
