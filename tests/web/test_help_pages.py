"""The public pages about error codes."""

import re

import pytest
from flask.testing import FlaskClient

from gateway.domain.errors import Disclosure, catalogue
from gateway.domain.nodes import Node

HERE = "http://localhost:8000"
PUBLIC = sorted(code for code, entry in catalogue().items() if entry.disclosure is not Disclosure.NOBODY)
SECRET = sorted(code for code, entry in catalogue().items() if entry.disclosure is Disclosure.NOBODY)


def test_the_index_lists_every_code_that_people_may_see_and_no_other(client: FlaskClient) -> None:
    text = client.get("/help/errors/", base_url=HERE).text
    assert all(f"/help/errors/{code}" in text for code in PUBLIC)
    assert not any(code in text for code in SECRET)


@pytest.mark.parametrize("code", PUBLIC)
def test_every_public_code_has_a_page_without_gaps(client: FlaskClient, code: str) -> None:
    answer = client.get(f"/help/errors/{code}", base_url=HERE)
    assert (answer.status_code, f'data-error="{code}"' in answer.text) == (200, True)
    assert not re.search(r"\{\w+\}", answer.text)


@pytest.mark.parametrize("code", [*SECRET, "E_Nothing", "E_No_User'--", "%00"])
def test_a_code_that_nobody_may_learn_has_no_page(client: FlaskClient, code: str) -> None:
    assert client.get(f"/help/errors/{code}", base_url=HERE).status_code == 404


def test_codes_are_compared_without_regard_to_case(client: FlaskClient) -> None:
    assert "E_No_User" in client.get("/help/errors/e_no_USER", base_url=HERE).text


def test_the_pages_exist_below_an_issuer_as_well(client: FlaskClient, acme: Node) -> None:
    answer = client.get("/t/acme/help/errors/E_No_User", base_url=HERE)
    assert answer.status_code == 200
    assert "/t/acme/help/errors/" in answer.text


def test_whoever_types_the_address_learns_what_this_place_is(client: FlaskClient, acme: Node) -> None:
    for path, name in (("/", "Moongate"), ("/t/acme/", "Acme Ltd"), ("/t/acme", "Acme Ltd")):
        answer = client.get(path, base_url="http://localhost:8000")
        assert (answer.status_code, name in answer.text, "/help/errors/" in answer.text) == (200, True, True), path
