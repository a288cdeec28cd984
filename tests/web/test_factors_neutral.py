"""The neutral answer: whoever is meant, a refused password is answered by the same bytes (openid.md 73-76, golden test 8)."""

import re

import pytest
from argon2 import PasswordHasher
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.services import credentials, people, second_factor
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from tests.factors import PASSWORD, add_app, add_person, request_of

ORIGIN = "http://localhost:8000/t/acme"
LOGINS = ("nobody1", "wrongpw", "nopass1", "disable", "adminlk", "autolck", "fedonly", "deleted", "mfaneed")


@pytest.fixture
def everybody(context: Context, acme: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """One account in each state; `nobody1` is none."""
    monkeypatch.setattr(credentials, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    made: dict[str, Account] = {login: add_person(context, acme, login) for login in LOGINS[1:]}
    people.set_enabled(context, made["disable"], enabled=False)
    people.set_admin_lock(context, made["adminlk"], locked=True)
    people.set_federated_only(context, made["fedonly"], federated_only=True)
    people.delete_person(context, made["deleted"])
    second_factor.enforce(context, made["mfaneed"])
    for _ in range(10):
        credentials.check_password(context, acme, "autolck", "wrong")


def answer_to(client: FlaskClient, context: Context, node: Node, login: str, password: str) -> tuple[int, str, list[tuple[str, str]]]:
    """Status, body and headers, without what differs between any two sign-ins."""
    begun = sign_ins.begin(context, node, request_of(add_app(context, node)))
    client.set_cookie(f"mg-t-{begun.sign_in.id}", begun.secret, domain="localhost")
    page = client.get(f"{ORIGIN}/sign-in?id={begun.sign_in.id}").get_data(as_text=True)
    token = re.search(r'name="form_token" value="([^"]+)"', page)
    assert token
    form = {"id": begun.sign_in.id, "form_token": token[1], "login": login, "password": password}
    answer = client.post(f"{ORIGIN}/sign-in/password", data=form)
    body = answer.get_data(as_text=True)
    for own in (begun.sign_in.id, token[1], login):
        body = body.replace(own, "*")
    headers = [(name, value) for name, value in answer.headers if name != "X-Correlation-Id"]
    return answer.status_code, body, headers


@pytest.mark.parametrize("login", [login for login in LOGINS if login not in {"wrongpw", "mfaneed", "disable"}])
def test_the_right_password_of_a_closed_account_is_answered_like_a_wrong_one_of_an_open_one(
    client: FlaskClient, context: Context, acme: Node, everybody: None, login: str
) -> None:
    open_account = answer_to(client, context, acme, "wrongpw", "wrong")
    assert open_account[0] == 401
    assert "E_Invalid_Credentials" in open_account[1]
    password = "wrong" if login == "nopass1" else PASSWORD
    assert answer_to(client, context, acme, login, password) == open_account


@pytest.mark.parametrize("login", LOGINS)
def test_a_wrong_password_is_answered_alike_whoever_is_meant(
    client: FlaskClient, context: Context, acme: Node, everybody: None, login: str
) -> None:
    assert answer_to(client, context, acme, login, "wrong") == answer_to(client, context, acme, "nobody2", "wrong")
