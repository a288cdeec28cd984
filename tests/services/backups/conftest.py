"""A house with something of most kinds, and another one that is empty."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.domain.mails import MailKind
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import RelyingParty
from gateway.services import identity_providers, mail, sealing
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.services.house import House
from gateway.wiring import open_house
from tests.conftest import Clock, settings_for
from tests.sign_ins import PASSWORD, begin, make_app, make_person, make_provider


@pytest.fixture
def anna(context: Context, acme: Node, quick_hashes: None) -> Account:
    return make_person(context, acme, "anna.berg", password=PASSWORD)


@pytest.fixture
def wiki(context: Context, acme: Node) -> RelyingParty:
    return make_app(context, acme)


@pytest.fixture
def filled(house: House, context: Context, acme: Node, anna: Account, wiki: RelyingParty) -> Node:
    """A house with something of most kinds, sealed, and somebody signed in."""
    provider = make_provider(context, acme)
    identity_providers.change_provider(context, provider, identity_providers.Changes(client_secret="swordfish"))
    mail.queue(context, anna, next(iter(MailKind)), event="once")
    sign_ins.prove_password(context, acme, begin(context, acme, wiki).sign_in, "anna.berg", PASSWORD)
    context.database.script(f"INSERT INTO access_code VALUES ('{anna.id}', 'hash', {context.now() + 1000}, NULL)")  # noqa: S608 -- values made here
    sealing.seal_all(house)
    return acme


@pytest.fixture
def other(house: House, tmp_path: Path, clock: Clock) -> Iterator[House]:
    """Another house with the same secret keys and an empty database."""
    (tmp_path / "other").mkdir()
    opened = open_house(settings_for(tmp_path / "other"), clock=clock, entropy=random.Random(2).randbytes)
    yield opened
    opened.database.close()
