"""A key that is too short to be believed."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.tokens.forge import ForgeKey


@pytest.fixture(scope="session")
def weak_rsa_key() -> ForgeKey:
    return ForgeKey("weak", "RS256", rsa.generate_private_key(65537, 1024))
