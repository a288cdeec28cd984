"""Secrets at rest come under the newest key while everybody works, and then the older key can be taken away."""

import ast
import dataclasses
import random
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.mails import MailKind
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import RelyingParty
from gateway.services import identity_providers, keys, mail, rewrapping
from gateway.services.context import Context
from gateway.services.house import OPERATOR, House
from gateway.services.identity_providers import Changes
from gateway.settings import SettingsError
from gateway.storage import wrapped
from gateway.tokens.keyring import KeyRing
from gateway.wiring import open_house
from tests.conftest import settings_for
from tests.sign_ins import make_provider

ROOT = Path(__file__).parents[2]
OLD = "k" * 64
"""The key of the house that tests open."""
NEW = "n" * 64


@pytest.fixture
def filled(context: Context, acme: Node, mia: Account, shop: RelyingParty, secret: str) -> Node:
    """A house with a secret of each purpose but a second factor being set up."""
    provider = make_provider(context, acme)
    identity_providers.change_provider(context, provider, Changes(client_secret="swordfish"))
    keys.ensure_keys(context, acme.id)
    mail.queue(context, mia, next(iter(MailKind)), event="once")
    return acme


def ring_of(*secret_keys: str) -> KeyRing:
    return KeyRing(secret_keys, random.Random(5).randbytes)


def under(context: Context, *secret_keys: str) -> Context:
    """The same surroundings in a process that was started with other keys."""
    return dataclasses.replace(context, keyring=ring_of(*secret_keys))


def names(context: Context) -> set[str]:
    """The short names of the keys that wrap anything."""
    return {name for purpose in wrapped.PURPOSES for name in wrapped.count_by_key(context.database, purpose)}


def test_every_secret_comes_under_the_newest_key(context: Context, filled: Node) -> None:
    both = under(context, NEW, OLD)
    assert names(context) == {ring_of(OLD).newest}
    done = rewrapping.rewrap(both)
    assert names(context) == {ring_of(NEW).newest}
    assert {purpose for purpose, count in done.counts.items() if count} == set(wrapped.PURPOSES) - {"totp enrolment"}
    assert (done.damaged, done.left, done.is_whole) == ([], {}, True)


def test_a_house_opens_with_the_new_key_alone_and_has_its_secrets(house: House, context: Context, filled: Node) -> None:
    signing = keys.get_signing_key(context, filled.id, "ES256").kid
    rewrapping.rewrap(under(context, NEW, OLD))
    opened = open_house(settings_for(house.settings.home, MOONGATE_SECRET_KEYS=NEW), clock=house.clock)
    alone = opened.context(OPERATOR)
    provider = identity_providers.get_provider(alone, filled, "corp")
    assert identity_providers.get_client_secret(alone, provider) == "swordfish"
    assert keys.get_signing_key(alone, filled.id, "ES256").kid == signing
    opened.database.close()
    with pytest.raises(SettingsError):
        open_house(settings_for(house.settings.home, MOONGATE_SECRET_KEYS=OLD), clock=house.clock)


def test_a_second_run_has_nothing_to_do(context: Context, filled: Node) -> None:
    both = under(context, NEW, OLD)
    rewrapping.rewrap(both)
    assert not +rewrapping.rewrap(both).counts


def test_a_run_that_was_broken_off_goes_on_where_it_was(context: Context, filled: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    change: Callable[..., int] = wrapped.change
    calls: Iterator[int] = iter(range(2))

    def die_at_the_third(*args: object, **named: object) -> int:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return change(*args, **named)

    monkeypatch.setattr(wrapped, "change", die_at_the_third)
    monkeypatch.setattr(rewrapping, "BATCH", 1)
    both = under(context, NEW, OLD)
    with pytest.raises(KeyboardInterrupt):
        rewrapping.rewrap(both)
    assert names(context) == {ring_of(OLD).newest, ring_of(NEW).newest}
    # A start without the old key is refused until all is done.
    assert wrapped.count_by_key(context.database, wrapped.KEY_CHECK) == {ring_of(OLD).newest: 1}
    monkeypatch.undo()
    rewrapping.rewrap(both)
    assert names(context) == {ring_of(NEW).newest}


def test_a_missing_key_is_named_and_nothing_is_changed(context: Context, filled: Node) -> None:
    before = [context.database.script(f"SELECT * FROM {table}") for table in ("signing_key", "identity_provider", "installation")]  # noqa: S608 -- names of our own tables
    with pytest.raises(Refusal) as refused:
        rewrapping.rewrap(under(context, NEW))
    assert refused.value.code == "E_Secret_Key_Missing"
    assert ring_of(OLD).newest in str(refused.value.data["value"])
    after = [context.database.script(f"SELECT * FROM {table}") for table in ("signing_key", "identity_provider", "installation")]  # noqa: S608 -- names of our own tables
    assert after == before


def test_a_secret_that_changes_meanwhile_is_not_set_back(context: Context, filled: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    both = under(context, NEW, OLD)
    change: Callable[..., int] = wrapped.change
    provider = identity_providers.get_provider(context, filled, "corp")

    def somebody_is_faster(database: object, purpose: str, changes: object) -> int:
        if purpose == "client secret of a provider" and changes:
            monkeypatch.setattr(wrapped, "change", change)
            identity_providers.change_provider(context, provider, Changes(client_secret="marlin"))
        return change(database, purpose, changes)

    monkeypatch.setattr(wrapped, "change", somebody_is_faster)
    done = rewrapping.rewrap(both)
    assert identity_providers.get_client_secret(both, provider) == "marlin"
    # It was wrapped by a server that does not know the new key, and found at the next look.
    assert done.left == {}


def test_secrets_that_other_servers_go_on_to_wrap_by_the_old_key_are_told(
    context: Context, filled: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    change: Callable[..., int] = wrapped.change
    provider = identity_providers.get_provider(context, filled, "corp")

    def always_somebody(database: object, purpose: str, changes: object) -> int:
        identity_providers.change_provider(context, provider, Changes(client_secret=f"marlin{context.new_id()}"))
        return change(database, purpose, changes)

    monkeypatch.setattr(wrapped, "change", always_somebody)
    done = rewrapping.rewrap(under(context, NEW, OLD))
    assert done.left == {ring_of(OLD).newest: 1}
    assert not done.is_whole
    assert wrapped.count_by_key(context.database, wrapped.KEY_CHECK) == {ring_of(OLD).newest: 1}


def test_a_damaged_secret_is_told_and_stays_and_stops_nothing_else(context: Context, filled: Node) -> None:
    provider = identity_providers.get_provider(context, filled, "corp")
    context.database.script("UPDATE identity_provider SET client_secret = SUBSTR(client_secret, 1, 30)")
    done = rewrapping.rewrap(under(context, NEW, OLD))
    assert done.damaged == [("client secret of a provider", provider.id)]
    assert done.is_whole
    assert wrapped.count_by_key(context.database, "client secret of a provider") == {ring_of(OLD).newest: 1}
    assert wrapped.count_by_key(context.database, wrapped.KEY_CHECK) == {ring_of(NEW).newest: 1}


def test_it_is_an_event_of_the_platform(context: Context, filled: Node) -> None:
    rewrapping.rewrap(under(context, NEW, OLD))
    (row,) = context.database.script("SELECT detail FROM audit WHERE action = 'secrets.rewrapped'")
    assert '"damaged":0' in row[0]


def test_whatever_is_wrapped_for_a_purpose_has_a_column_that_is_rewrapped() -> None:
    assert set(purposes_in_code()) == set(wrapped.PURPOSES)


def purposes_in_code() -> Iterator[str]:
    """The purpose of each call of a key ring's `wrap` in the house, by the constant that names it."""
    for file in (ROOT / "gateway").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "wrap":
                purposes = [ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg == "purpose"]
                if purposes and ast.unparse(node.func.value) != "self":
                    module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
                    yield str(getattr(import_module(module), purposes[0]))
