"""Answers made with few calls are the answers that werkzeug makes."""

from collections.abc import Callable

import pytest
from flask import Response

from federation.downstream import ready
from federation.downstream.ready import Answer


def headers_of(response: Response) -> list[tuple[str, str]]:
    return sorted(response.get_wsgi_headers({"REQUEST_METHOD": "GET"}).to_wsgi_list())


def sent(answer: Answer) -> list[tuple[str, str]]:
    told: list[tuple[str, str]] = []

    def start(_status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> Callable[[bytes], object]:
        told.extend(headers)
        return bytes

    answer.send(start)
    return sorted(told)


@pytest.mark.parametrize(
    "location",
    [
        "https://app.example/cb?code=mgo_a-b&state=x%2Fy+z&iss=https%3A%2F%2Fid.example%2Ft%2Facme",
        "http://127.0.0.1:4711/cb?a=b&code=1",
        "http://localhost:8000/t/acme/sign-in?id=1",
        "https://app.example?code=1",
        "https://App.Example/cb?code=1",
        "https://app.example/{here}?code=1",
        'https://app.example/"quoted"?code=1',
        "https://[::1]:80/cb?code=1",
        "https://bücher.example/cb?code=1",
        "com.example.app:/cb?code=1",
    ],
)
def test_redirect_has_the_headers_that_werkzeug_gives_it(location: str) -> None:
    assert sent(ready.leading_to(location, 303)) == headers_of(Response(status=303, headers={"Location": location}))


def test_json_is_not_stored_and_says_how_long_it_is() -> None:
    answer = ready.in_json(
        {"name": "Zoë"}, 401, [("Content-Type", "text/plain"), ("Cache-Control", "public"), ("WWW-Authenticate", "Basic")]
    )
    assert answer.as_response().status_code == 401
    assert answer.as_response().get_json() == {"name": "Zoë"}
    assert sent(answer) == headers_of(answer.as_response())
    assert sent(answer) == [
        ("Cache-Control", "no-store"),
        ("Content-Length", str(len(answer.body))),
        ("Content-Type", "application/json"),
        ("WWW-Authenticate", "Basic"),
    ]
