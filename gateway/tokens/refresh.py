"""First refresh tokens: sealed, like the codes they come from, so that one which nobody uses is never stored (ADR 0015)."""

import base64
import binascii
import struct
from dataclasses import dataclass
from uuid import UUID

from gateway.domain.values import GrantId, Instant
from gateway.tokens.keyring import KeyRing, UnwrapFailed

TAG = "mgr_"
_PURPOSE = "refresh token"
_FORM = struct.Struct(">16sQQ")


@dataclass(frozen=True, slots=True)
class FirstToken:
    """The token at the beginning of a family."""

    grant: GrantId
    created_at: Instant
    expires_at: Instant


def seal_first(keyring: KeyRing, token: FirstToken) -> str:
    """Return the token as its app gets it."""
    said = _FORM.pack(bytes.fromhex(token.grant.replace("-", "")), token.created_at, token.expires_at)
    return TAG + base64.urlsafe_b64encode(keyring.seal(said, purpose=_PURPOSE)).rstrip(b"=").decode()


def find_first(keyring: KeyRing, unverified_token: str) -> FirstToken | None:
    """Return what a first token of ours says; None for anything else, later tokens of a family among it."""
    text = unverified_token.removeprefix(TAG)
    try:
        said = keyring.unseal(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True), purpose=_PURPOSE)
    except (UnwrapFailed, binascii.Error, ValueError):
        return None
    grant, created_at, expires_at = _FORM.unpack(said)
    return FirstToken(GrantId(str(UUID(bytes=grant))), Instant(created_at), Instant(expires_at))
