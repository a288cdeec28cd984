"""Verify what others claim, with joserfc: the only place that decides whether a token from outside is believed.

Nothing that decides is taken from the token: algorithms, issuer and audience come from our own configuration, the key from the issuer's
key set. Exactly one key is tried (RFC 8725 §3.1).
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry, deserialize_compact

from gateway.domain.untrusted_json import parse_object
from gateway.domain.values import Instant
from gateway.tokens import claims as rules
from gateway.tokens.claims import TokenRejected, VerifiedAssertion, VerifiedClaims, VerifiedLogout

MAX_TOKEN_LENGTH = 64 * 1024
MAX_KEYS = 64
"""Keys read from one set; each costs 0.1 ms, and a stranger decides how many there are."""
RSA_BITS = range(2048, 8192 + 1)

_RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES: Mapping[str, str] = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
ALGORITHMS = _RSA_ALGORITHMS | frozenset(_CURVES.values())
"""What may be allowed at all: public keys only. HS* and none are not here, so no configuration can let them in."""

# "jwk", "jku" and "x5u" let the sender choose the key (CVE-2026-27962); "crit" and "b64" change what is signed.
_FORBIDDEN_HEADERS = frozenset({"crit", "b64", "jwk", "jku", "x5u"})

_ID_TOKEN_TYPES = frozenset({None, "jwt"})
_LOGOUT_TOKEN_TYPES = frozenset({None, "jwt", "logout+jwt"})
_ACCESS_TOKEN_TYPES = frozenset({"at+jwt"})
_ASSERTION_TYPES = frozenset({None, "jwt", "client-authentication+jwt"})
_OWN_ID_TOKEN_TYPES = frozenset({"jwt"})


class _Registry(JWSRegistry):
    max_header_length = MAX_TOKEN_LENGTH
    max_payload_length = MAX_TOKEN_LENGTH
    max_signature_length = MAX_TOKEN_LENGTH


_REGISTRIES = {alg: _Registry(algorithms=[alg], strict_check_header=False) for alg in ALGORITHMS}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key of an issuer's set."""

    kid: str | None
    algorithms: frozenset[str]
    """What it may verify, by its type, curve and `alg`."""
    fault: str | None
    """Why it may verify nothing at all; kept, so that the trace can tell."""
    key: RSAKey | ECKey | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The public keys of one issuer, read once and held in memory."""

    keys: tuple[PublicKey, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must be to be believed; all of it from our own configuration."""

    issuer: str
    audience: str
    """Our client id at that issuer; for access tokens the resource."""
    keys: KeySet
    algorithms: frozenset[str]
    nonce: str | None = None
    """The nonce of our request; None only where none was sent."""
    access_token: str | None = field(default=None, repr=False)
    """The access token that came along, for `at_hash`."""

    def __post_init__(self) -> None:
        """Raise ValueError for an algorithm that may never be allowed: it is a fault of our configuration, not of a token."""
        require_algorithms(self.algorithms)


@dataclass(frozen=True, slots=True)
class _Signed:
    """A payload whose signature holds, and nothing more is known of it."""

    claims: Mapping[str, object]
    alg: str
    kid: str | None


_MOST_HOLDING = 2048
_HOLDING: dict[str, tuple[KeySet, _Signed]] = {}
"""Access tokens of ours whose signature holds, with the keys by which it does. None that fails is kept, so nobody fills it with guesses."""


def require_algorithms(names: Iterable[str]) -> frozenset[str]:
    """Return `names` as a set, or raise ValueError where it is empty or holds one that may never be allowed (HS*, none, unknown)."""
    allowed = frozenset(names)
    if not allowed or not allowed <= ALGORITHMS:
        raise ValueError(f"signature algorithms must be some of {', '.join(sorted(ALGORITHMS))}")
    return allowed


def import_key_set(document: Mapping[str, object]) -> KeySet:
    """Return the keys of a JWK Set (RFC 7517 §5), or raise ValueError where it has no list of keys.

    Symmetric keys and those of unknown type are left out; private members are never read.
    """
    members = document.get("keys")
    if not isinstance(members, list):
        raise ValueError("the key set has no list named keys")
    keys = [_import_key(member) for member in members[:MAX_KEYS] if isinstance(member, dict)]
    return KeySet(tuple(key for key in keys if key is not None))


def verify_id_token(unverified_token: str, expected: Expected, *, now: Instant) -> VerifiedClaims:
    """Return the claims of an identity provider's ID token, or refuse it (OIDC Core §3.1.3.7).

    Checks type, signature, `iss`, `aud`, `azp`, `exp`, `iat`, `nbf`, `sub`, `nonce` and `at_hash`; clocks may differ by a minute.

    Raises TokenRejected.
    """
    signed = _verify_signature(unverified_token, expected.keys, expected.algorithms, _ID_TOKEN_TYPES)
    rules.require_no_logout_event(signed.claims)
    verified = _verify_registered(signed, expected, now)
    rules.require_authorized_party(signed.claims, verified.audience, expected.audience)
    if expected.nonce is not None:
        rules.require_nonce(signed.claims, expected.nonce)
    rules.require_access_token_hash(signed.claims, expected.access_token, signed.alg)
    return verified


def verify_access_token(unverified_token: str, expected: Expected, *, now: Instant) -> VerifiedClaims:
    """Return the claims of one of our own access tokens for the resource `expected.audience`, or refuse it (RFC 9068 §4).

    `client_id` and `jti` are there too. Says nothing about revocation. Raises TokenRejected.
    """
    signed = _verify_own_signature(unverified_token, expected.keys, expected.algorithms)
    verified = _verify_registered(signed, expected, now)
    rules.require_expiry(signed.claims, now, leeway=0)
    rules.require_text(signed.claims, "client_id")
    rules.require_text(signed.claims, "jti")
    return verified


def verify_own_access_token(
    unverified_token: str, *, issuer: str, keys: KeySet, algorithms: frozenset[str], now: Instant
) -> VerifiedClaims:
    """Return the claims of one of our own access tokens, whatever resource it is for: to say what it is worth, not to serve by it.

    Raises TokenRejected.
    """
    signed = _verify_own_signature(unverified_token, keys, require_algorithms(algorithms))
    rules.require_issuer(signed.claims, issuer)
    audience = rules.list_audience(signed.claims)
    expires_at = rules.require_expiry(signed.claims, now, leeway=0)
    rules.require_text(signed.claims, "client_id")
    rules.require_text(signed.claims, "jti")
    return _verified(signed, audience=audience, issued_at=rules.require_begun(signed.claims, now), expires_at=expires_at)


def verify_hint(unverified_token: str, *, issuer: str, keys: KeySet, algorithms: frozenset[str], now: Instant) -> VerifiedClaims:
    """Return the claims of one of our own ID tokens, given back as `id_token_hint`; an expired one is as good (RP-Initiated Logout §2).

    It says which person and app the browser talks of, and proves nothing about who sits there. The caller checks that `audience` names
    the app that sent it. Raises TokenRejected.
    """
    signed = _verify_signature(unverified_token, keys, require_algorithms(algorithms), _OWN_ID_TOKEN_TYPES)
    rules.require_no_logout_event(signed.claims)
    rules.require_issuer(signed.claims, issuer)
    audience = rules.list_audience(signed.claims)
    expires_at = rules.require_instant(signed.claims, "exp")
    return _verified(signed, audience=audience, issued_at=rules.require_begun(signed.claims, now), expires_at=expires_at)


def verify_logout_token(unverified_token: str, expected: Expected, *, now: Instant) -> VerifiedLogout:
    """Return whom an identity provider's logout token names, or refuse it (Back-Channel Logout §2.6).

    The caller refuses a `token_id` it has seen. Raises TokenRejected.
    """
    signed = _verify_signature(unverified_token, expected.keys, expected.algorithms, _LOGOUT_TOKEN_TYPES)
    claims = signed.claims
    rules.require_issuer(claims, expected.issuer)
    rules.require_audience(claims, expected.audience)
    rules.require_expiry(claims, now)
    issued_at = rules.require_begun(claims, now)
    if issued_at + rules.LOGOUT_MAX_AGE_MS + rules.LEEWAY_MS < now:
        raise TokenRejected("iat", f"{now - issued_at} ms old")
    rules.require_logout_event(claims)
    subject = rules.require_subject(claims) if "sub" in claims else None
    session_id = rules.require_text(claims, "sid") if "sid" in claims else None
    if subject is None and session_id is None:
        raise TokenRejected("sub", "neither sub nor sid says who is meant")
    return VerifiedLogout(expected.issuer, subject, session_id, rules.require_text(claims, "jti"), issued_at)


def verify_client_assertion(
    unverified_token: str, *, client_id: str, issuer: str, keys: KeySet, algorithms: frozenset[str], now: Instant
) -> VerifiedAssertion:
    """Return an app's proof of itself, or refuse it (RFC 7523 §3). The caller refuses a `token_id` it has seen. Raises TokenRejected."""
    signed = _verify_signature(unverified_token, keys, require_algorithms(algorithms), _ASSERTION_TYPES)
    rules.require_own_assertion(signed.claims, client_id, issuer)
    expires_at = rules.require_short_life(signed.claims, now)
    return VerifiedAssertion(client_id, rules.require_text(signed.claims, "jti"), expires_at)


def verify_statement(unverified_statement: str, *, typ: str, issuer: str, keys: KeySet, algorithms: frozenset[str]) -> Mapping[str, object]:
    """Return what one of our own statements of type `typ` says that is no token, such as a head of the audit trail.

    It has no end, and says nothing about who gave it to us. Raises TokenRejected.
    """
    signed = _verify_signature(unverified_statement, keys, require_algorithms(algorithms), frozenset({typ}))
    rules.require_issuer(signed.claims, issuer)
    return signed.claims


def read_unverified_subject(unverified_token: str) -> str:
    """Return whom a token claims to speak of, to find the keys to verify it with; empty where it says nothing. It proves nothing."""
    if len(unverified_token) > MAX_TOKEN_LENGTH or unverified_token.count(".") != 2:  # noqa: PLR2004 -- the dots of header.payload.signature
        return ""
    try:
        subject = parse_object(_decode(unverified_token.split(".")[1])).get("sub")
    except ValueError:
        return ""
    return subject if isinstance(subject, str) else ""


def _verify_registered(signed: _Signed, expected: Expected, now: Instant) -> VerifiedClaims:
    rules.require_issuer(signed.claims, expected.issuer)
    audience = rules.require_audience(signed.claims, expected.audience)
    expires_at = rules.require_expiry(signed.claims, now)
    return _verified(signed, audience=audience, issued_at=rules.require_begun(signed.claims, now), expires_at=expires_at)


def _verified(signed: _Signed, *, audience: tuple[str, ...], issued_at: Instant, expires_at: Instant) -> VerifiedClaims:
    return VerifiedClaims(
        issuer=rules.require_text(signed.claims, "iss"),
        subject=rules.require_subject(signed.claims),
        audience=audience,
        issued_at=issued_at,
        expires_at=expires_at,
        key_id=signed.kid,
        claims=MappingProxyType(dict(signed.claims)),
    )


def remember_access_token(token: str, keys: KeySet, *, kid: str, alg: str) -> None:
    """Know an access token again that was signed just now: these very characters, by a key that is among `keys`.

    Whether a signature holds follows from characters and keys alone, so it is worked out once; all else is asked each time.
    """
    if any(key.kid == kid and alg in key.algorithms for key in keys.keys):
        _remember(token, keys, _Signed(parse_object(_decode(token.split(".")[1])), alg, kid))


def _verify_own_signature(unverified_token: str, keys: KeySet, algorithms: frozenset[str]) -> _Signed:
    known = _HOLDING.get(unverified_token)
    # Among other keys, or allowed by other algorithms, it is another question.
    if known is not None and known[0] is keys and known[1].alg in algorithms:
        return known[1]
    signed = _verify_signature(unverified_token, keys, algorithms, _ACCESS_TOKEN_TYPES)
    _remember(unverified_token, keys, signed)
    return signed


def _remember(token: str, keys: KeySet, signed: _Signed) -> None:
    if len(_HOLDING) >= _MOST_HOLDING:
        _HOLDING.clear()
    _HOLDING[token] = (keys, signed)


def _verify_signature(unverified_token: str, keys: KeySet, algorithms: frozenset[str], types: frozenset[str | None]) -> _Signed:
    """Return the payload of a compact JWS of one of these types, signed with one of these algorithms by the one key that fits."""
    if len(unverified_token) > MAX_TOKEN_LENGTH:
        raise TokenRejected("size", f"{len(unverified_token)} characters")
    if unverified_token.count(".") != 2 or not unverified_token.isascii():  # noqa: PLR2004 -- the dots of header.payload.signature
        raise TokenRejected("format", "no compact JWS")
    header = _read_header(unverified_token.partition(".")[0])
    if (typ := _media_type(header.get("typ"))) not in types:
        raise TokenRejected("typ", f"{typ!r}")
    alg, kid = header.get("alg"), header.get("kid")
    if not isinstance(alg, str) or alg not in algorithms:
        raise TokenRejected("alg", f"{str(alg)[:40]!r} is not among {', '.join(sorted(algorithms))}")
    if kid is not None and not isinstance(kid, str):
        raise TokenRejected("kid", "no string")
    try:
        signed = deserialize_compact(unverified_token, _choose_key(keys, kid, alg), registry=_REGISTRIES[alg])
    except (JoseError, ValueError) as error:
        raise TokenRejected("signature", f"{alg} with key {kid!r}: {type(error).__name__}") from error
    try:
        return _Signed(parse_object(signed.payload or b""), alg, kid)
    except ValueError as error:
        raise TokenRejected("claims", str(error)) from error


def _read_header(segment: str) -> Mapping[str, object]:
    try:
        header = parse_object(_decode(segment))
    except ValueError as error:
        raise TokenRejected("format", "the header is no JSON object") from error
    forbidden = _FORBIDDEN_HEADERS & header.keys()
    if forbidden:
        raise TokenRejected("header", f"{', '.join(sorted(forbidden))} is not allowed")
    return header


def _media_type(typ: object) -> str | None:
    """Return `typ` in the form our tables use: lower case, without `application/` (RFC 7515 §4.1.9)."""
    return None if typ is None else str(typ)[:80].lower().removeprefix("application/")


def _choose_key(keys: KeySet, kid: str | None, alg: str) -> RSAKey | ECKey:
    """Return the one key that may verify `alg` under `kid`; without a `kid` only where exactly one fits."""
    named = [key for key in keys.keys if kid is None or key.kid == kid]
    if not named:
        raise TokenRejected("kid", f"no key {kid!r}")
    fitting = [key.key for key in named if key.fault is None and alg in key.algorithms and key.key is not None]
    if not fitting:
        faults = ", ".join(key.fault or f"not for {alg}" for key in named)
        raise TokenRejected("key", f"no key {kid!r} fits: {faults}")
    if len(fitting) > 1:
        raise TokenRejected("kid", f"{len(fitting)} keys fit {kid!r}")
    return fitting[0]


def _import_key(member: Mapping[str, object]) -> PublicKey | None:
    kid = member.get("kid")
    algorithms: frozenset[str]
    if member.get("kty") == "RSA":
        algorithms = _RSA_ALGORITHMS
    elif member.get("kty") == "EC":
        algorithms = frozenset({_CURVES.get(str(member.get("crv")), "")})
    else:
        return None
    if "alg" in member:
        algorithms &= {str(member["alg"])}
    fault = _fault_of(member)
    key = None if fault else _read_key(member)
    if key is None:
        fault = fault or "unreadable"
    return PublicKey(kid if isinstance(kid, str) else None, algorithms, fault, key)


def _fault_of(member: Mapping[str, object]) -> str | None:
    """Return why the key may not verify signatures, if so (RFC 7517 §4.2 and 4.3; RFC 7518 §3.3)."""
    if member.get("use", "sig") != "sig":
        return "not for signatures"
    operations = member.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return "not for verifying"
    if member.get("kty") == "RSA" and _bits(member.get("n")) not in RSA_BITS:
        return f"RSA of {_bits(member.get('n'))} bits"
    return None


def _read_key(member: Mapping[str, object]) -> RSAKey | ECKey | None:
    names = ("kty", "n", "e") if member["kty"] == "RSA" else ("kty", "crv", "x", "y")
    public: dict[str, str | list[str]] = {name: value for name in names if isinstance(value := member.get(name), str)}
    try:
        return RSAKey.import_key(public) if member["kty"] == "RSA" else ECKey.import_key(public)
    except (JoseError, ValueError, KeyError):
        return None


def _bits(number: object) -> int:
    """Return the length of a base64url number in bits, 0 where it is none."""
    try:
        return int.from_bytes(_decode(str(number)), "big").bit_length()
    except ValueError:
        return 0


def _decode(segment: str) -> bytes:
    """Return the bytes of unpadded base64url, or raise ValueError."""
    try:
        return base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("no base64url") from error
