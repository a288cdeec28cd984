"""A person is told by mail of what happens to their account, with the act or not at all."""

from dataclasses import replace

import pytest

from gateway.domain.audit import Event
from gateway.domain.mails import MailState
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import RelyingParty
from gateway.services import credentials, mail, people, people_by_hand, second_factor
from gateway.services.context import Context
from gateway.services.people_by_hand import Changes
from tests.conftest import Clock
from tests.factors import add_person, enrol

NEW_PASSWORD = "seven loud geese swim"


@pytest.fixture
def ada(context: Context, acme: Node, quick_hashes: None) -> Account:
    return add_person(context, acme, "ada")


def told(context: Context, account: Account) -> list[str]:
    """What the person was told of, and where, oldest first."""
    found = reversed(mail.list_of_person(context, account))
    return [item.kind if item.address == account.email else f"{item.kind} to {item.address}" for item in found]


def guess(context: Context, node: Node, times: int) -> None:
    for _ in range(times):
        assert credentials.check_password(context, node, "ada", "wrong").code


def test_nobody_is_told_of_the_first_password(context: Context, ada: Account) -> None:
    assert told(context, ada) == []


def test_a_lock_is_told_once_a_day(context: Context, acme: Node, ada: Account, clock: Clock) -> None:
    guess(context, acme, 9)
    assert told(context, ada) == []
    guess(context, acme, 1)
    assert told(context, ada) == ["account_locked"]
    clock.advance(seconds=3600)
    guess(context, acme, 10)
    assert told(context, ada) == ["account_locked"]
    clock.advance(seconds=86_400)
    guess(context, acme, 10)
    assert told(context, ada) == ["account_locked"] * 2


def test_guesses_at_a_name_that_nobody_has_send_nothing(context: Context, acme: Node, platform: Node) -> None:
    for _ in range(10):
        credentials.check_password(context, acme, "nobody", "wrong")
    assert context.database.script("SELECT COUNT(*) FROM mail") == [(0,)]


def test_a_changed_password_is_told(context: Context, ada: Account) -> None:
    credentials.set_password(context, people_by_hand.current(context, ada), NEW_PASSWORD)
    assert told(context, ada) == ["password_changed"]


def test_a_temporary_password_is_told_and_not_shown(context: Context, ada: Account) -> None:
    password, _ = credentials.issue_temporary_password(context, people_by_hand.current(context, ada))
    assert told(context, ada) == ["temporary_password"]
    [item] = mail.list_of_person(context, ada)
    assert password.encode() not in context.keyring.unwrap(item.data, purpose=mail.DELIVERY, owner=item.id)


def test_a_second_factor_that_comes_and_goes_is_told(context: Context, acme: Node, shop: RelyingParty, mia: Account) -> None:
    enrol(context, acme, shop, mia)
    second_factor.reset(context, people_by_hand.current(context, mia))
    assert told(context, mia) == ["factor_enrolled", "factor_reset"]


def test_a_changed_address_is_told_at_both(context: Context, ada: Account) -> None:
    fields = people.fields_of(ada)
    changed = people_by_hand.change(context, ada, Changes(fields=replace(fields, email="new@mail.example")))
    assert sorted(told(context, changed)) == ["email_changed", "email_changed to ada@mail.example"]
    people_by_hand.change(context, changed, Changes(fields=replace(people.fields_of(changed), given_name="Augusta")))
    assert len(told(context, changed)) == 2


def test_an_act_that_fails_tells_nobody(context: Context, ada: Account) -> None:
    def act() -> None:
        with context.database.transaction():
            credentials.set_password(context, people_by_hand.current(context, ada), NEW_PASSWORD)
            context.record(Event(ada.home, "act.failed", "person", ada.id))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        act()
    assert told(context, ada) == []


def test_whoever_has_no_address_is_logged_as_skipped(context: Context, acme: Node, ada: Account) -> None:
    # As a directory may leave it.
    without = people.store_person(context, ada, replace(ada, email=""))
    credentials.set_password(context, people_by_hand.current(context, without), NEW_PASSWORD)
    assert [item.state for item in mail.list_of_person(context, ada)] == [MailState.SKIPPED]
