"""An app, a person who must have a second factor, and the secret of one she set up."""

import pytest
from argon2 import PasswordHasher

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import RelyingParty
from gateway.services import credentials
from gateway.services.context import Context
from tests.conftest import Clock
from tests.factors import add_app, add_person, enrol


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost next to nothing, for stories with many passwords; what the real ones cost has tests of its own."""
    monkeypatch.setattr(credentials, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def shop(context: Context, acme: Node, quick_hashes: None) -> RelyingParty:
    return add_app(context, acme)


@pytest.fixture
def mia(context: Context, acme: Node) -> Account:
    """Must have a second factor and has none yet."""
    return add_person(context, acme, "mia", mfa_required=True)


@pytest.fixture
def secret(context: Context, acme: Node, shop: RelyingParty, mia: Account, clock: Clock) -> str:
    """The secret of Mia's app, enrolled a while ago."""
    made, _ = enrol(context, acme, shop, mia)
    clock.advance(seconds=3600)
    return made
