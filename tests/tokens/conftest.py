"""Keys, made once: an RSA key takes a tenth of a second."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.tokens.forge import ForgeKey


@pytest.fixture(scope="session")
def rsa_key() -> ForgeKey:
    return ForgeKey("rsa-1", "RS256", rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="session")
def other_rsa_key() -> ForgeKey:
    return ForgeKey("rsa-2", "RS256", rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="session")
def weak_rsa_key() -> ForgeKey:
    return ForgeKey("weak", "RS256", rsa.generate_private_key(65537, 1024))


@pytest.fixture(scope="session")
def ec_key() -> ForgeKey:
    return ForgeKey("ec-1", "ES256", ec.generate_private_key(ec.SECP256R1()))
