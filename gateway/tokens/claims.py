"""The rules about a token's payload: which claims it must hold, and what they must say."""

import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.values import HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from gateway.tokens.digests import at_hash

LEEWAY_MS = MINUTE_MS
"""How far another server's clock may differ from ours."""

MAX_SUBJECT_LENGTH = 255
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_MAX_AGE_MS = 5 * MINUTE_MS
"""How old a logout token may be; older ones are replays out of a log."""

ASSERTION_MAX_LIFE_MS = HOUR_MS
"""How far ahead a client assertion may expire: its `jti` is remembered for that long."""
ASSERTION_LEEWAY_MS = 30 * SECOND_MS
"""How far in the future a client assertion may begin."""

STALE_KEY_CHECKS = frozenset({"kid", "key", "signature"})
"""Failures that fresh keys may cure: the sender may have rotated its keys, even under the same kid."""

_LAST_SECOND = 253_402_300_799


class TokenRejected(Exception):
    """A token from outside failed a check. Nothing of it is for the browser."""

    def __init__(self, check: str, reason: str) -> None:
        """Name the failed check for the trace (`iss`, `aud`, `signature`, `kid`, `nonce`, …) and tell the reason for the log."""
        super().__init__(f"{check}: {reason}")
        self.check = check
        self.reason = reason


@dataclass(frozen=True, slots=True)
class VerifiedClaims:
    """What a token says, after its signature and the registered claims were checked."""

    issuer: str
    subject: str
    audience: tuple[str, ...]
    issued_at: Instant
    expires_at: Instant
    key_id: str | None
    claims: Mapping[str, object] = field(repr=False)
    """Every claim as sent; those not named above are still only what the issuer says."""


@dataclass(frozen=True, slots=True)
class VerifiedLogout:
    """Whom an identity provider tells us to sign out: by subject, by its session id, or by both (Back-Channel Logout §2.4)."""

    issuer: str
    subject: str | None
    session_id: str | None
    token_id: str
    """`jti`; the caller refuses one it has seen from this issuer."""
    issued_at: Instant


@dataclass(frozen=True, slots=True)
class VerifiedAssertion:
    """An app's proof of itself, good once."""

    client_id: str
    token_id: str
    """`jti`; the caller refuses one it has seen from this app."""
    expires_at: Instant


def require_issuer(claims: Mapping[str, object], issuer: str) -> None:
    """Refuse an `iss` that is not exactly `issuer`: no folding of case or slashes (OIDC Core §3.1.3.7 2)."""
    if claims.get("iss") != issuer:
        raise TokenRejected("iss", f"{_shown(claims.get('iss'))} is not {issuer!r}")


def require_audience(claims: Mapping[str, object], audience: str) -> tuple[str, ...]:
    """Return the audience, or refuse a token that is not also for `audience`."""
    audiences = list_audience(claims)
    if audience not in audiences:
        raise TokenRejected("aud", f"{_shown(audiences)} does not hold {audience!r}")
    return audiences


def list_audience(claims: Mapping[str, object]) -> tuple[str, ...]:
    """Return `aud`, a string or a list of strings (RFC 7519 §4.1.3), or refuse anything else."""
    value = claims.get("aud")
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values or not all(isinstance(one, str) for one in values):
        raise TokenRejected("aud", f"{_shown(value)} is no string and no list of strings")
    return tuple(values)


def require_authorized_party(claims: Mapping[str, object], audiences: tuple[str, ...], client_id: str) -> None:
    """Refuse an `azp` that is not us, and its absence where the token is for others too (OIDC Core §3.1.3.7 4 and 5)."""
    if "azp" in claims:
        if claims["azp"] != client_id:
            raise TokenRejected("azp", f"{_shown(claims['azp'])} is not {client_id!r}")
    elif len(audiences) > 1:
        raise TokenRejected("azp", f"absent, although aud is {_shown(audiences)}")


def require_subject(claims: Mapping[str, object]) -> str:
    """Return `sub`: a string of 1 to 255 characters (OIDC Core §2)."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= MAX_SUBJECT_LENGTH:
        raise TokenRejected("sub", f"{_shown(subject)} is no string of 1 to {MAX_SUBJECT_LENGTH} characters")
    return subject


def require_expiry(claims: Mapping[str, object], now: Instant, *, leeway: int = LEEWAY_MS) -> Instant:
    """Return `exp`, or refuse a token whose life is over; for what we issued ourselves no leeway is due."""
    expires_at = require_instant(claims, "exp")
    if expires_at + leeway <= now:
        raise TokenRejected("exp", f"over since {now - expires_at} ms")
    return expires_at


def require_begun(claims: Mapping[str, object], now: Instant) -> Instant:
    """Return `iat`, or refuse a token from the future, by `iat` or by `nbf`."""
    issued_at = require_instant(claims, "iat")
    if issued_at - LEEWAY_MS > now:
        raise TokenRejected("iat", f"{issued_at - now} ms in the future")
    if "nbf" in claims:
        not_before = require_instant(claims, "nbf")
        if not_before - LEEWAY_MS > now:
            raise TokenRejected("nbf", f"{not_before - now} ms in the future")
    return issued_at


def require_own_assertion(claims: Mapping[str, object], client_id: str, issuer: str) -> None:
    """Refuse a client assertion that is not the app's own about itself, or not meant for this issuer alone (RFC 7523 §3).

    `aud` is one string, our issuer: an app talked into naming another server's address too would hand that server a proof for us.
    """
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise TokenRejected("sub", f"{_shown(claims.get('iss'))} about {_shown(claims.get('sub'))} is not {client_id!r} about itself")
    if claims.get("aud") != issuer:
        raise TokenRejected("aud", f"{_shown(claims.get('aud'))} is not {issuer!r}")


def require_short_life(claims: Mapping[str, object], now: Instant) -> Instant:
    """Return `exp`, or refuse a client assertion that is over, has not begun, or lives for longer than its `jti` is remembered."""
    expires_at = require_expiry(claims, now)
    if expires_at > now + ASSERTION_MAX_LIFE_MS + LEEWAY_MS:
        raise TokenRejected("exp", f"lives for {expires_at - now} ms")
    for name in ("iat", "nbf"):
        if name in claims and require_instant(claims, name) - ASSERTION_LEEWAY_MS > now:
            raise TokenRejected(name, "in the future")
    return expires_at


def require_nonce(claims: Mapping[str, object], nonce: str) -> None:
    """Refuse a token that does not answer the request `nonce` was sent with."""
    if not hmac.compare_digest(require_text(claims, "nonce").encode(), nonce.encode()):
        raise TokenRejected("nonce", "not the one of our request")


def require_access_token_hash(claims: Mapping[str, object], access_token: str | None, alg: str) -> None:
    """Refuse an `at_hash` that belongs to another access token; its absence is allowed in the code flow (OIDC Core §3.1.3.6)."""
    if "at_hash" not in claims:
        return
    if access_token is None:
        raise TokenRejected("at_hash", "there is no access token it could belong to")
    if not hmac.compare_digest(require_text(claims, "at_hash").encode(), at_hash(access_token, alg).encode()):
        raise TokenRejected("at_hash", "belongs to another access token")


def require_logout_event(claims: Mapping[str, object]) -> None:
    """Refuse a token that does not say *log out*, or that could be an ID token (Back-Channel Logout §2.6)."""
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise TokenRejected("events", "does not hold the back-channel logout event")
    if "nonce" in claims:
        raise TokenRejected("nonce", "forbidden in a logout token")


def require_no_logout_event(claims: Mapping[str, object]) -> None:
    """Refuse a logout token offered as an ID token (Back-Channel Logout §2.6)."""
    if "events" in claims:
        raise TokenRejected("events", "an ID token holds none")


def require_text(claims: Mapping[str, object], name: str) -> str:
    """Return the claim `name`, or refuse a token in which it is no string, or empty."""
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise TokenRejected(name, f"{_shown(value)} is no string")
    return value


def require_instant(claims: Mapping[str, object], name: str) -> Instant:
    """Return the NumericDate `name` (RFC 7519 §2), or refuse a token in which it is absent or no sensible number of seconds."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= _LAST_SECOND:
        raise TokenRejected(name, f"{_shown(value)} is no number of seconds")
    return Instant(int(value * SECOND_MS))


def _shown(value: object) -> str:
    """Return `value` for the log, cut: a stranger decides its length."""
    return repr(value)[:200]
