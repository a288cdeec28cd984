"""The token of a form: made from the cookie's secret, and telling nothing of it."""

import pytest
from flask import Flask

from gateway.domain.errors import Refusal
from gateway.http.forms import form_token, require_own_form


def code_of(app: Flask, secret: str, token: str | None, **headers: str) -> str:
    """The code that refuses a posted form; empty if it is taken."""
    data = {} if token is None else {"form_token": token}
    with app.test_request_context("/sign-in", method="POST", data=data, headers=headers):
        try:
            require_own_form(secret)
        except Refusal as refusal:
            return refusal.code
        return ""


def test_the_token_of_the_cookie_is_taken(app: Flask) -> None:
    assert code_of(app, "mgt_secret", form_token("mgt_secret")) == ""


def test_the_token_does_not_hold_the_secret() -> None:
    assert "secret" not in form_token("mgt_secret")
    assert form_token("mgt_secret") != form_token("mgt_secrex")


@pytest.mark.parametrize("token", [None, "", "x", form_token("other"), form_token("mgt_secret")[:-1], "ü"])
def test_any_other_token_is_refused(app: Flask, token: str | None) -> None:
    assert code_of(app, "mgt_secret", token) == "E_Csrf"


def test_a_browser_without_the_cookie_has_no_token(app: Flask) -> None:
    assert code_of(app, "", form_token("")) == "E_Csrf"


@pytest.mark.parametrize(
    ("site", "taken"), [("same-origin", True), ("none", True), ("same-site", False), ("cross-site", False), ("x", False)]
)
def test_a_post_from_another_site_is_refused_where_the_browser_says_so(app: Flask, site: str, taken: bool) -> None:
    code = code_of(app, "mgt_secret", form_token("mgt_secret"), **{"Sec-Fetch-Site": site})
    assert code == ("" if taken else "E_Csrf")
