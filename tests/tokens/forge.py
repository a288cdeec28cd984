"""Makes tokens no honest library would make: any header, any payload, any key."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

NOW = 1_800_000_000_000
"""The instant of every test, in milliseconds."""
SECONDS = NOW // 1000
ISSUER = "https://idp.example"
CLIENT = "moongate-at-acme"
NONCE = "n-0S6_WzA2Mj"


@dataclass(frozen=True)
class ForgeKey:
    """A key pair of a make-believe issuer."""

    kid: str
    alg: str
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

    def jwk(self, **changes: object) -> dict[str, object]:
        """Return the public JWK with some members changed; None removes one."""
        numbers = self.private.public_key().public_numbers()
        member: dict[str, object] = {"kid": self.kid, "use": "sig", "alg": self.alg}
        if isinstance(numbers, rsa.RSAPublicNumbers):
            member |= {"kty": "RSA", "n": encode_number(numbers.n), "e": encode_number(numbers.e)}
        else:
            size = (numbers.curve.key_size + 7) // 8
            member |= {"kty": "EC", "crv": "P-256", "x": encode_number(numbers.x, size), "y": encode_number(numbers.y, size)}
        return {name: value for name, value in (member | changes).items() if value is not None}

    def signature(self, signed: bytes) -> bytes:
        """Return what the key's own algorithm (RS256 or ES256) says."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(self.private.sign(signed, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def encode(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def encode_number(number: int, size: int | None = None) -> str:
    """Return a number as JWKs hold it."""
    return encode(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


def good_claims(**changes: object) -> dict[str, object]:
    """Return the payload of a proper ID token with some claims changed; None removes one."""
    claims: dict[str, object] = {
        "iss": ISSUER,
        "aud": CLIENT,
        "sub": "248289761001",
        "iat": SECONDS,
        "exp": SECONDS + 300,
        "nonce": NONCE,
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def forge(
    claims: Mapping[str, object] | bytes,
    key: ForgeKey,
    *,
    header: Mapping[str, object] | None = None,
    sign: Callable[[bytes], bytes] | None = None,
) -> str:
    """Return a signed token; `header` changes the usual header (None removes a member), `sign` replaces the signature."""
    members = {"alg": key.alg, "kid": key.kid, "typ": "JWT"} | dict(header or {})
    shown = json.dumps({name: value for name, value in members.items() if value is not None}).encode()
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{encode(shown)}.{encode(payload)}"
    return f"{signed}.{encode((sign or key.signature)(signed.encode()))}"


def symmetric(secret: bytes) -> Callable[[bytes], bytes]:
    """Return an HS256 signer."""
    return lambda signed: hmac.digest(secret, signed, hashlib.sha256)
