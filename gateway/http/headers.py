"""What every answer carries: a strict content security policy, no sniffing, no framing, no referrer (openid.md 11)."""

from urllib.parse import urlsplit

from flask import Response, g

from gateway.http.requests import correlation_id

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
)


def allow_form_to(url: str) -> None:
    """Let forms of this request's page lead to the origin of `url` too: Chromium checks redirects after a POST as well (decisions.md 28)."""
    parts = urlsplit(url)
    g.form_origins = [*g.get("form_origins", []), f"{parts.scheme}://{parts.netloc}"]


def apply(response: Response) -> Response:
    """Set the headers on an answer; for the app's `after_request`."""
    headers = response.headers
    form_action = " ".join(["'self'", *g.get("form_origins", [])])
    headers.setdefault("Content-Security-Policy", _POLICY.format(form_action=form_action))
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Cache-Control", "no-store")
    headers["X-Correlation-Id"] = correlation_id()
    return response
