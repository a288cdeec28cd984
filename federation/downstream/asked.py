"""A request at an issuer, read from what the server gave: these endpoints need no more of a framework, and are asked too often for one."""

import codecs
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from federation.downstream.parameters import Parameters
from federation.downstream.published import PublishedKeys
from federation.downstream.throttle import Failures
from gateway.domain.audit import Channel
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.ports import HttpFetcher
from gateway.http import requests, tenancy
from gateway.services.context import Context
from gateway.services.house import House
from gateway.services.waiting import Waiting
from gateway.storage.audit import Trace

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MEMORY = "moongate.downstream"
"""Where a request finds what the process remembers."""
FORM = "application/x-www-form-urlencoded"
_UNREADABLE = "moongate.as-written"


@dataclass(frozen=True, slots=True)
class Memory:
    """What this process remembers for all requests."""

    failures: Failures = field(default_factory=Failures)
    keys: PublishedKeys = field(default_factory=PublishedKeys)
    traces: Waiting[Trace] = field(default_factory=Waiting)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, at which issuer."""

    environ: "WSGIEnvironment"
    node: Node
    context: Context

    @property
    def method(self) -> str:
        """The method."""
        return str(self.environ["REQUEST_METHOD"])

    @property
    def authorization(self) -> str:
        """The Authorization header; empty if there is none."""
        return str(self.environ.get("HTTP_AUTHORIZATION", ""))

    @property
    def query_string(self) -> str:
        """The query as it came."""
        return str(self.environ.get("QUERY_STRING", ""))

    @property
    def media_type(self) -> str:
        """The body's type, without its parameters."""
        return str(self.environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()

    @property
    def memory(self) -> Memory:
        """What this process remembers."""
        remembered: Memory = self.environ[MEMORY]
        return remembered

    @property
    def fetcher(self) -> HttpFetcher:
        """The way to the outside."""
        house: House = self.environ[tenancy.HOUSE]
        return house.fetcher

    def of_query_or_form(self) -> Parameters:
        """Return the query's parameters of a GET, the form's of a POST; never a mixture (OIDC Core §3.1.2.1)."""
        return self.of_form() if self.method == "POST" else _parsed(self.query_string.encode("latin-1"))

    def of_form(self) -> Parameters:
        """Return the form's parameters, or refuse a form that is too large before it is read."""
        body = requests.body_of(self.environ, requests.FORM_LIMIT)
        return _parsed(body) if self.media_type == FORM else Parameters(())


def receive(environ: "WSGIEnvironment", channel: Channel) -> Asked:
    """Return what a request asks, or refuse one of no issuer."""
    tenancy.require_no_fault(environ)
    node = tenancy.node_of(environ)
    if node is None:
        raise Refusal("E_Not_Found")
    return Asked(environ, node, requests.context_of(environ, channel))


def _parsed(octets: bytes) -> Parameters:
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        # As an empty one: what is missing is then told.
        return Parameters(())
    return Parameters(pairs_of(text))


def pairs_of(text: str) -> list[tuple[str, str]]:
    """Return names and values as `parse_qsl` does, which takes four times as long where little is quoted."""
    parts = [part.partition("=") for part in text.split("&")]
    if "%" not in text and "+" not in text:
        return [(name, value) for name, _, value in parts if value]
    return [(_plain(name), _plain(value)) for name, _, value in parts if value]


def _plain(quoted: str) -> str:
    text = quoted.replace("+", " ") if "+" in quoted else quoted
    return unquote(text, errors=_UNREADABLE) if "%" in text else text


def _as_written(error: UnicodeError) -> tuple[str, int]:
    """Keep octets that are no UTF-8 as they were written."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return quote(error.object[error.start : error.end], safe=""), error.end


codecs.register_error(_UNREADABLE, _as_written)
