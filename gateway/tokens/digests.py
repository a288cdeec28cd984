"""Hashes that tie one token to another."""

import base64
import hashlib


def at_hash(access_token: str, alg: str) -> str:
    """Return the `at_hash` of an ID token signed with `alg`: the left half of the hash that `alg` uses, base64url (OIDC Core §3.1.3.6).

    Raises ValueError for an algorithm whose name does not end in 256, 384 or 512.
    """
    digest = hashlib.new(f"sha{_digest_bits(alg)}", access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def _digest_bits(alg: str) -> str:
    if alg[-3:] not in {"256", "384", "512"}:
        raise ValueError(f"no hash belongs to algorithm {alg!r}")
    return alg[-3:]
