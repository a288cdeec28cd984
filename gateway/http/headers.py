"""What every answer carries: a strict content security policy, no sniffing, no framing, no referrer (openid.md 11)."""

import re
from urllib.parse import urlsplit

from flask import Response, g, request

from gateway.http.requests import correlation_id

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*:(?://[A-Za-z0-9.\-_~\[\]:]+)?")


def allow_form_to(url: str) -> None:
    """Let this page's forms lead to the origin of `url` too: Chromium checks the redirects after a POST as well (decisions.md 28)."""
    parts = urlsplit(url)
    # An app's own scheme has no origin; the scheme alone is what a policy can name.
    origin = f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"
    # What could end the directive and begin another one is no origin.
    if _ORIGIN.fullmatch(origin):
        g.form_origins = [*g.get("form_origins", []), origin]


def apply(response: Response) -> Response:
    """Set the headers on an answer; for the app's `after_request`."""
    headers = response.headers
    form_action = " ".join(["'self'", *g.get("form_origins", [])])
    headers.setdefault("Content-Security-Policy", _POLICY.format(form_action=form_action))
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    if request.endpoint == "static":
        # The address names the content by its hash, so a copy never grows old; without a hash it is asked for anew.
        headers["Cache-Control"] = "public, max-age=31536000, immutable" if request.args.get("v") else "no-cache"
    headers.setdefault("Cache-Control", "no-store")
    headers["X-Correlation-Id"] = correlation_id()
    return response
