"""One SCIM request on its way through the door, and the answer that comes back; both know nothing of Flask."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.domain.connections import Connection
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.schema import JsonObject
from gateway.services.context import Context
from scim.profiles import Profile

BODY_LIMIT = 1_000_000
"""Bytes of a request's body."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """An authenticated request. The connection is the actor of its context."""

    context: Context
    node: Node
    connection: Connection
    profile: Profile
    """The connection's profile with its own switches applied."""
    base: str
    """Absolute URL of this tenant's SCIM base, from the stored issuer, without slash at the end."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """`filter`, `attributes`, `startIndex` …: from the query, or from the body of a `/.search`; lists joined by commas."""
    if_match: str | None = None
    if_none_match: str | None = None
    prefer: str = ""
    """The header Prefer (RFC 7240)."""
    rewrites: tuple[str, ...] = ()
    """What the normaliser changed so far (the query)."""
    hashed: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The hash of the password in the body, made before the transaction."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answers, and what the provisioning log keeps of it."""

    status: int
    body: bytes = b""
    """JSON; empty for 204 and 304."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """`ETag`, `Location`, `Preference-Applied`; the content type is set for every body."""
    operation: str = ""
    """Empty: by method and path."""
    target: str = ""
    """Id of the resource; empty: the one of the path."""
    rewrites: tuple[str, ...] = ()
    """Names of the normaliser's rewrites."""
    detail: Mapping[str, object] = field(default_factory=dict)
    """What changed, never a secret."""
    refusal: Refusal | None = None
    """What the request was refused for; None if it was not."""


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search."""

    total: int
    """Of all pages."""
    resources: list[bytes]
    """Each a whole JSON object."""
    rewrites: tuple[str, ...] = ()


class Resource(Protocol):
    """What a module provides for its endpoint; modules are the implementations.

    Writes run inside a transaction that the blueprint opened, so that the log row holds or fails with the act. Everything refused is
    raised as Refusal, which rolls it back.
    """

    def page(self, exchange: Exchange, *, start: int, count: int, root: bool) -> Found:
        """Return at most `count` resources from the 1-based index `start` on; with `root`, attributes of other types are false."""

    def search(self, exchange: Exchange) -> Answer:
        """Answer GET of the endpoint and POST of its `/.search` with a ListResponse."""

    def create(self, exchange: Exchange, body: JsonObject) -> Answer:
        """Answer POST."""

    def read(self, exchange: Exchange, resource_id: str) -> Answer:
        """Answer GET of one."""

    def replace(self, exchange: Exchange, resource_id: str, body: JsonObject) -> Answer:
        """Answer PUT."""

    def patch(self, exchange: Exchange, resource_id: str, body: JsonObject) -> Answer:
        """Answer PATCH."""

    def remove(self, exchange: Exchange, resource_id: str) -> Answer:
        """Answer DELETE."""
