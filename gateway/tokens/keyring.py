"""The key ring that wraps secrets at rest: AES-256-GCM, newest key first, bound to purpose and owner (architecture.md section 5)."""

import base64
import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.domain.values import Entropy

_NONCE = 12
_KEY_ID = 4
_SALT = 32
_ONLY_NONCE = bytes(_NONCE)


class UnwrapFailed(Exception):
    """A wrapped secret was made with a key that the ring lacks, or was moved or tampered with."""


class KeyRing:
    """Wraps with its newest key and unwraps with whichever made the wrapping."""

    def __init__(self, keys: tuple[str, ...], entropy: Entropy) -> None:
        """Take the keys of `MOONGATE_SECRET_KEYS`, newest first; each is stretched to 256 bits by SHA-256, so it must be random itself."""
        self._entropy = entropy
        self._secrets = {self._id(key): hashlib.sha256(key.encode()).digest() for key in keys}
        self._keys = {key_id: AESGCM(secret) for key_id, secret in self._secrets.items()}
        self._newest = self._id(keys[0])

    def wrap(self, plaintext: bytes, *, purpose: str, owner: str) -> str:
        """Return `plaintext` wrapped for one purpose and owner; elsewhere it cannot be unwrapped."""
        nonce = self._entropy(_NONCE)
        sealed = self._keys[self._newest].encrypt(nonce, plaintext, f"{purpose}|{owner}".encode())
        return f"{self._newest}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def unwrap(self, wrapped: str, *, purpose: str, owner: str) -> bytes:
        """Return what was wrapped for this purpose and owner, or raise UnwrapFailed."""
        key_id, _, text = wrapped.partition(".")
        key = self._keys.get(key_id)
        if key is None:
            message = f"no key {key_id} in MOONGATE_SECRET_KEYS"
            raise UnwrapFailed(message)
        try:
            raw = base64.urlsafe_b64decode(text)
            return key.decrypt(raw[:_NONCE], raw[_NONCE:], f"{purpose}|{owner}".encode())
        except (InvalidTag, ValueError) as error:
            message = f"a secret for {purpose} does not unwrap"
            raise UnwrapFailed(message) from error

    def rewrap(self, wrapped: str, *, purpose: str, owner: str) -> str:
        """Return the same secret wrapped by the newest key, or raise UnwrapFailed."""
        return self.wrap(self.unwrap(wrapped, purpose=purpose, owner=owner), purpose=purpose, owner=owner)

    @property
    def newest(self) -> str:
        """The short name of the key that wraps now: what it wraps begins with that."""
        return self._newest

    def names(self) -> frozenset[str]:
        """Return the short names of all keys of the ring."""
        return frozenset(self._keys)

    def seal(self, plaintext: bytes, *, purpose: str) -> bytes:
        """Return `plaintext` sealed for one purpose, under a key made of 256 random bits for it alone.

        For what is made with every sign-on: `wrap` draws a nonce of 96 bits each time, which is good for 2^32 wrappings by one key
        (NIST SP 800-38D §8.3).
        """
        salt = self._entropy(_SALT)
        return bytes.fromhex(self._newest) + salt + self._sealing_key(self._newest, salt).encrypt(_ONLY_NONCE, plaintext, purpose.encode())

    def unseal(self, sealed: bytes, *, purpose: str) -> bytes:
        """Return what was sealed for this purpose, or raise UnwrapFailed."""
        key_id = sealed[:_KEY_ID].hex()
        if key_id not in self._secrets:
            message = f"no key {key_id} in MOONGATE_SECRET_KEYS"
            raise UnwrapFailed(message)
        begin = _KEY_ID + _SALT
        try:
            return self._sealing_key(key_id, sealed[_KEY_ID:begin]).decrypt(_ONLY_NONCE, sealed[begin:], purpose.encode())
        except InvalidTag as error:
            message = f"what was sealed for {purpose} does not open"
            raise UnwrapFailed(message) from error

    def _sealing_key(self, key_id: str, salt: bytes) -> AESGCM:
        """Return the key of one sealing; the label keeps it apart from all that `wrap` uses."""
        return AESGCM(hmac.digest(self._secrets[key_id], b"moongate sealing key|" + salt, "sha256"))

    @staticmethod
    def _id(key: str) -> str:
        """Return the short name of a key; a hash of it under its own label, so that it tells nothing of the key in use."""
        return hashlib.sha256(b"moongate key id|" + key.encode()).hexdigest()[:8]
