"""What every answer carries: a strict content security policy, no sniffing, no framing, no referrer (openid.md 11)."""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import request

from gateway.http.endpoints import STATIC
from gateway.http.tenancy import CORRELATION

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
)
_USUAL_POLICY = _POLICY.format(form_action="'self'")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*:(?://[A-Za-z0-9.\-_~\[\]:]+)?")
_FORM_ORIGINS = "moongate.form_origins"


def allow_form_to(url: str) -> None:
    """Let this page's forms lead to the origin of `url` too: Chromium checks the redirects after a POST as well (decisions.md 28)."""
    parts = urlsplit(url)
    # An app's own scheme has no origin; the scheme alone is what a policy can name.
    origin = f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"
    # What could end the directive and begin another one is no origin.
    if _ORIGIN.fullmatch(origin):
        request.environ.setdefault(_FORM_ORIGINS, []).append(origin)


class Headers:
    """A middleware that adds to each answer what it does not say itself. As a middleware it costs a list, not a dozen look-ups."""

    def __init__(self, app: "WSGIApplication") -> None:
        """Wrap `app`; inside of `Tenancy`, which makes the correlation id."""
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Let the app answer, with our headers beside its own."""

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:  # noqa: ANN401 -- as WSGI has it
            if environ.get("PATH_INFO", "").startswith(STATIC):
                # Flask knows nothing of the hash in the address.
                headers = [item for item in headers if item[0].lower() != "cache-control"]
            said = {name.lower() for name, _ in headers}
            headers = headers + [(name, value) for name, value in _owed(environ, status) if name.lower() not in said]
            return start_response(status, headers, exc_info)

        return self._app(environ, start)


def _owed(environ: "WSGIEnvironment", status: str) -> tuple[tuple[str, str], ...]:
    origins = environ.get(_FORM_ORIGINS)
    return (
        ("Content-Security-Policy", _POLICY.format(form_action=" ".join(["'self'", *origins])) if origins else _USUAL_POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", _caching(environ, status)),
        ("X-Correlation-Id", environ[CORRELATION]),
    )


def _caching(environ: "WSGIEnvironment", status: str) -> str:
    """Return that nothing is kept but static files: their address names the content by its hash, so a copy never grows old."""
    if not environ.get("PATH_INFO", "").startswith(STATIC):
        return "no-store"
    lasting = "v=" in environ.get("QUERY_STRING", "") and status.startswith(("200", "304"))
    return "public, max-age=31536000, immutable" if lasting else "no-cache"
