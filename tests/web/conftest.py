"""An app at acme that waits for a sign-in, and a browser that holds it."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from gateway.domain.nodes import Node
from gateway.domain.relying_party import RelyingParty
from gateway.domain.sign_in import SignIn
from gateway.http.endpoints import SIGN_IN, below
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.services.sign_in import Begun
from tests.sign_ins import Browser, begin, make_app

Start = Callable[..., Begun]
Read = Callable[[Begun], SignIn]


@pytest.fixture
def wiki(context: Context, acme: Node) -> RelyingParty:
    return make_app(context, acme)


@pytest.fixture
def browser(client: FlaskClient) -> Browser:
    return Browser(client)


@pytest.fixture
def start(context: Context, acme: Node, wiki: RelyingParty, browser: Browser) -> Start:
    """Begin a sign-in at acme, or another node, and open its first page."""

    def begin_and_open(node: Node = acme, app: RelyingParty = wiki, **request: Any) -> Begun:
        begun = begin(context, node, app, **request)
        browser.hold(node, begun)
        browser.open(below(node, SIGN_IN, id=begun.sign_in.id))
        return begun

    return begin_and_open


@pytest.fixture
def read(context: Context, acme: Node) -> Read:
    """Return a sign-in at acme as it is stored now."""
    return lambda begun: sign_ins.get(context, acme, begun.sign_in.id, begun.secret)
