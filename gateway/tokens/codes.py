"""Authorization codes: what the person agreed to, sealed, so that nothing is stored until the code is redeemed (ADR 0015).

The one who holds a code can neither read nor change it. Single use, and all that may have ended meanwhile, is the business of whoever
redeems it.
"""

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

from gateway.domain.relying_party import Level, Means
from gateway.domain.values import ClientId, GrantId, Instant, NodeId, SessionId
from gateway.tokens.keyring import KeyRing, UnwrapFailed

TAG = "mgo_"
LONGEST = 512
"""Of a code that goes to its app as it is."""
_PURPOSE = "authorization code"
_FORM = 1
_FIXED = struct.Struct(">B16s16s16s16s16s16sQIQQIIB")
_LEVELS = tuple(Level)
_BETWEEN = "\x00"
"""Parts the texts, of which none holds it: an authorization request with a NUL is refused."""


@dataclass(frozen=True, slots=True)
class Code:
    """What a code says: a grant that nobody has taken yet."""

    grant: GrantId
    """The id that the grant will have: of two redemptions one alone can store it."""
    client_id: ClientId
    session: SessionId
    acting: NodeId
    redirect_digest: bytes
    """`digest_of` the redirect URI, which has to come again with the code (RFC 6749 §4.1.3)."""
    challenge: str
    """Of PKCE; empty for none."""
    scope: tuple[str, ...]
    resource: tuple[str, ...]
    nonce: str
    means: Means
    epoch: int
    """Of all that the grant will depend on (decisions.md 16)."""
    app_epoch: int
    created_at: Instant
    expires_at: Instant
    grant_expires_at: Instant
    correlation_id: str
    """Of the sign-on that made it, whose story goes on with the redemption."""
    address: str
    """Of the browser that got it."""


def digest_of(redirect_uri: str) -> bytes:
    """Return 128 bits by which a redirect URI is known again: enough, since nobody chooses two that collide and gains by it."""
    return hashlib.sha256(redirect_uri.encode()).digest()[:16]


def seal_code(keyring: KeyRing, code: Code) -> str:
    """Return the code as its app gets it."""
    means = code.means
    fixed = _FIXED.pack(
        _FORM,
        _packed(code.grant),
        _packed(code.client_id),
        _packed(code.session),
        _packed(code.acting),
        code.redirect_digest,
        bytes.fromhex(code.correlation_id),
        code.created_at,
        code.expires_at - code.created_at,
        code.grant_expires_at,
        means.auth_time,
        code.epoch,
        code.app_epoch,
        _LEVELS.index(means.level),
    )
    texts = (code.challenge, " ".join(code.scope), " ".join(code.resource), code.nonce, " ".join(means.amr), means.provider, code.address)
    sealed = keyring.seal(fixed + _BETWEEN.join(texts).encode(), purpose=_PURPOSE)
    return TAG + base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def find_code(keyring: KeyRing, unverified_code: str) -> Code | None:
    """Return what a code of ours says; None for anything else."""
    try:
        text = unverified_code.removeprefix(TAG)
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        opened = keyring.unseal(raw, purpose=_PURPOSE)
    except (UnwrapFailed, binascii.Error, ValueError):
        return None
    return _read(opened) if opened[0] == _FORM else None


def _read(opened: bytes) -> Code:
    (_, grant, client, session, acting, redirect, correlation, created_at, life, grant_expires_at, auth_time, *rest) = _FIXED.unpack(
        opened[: _FIXED.size]
    )
    epoch, app_epoch, level = rest
    challenge, scope, resource, nonce, amr, provider, address = opened[_FIXED.size :].decode().split(_BETWEEN)
    return Code(
        grant=GrantId(_unpacked(grant)),
        client_id=ClientId(_unpacked(client)),
        session=SessionId(_unpacked(session)),
        acting=NodeId(_unpacked(acting)),
        redirect_digest=redirect,
        challenge=challenge,
        scope=tuple(scope.split()),
        resource=tuple(resource.split()),
        nonce=nonce,
        means=Means(_LEVELS[level], tuple(amr.split()), Instant(auth_time), provider),
        epoch=epoch,
        app_epoch=app_epoch,
        created_at=Instant(created_at),
        expires_at=Instant(created_at + life),
        grant_expires_at=Instant(grant_expires_at),
        correlation_id=correlation.hex(),
        address=address,
    )


def _packed(identifier: str) -> bytes:
    """Return the 16 bytes of an id: all of ours are UUIDs (decisions.md 4)."""
    return bytes.fromhex(identifier.replace("-", ""))


def _unpacked(packed: bytes) -> str:
    text = packed.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
