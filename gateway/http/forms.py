"""Forms that change something: a token bound to the sign-in's cookie, and no post from another site."""

import hashlib
import hmac

from flask import request

from gateway.domain.errors import Refusal
from gateway.http.requests import require_form

TOKEN_FIELD = "form_token"
_OWN = frozenset({"same-origin", "none"})


def form_token(secret: str) -> str:
    """Return the token a form carries: only who holds the cookie's secret can make it, and it tells nothing about the secret."""
    return hashlib.sha256(f"form:{secret}".encode()).hexdigest()


def require_own_form(secret: str) -> None:
    """Refuse a post without the token of this browser's cookie, or one that the browser says another site began.

    A cookie that is sent along is no proof of intent: SameSite=Lax spares neither sibling hosts nor another tenant on this one.
    """
    require_form()
    sent = request.form.get(TOKEN_FIELD, "")
    if not secret or not hmac.compare_digest(sent.encode(), form_token(secret).encode()):
        raise Refusal("E_Csrf", reason="the form's token is not this browser's")
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if site not in _OWN:
        raise Refusal("E_Csrf", reason=f"Sec-Fetch-Site: {site[:32]}")
