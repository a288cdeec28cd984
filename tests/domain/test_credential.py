"""Rules of passwords and codes (decisions.md 24, 25; RFC 6238)."""

import re
import secrets

import pytest

from gateway.domain.credential import (
    CODE_PERIOD_MS,
    MAXIMUM_LENGTH,
    MINIMUM_LENGTH,
    MINIMUM_LENGTH_WITH_FACTOR,
    AccessCode,
    FactorState,
    TotpFactor,
    factor_state,
    new_recovery_code,
    new_spoken_code,
    owes_factor,
    require_password,
    secret_of_code,
    steps_in_window,
    typed_code,
)
from gateway.domain.errors import Refusal
from gateway.domain.nodes import MANAGING, NodeKind
from gateway.domain.people import AccountType
from gateway.domain.values import AccountId, Instant
from tests.domain.makers import NOW, account, node

NAMES = ("anna@acme.example", "Anna", "Ash", "Li", "", "    ", "Acme")


def is_common(password: str) -> bool:
    return password == "p" * 20


def rules_broken(password: str, *, minimum: int = MINIMUM_LENGTH) -> list[str]:
    with pytest.raises(Refusal) as refusal:
        require_password(password, names=NAMES, is_common=is_common, minimum=minimum)
    assert (refusal.value.code, refusal.value.field) == ("E_Password_Policy", "new_password")
    return str(refusal.value.data["rules"]).splitlines()


@pytest.mark.parametrize(
    "password", ["correct horse battery", "x" * MINIMUM_LENGTH, "é" * MAXIMUM_LENGTH, "with li in the middle of it", " " * 15 + "😀"]
)
def test_long_password_of_any_characters_is_taken(password: str) -> None:
    assert require_password(password, names=NAMES, is_common=is_common) == password


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("x" * (MINIMUM_LENGTH - 1), "at least 15"),
        ("x" * (MAXIMUM_LENGTH + 1), "at most 256"),
        ("welcome ANNA and others", "your name"),
        ("xx ann@ acme is great x", "your name"),
        ("aｎｎa in full width letters", "your name"),
        ("p" * 20, "too easy"),
    ],
)
def test_broken_rule_is_named(password: str, word: str) -> None:
    (rule,) = rules_broken(password)
    assert word in rule


def test_all_broken_rules_are_named_at_once() -> None:
    assert len(rules_broken("anna")) == 2


def test_shorter_password_is_enough_beside_a_second_factor() -> None:
    require_password("x" * MINIMUM_LENGTH_WITH_FACTOR, names=NAMES, is_common=is_common, minimum=MINIMUM_LENGTH_WITH_FACTOR)
    assert "at least 12" in rules_broken("x" * (MINIMUM_LENGTH_WITH_FACTOR - 1), minimum=MINIMUM_LENGTH_WITH_FACTOR)[0]


def test_refusal_never_shows_the_password() -> None:
    with pytest.raises(Refusal) as refusal:
        require_password("hunter2", names=(), is_common=lambda text: True)
    assert "hunter2" not in f"{refusal.value} {refusal.value.data} {refusal.value.reason}"


# --- factors

FACTOR = TotpFactor(AccountId("anna"), "wrapped", 0, 0, replace=False, enrolled_at=NOW)
TO_REPLACE = TotpFactor(AccountId("anna"), "wrapped", 0, 0, replace=True, enrolled_at=NOW)
ACCESS = AccessCode(AccountId("anna"), "hash", NOW, None)


@pytest.mark.parametrize(
    ("factor", "access", "state"),
    [
        (None, None, FactorState.NONE),
        (None, ACCESS, FactorState.RESET),
        (FACTOR, None, FactorState.ENROLLED),
        (FACTOR, ACCESS, FactorState.ENROLLED),
        (TO_REPLACE, None, FactorState.TO_REPLACE),
    ],
)
def test_state_follows_from_factor_and_access_code(factor: TotpFactor | None, access: AccessCode | None, state: FactorState) -> None:
    assert factor_state(factor, access) is state


@pytest.mark.parametrize("kind", NodeKind)
def test_people_of_nodes_that_manage_others_owe_a_factor(kind: NodeKind) -> None:
    assert owes_factor(account(), (node(kind=kind),)) is (kind in MANAGING)
    assert owes_factor(account(mfa_required=True), (node(kind=kind),))
    assert not owes_factor(account(mfa_required=True, type=AccountType.SERVICE), (node(kind=kind),))


def test_person_without_a_home_owes_what_the_account_says() -> None:
    assert not owes_factor(account(), ())
    assert owes_factor(account(mfa_required=True), ())


# --- codes


@pytest.mark.parametrize("offset", [0, 1, CODE_PERIOD_MS - 1])
def test_codes_of_one_step_before_and_after_are_taken(offset: int) -> None:
    step = NOW // CODE_PERIOD_MS
    assert list(steps_in_window(Instant(step * CODE_PERIOD_MS + offset))) == [step - 1, step, step + 1]


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("123456", "123456"),
        (" 123 456 ", "123456"),
        ("123-456", "123456"),
        ("12345", ""),
        ("1234567", ""),
        ("12345a", ""),
        ("", ""),
        ("١٢٣٤٥٦", ""),
        ("１２３４５６", ""),
    ],
)
def test_code_is_six_plain_digits(typed: str, code: str) -> None:
    assert typed_code(typed) == code


def test_codes_for_people_are_grouped_and_read_however_they_are_typed() -> None:
    spoken, recovery = new_spoken_code(secrets.token_bytes), new_recovery_code(secrets.token_bytes)
    assert re.fullmatch(r"[a-z2-7]{5}(?:-[a-z2-7]{5}){3}", spoken)
    assert re.fullmatch(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", recovery)
    assert secret_of_code(f" {spoken.upper()} ") == secret_of_code(spoken.replace("-", " ")) == spoken.replace("-", "")


def test_codes_for_people_hold_all_their_random_bits() -> None:
    assert new_recovery_code(lambda count: b"\xff" * count) != new_recovery_code(lambda count: b"\xff" * (count - 1) + b"\xfe")
    assert new_spoken_code(bytes) == "aaaaa-aaaaa-aaaaa-aaaaa"
