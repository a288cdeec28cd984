"""An account: one status from many facts, and what people may be called."""

from typing import Any

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.people import (
    Status,
    effective_status,
    has_controls,
    local_and_domain,
    may_stay,
    require_email,
    require_login,
    require_text,
    require_user_name,
)
from gateway.domain.values import Instant
from tests.domain.makers import NOW, account

FACTS: list[tuple[Status, dict[str, Any]]] = [
    (Status.DELETED, {"deleted_at": NOW}),
    (Status.DISABLED, {"enabled_by_admin": False}),
    (Status.EXPIRED, {"disable_after": NOW}),
    (Status.PENDING_EMAIL_VALIDATION, {"self_registered": True, "email_validated_at": None}),
    (Status.INVITED, {"activated_at": None}),
    (Status.LOCKED_OUT, {"admin_locked_at": NOW}),
    (Status.MUST_CHANGE_PASSWORD, {"must_change_password": True}),
    (Status.ACTIVE, {}),
]
"""In the order in which they win."""


@pytest.mark.parametrize("at", range(len(FACTS)))
def test_first_status_that_applies_wins_over_all_later_ones(at: int) -> None:
    facts: dict[str, Any] = {}
    for _, later in FACTS[at:]:
        facts |= later
    assert effective_status(account(**facts), tenant_enabled=True, now=NOW) is FACTS[at][0]


def test_disabled_tenant_comes_after_deleted_and_before_the_rest() -> None:
    assert effective_status(account(deleted_at=NOW), tenant_enabled=False, now=NOW) is Status.DELETED
    assert effective_status(account(enabled_by_admin=False), tenant_enabled=False, now=NOW) is Status.TENANT_DISABLED


def test_directory_and_administrator_disable_apart() -> None:
    assert effective_status(account(active_by_scim=False), tenant_enabled=True, now=NOW) is Status.DISABLED
    assert not account(active_by_scim=False).enabled
    assert not account(enabled_by_admin=False).enabled
    assert account().enabled


def test_account_expires_at_its_instant() -> None:
    assert effective_status(account(disable_after=Instant(NOW + 1)), tenant_enabled=True, now=NOW) is Status.ACTIVE


def test_validated_address_or_other_origin_leaves_nothing_pending() -> None:
    assert not account(self_registered=True).pending_email_validation
    assert not account(email_validated_at=None).pending_email_validation


@pytest.mark.parametrize(
    ("facts", "stays"),
    [
        ({}, True),
        ({"disable_after": Instant(NOW + 1)}, True),
        ({"must_change_password": True}, True),
        ({"deleted_at": NOW}, False),
        ({"enabled_by_admin": False}, False),
        ({"active_by_scim": False}, False),
        ({"disable_after": NOW}, False),
        ({"admin_locked_at": NOW}, False),
    ],
)
def test_what_was_opened_ends_with_the_right_to_it(facts: dict[str, Any], stays: bool) -> None:
    assert may_stay(account(**facts), NOW) is stays


# --- syntax


@pytest.mark.parametrize("login", ["ann", "a" * 128, "Anna.Ash@acme.example", "a-b_c+d:e!f#g$h%i^j*k=l{m}n'o`p/q?r", "123"])
def test_login_is_of_plain_characters(login: str) -> None:
    assert require_login(login) == login


@pytest.mark.parametrize(
    "login", ["", "ab", "a" * 129, "anna ash", " anna", "anna\n", "änna", "anna,ash", 'an"na', "an\\na", "an<na", "anna;", "an\x00na"]
)
def test_login_of_other_characters_is_refused(login: str) -> None:
    with pytest.raises(Refusal) as refusal:
        require_login(login)
    assert refusal.value.code == "E_Login_Syntax"


@pytest.mark.parametrize("email", ["a@b", "anna.ash+x@acme.example", "änna@ümlaut.example", "a" * 64 + "@x.example", "o'neil@x.example"])
def test_address_is_kept_as_typed(email: str) -> None:
    assert require_email(email) == email


@pytest.mark.parametrize(
    "email",
    [
        "",
        "anna",
        "@x",
        "a@",
        "a@b@c",
        "a b@x",
        "a@x\n",
        "a\r\nBcc: b@x@y",
        "<a@x>",
        "a,b@x",
        '"a"@x',
        "a" * 65 + "@x.example",
        "a@" + "x" * 253,
    ],
)
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(Refusal) as refusal:
        require_email(email)
    assert refusal.value.code == "E_Email_Syntax"
    assert len(refusal.value.data["value"]) <= 254


@pytest.mark.parametrize(("field", "limit"), [("given_name", 64), ("display_name", 129), ("job_title", 128), ("language", 256)])
def test_text_has_its_limit_and_no_controls(field: str, limit: int) -> None:
    assert require_text(field, "é" * limit) == "é" * limit
    for text in ("é" * (limit + 1), "a\nb", "a\x00", "\x7f", "\x85"):
        with pytest.raises(Refusal) as refusal:
            require_text(field, text)
        assert (refusal.value.code, refusal.value.field) == ("E_Field_Invalid", field)


@pytest.mark.parametrize("name", ["a", "安娜", "a b", "x" * 255, "anna@acme.example", "😀"])
def test_directory_may_push_a_name_of_any_script(name: str) -> None:
    assert require_user_name(name) == name


@pytest.mark.parametrize("name", ["", " ", "\u3000", "x" * 256, "a\x00b", "a\tb", "a\u009fb"])
def test_pushed_name_is_neither_blank_nor_too_long_nor_of_controls(name: str) -> None:
    with pytest.raises(Refusal) as refusal:
        require_user_name(name)
    assert refusal.value.code == "E_Field_Invalid"


def test_format_characters_are_no_controls() -> None:
    assert not has_controls("a\u200db")
    assert has_controls("a\u0007b")
    assert has_controls("a\udcffb")


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("a@B.Example", ("a", "b.example")),
        ("a@b@c", ("a@b", "c")),
        ("anna", ("anna", "")),
        ("@x", ("@x", "")),
        ("", ("", "")),
        ("a@", ("a", "")),
    ],
)
def test_address_is_split_at_its_last_at(address: str, parts: tuple[str, str]) -> None:
    assert local_and_domain(address) == parts
