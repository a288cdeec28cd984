"""What an app is told of a refusal."""

import pytest

from federation.errors import MAX_DESCRIPTION, describe, error_of, error_uri, plain
from gateway.domain.errors import Disclosure, Refusal, catalogue

SECRET_CODES = sorted(code for code, entry in catalogue().items() if entry.disclosure is Disclosure.NOBODY)


@pytest.mark.parametrize("code", SECRET_CODES)
def test_an_app_learns_no_code_that_nobody_may_learn(code: str) -> None:
    refusal = Refusal(code)
    shown = refusal.entry.shown_as
    assert describe(refusal, "c1").startswith(f"{shown}: ")
    assert error_of(refusal) == error_of(Refusal(shown))
    assert error_uri("https://id.example", refusal) == f"https://id.example/help/errors/{shown}"


@pytest.mark.parametrize("code", sorted(catalogue()))
def test_every_description_can_be_carried_and_holds_no_value_of_the_person(code: str) -> None:
    told = describe(Refusal(code, data={"value": "anna@acme.example", "login": "anna@acme.example"}), "c1")
    assert told == plain(told)
    assert len(told) <= MAX_DESCRIPTION
    assert "anna" not in told
