"""SCIM connections: how an enterprise directory reaches one node, and what it may do there (decisions.md 35)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.values import ConnectionId, Instant, NodeId, ProviderId


class Adoption(StrEnum):
    """What happens when a connection writes an account that nobody manages."""

    REFUSE = "refuse"
    ADOPT = "adopt"


@dataclass(frozen=True, slots=True)
class Connection:
    """One SCIM client of one node."""

    id: ConnectionId
    node: NodeId
    name: str
    profile: str
    """`entra`; further dialects follow."""
    provider: ProviderId | None
    """The identity provider whose people it pushes; its accounts sign in there."""
    patch_reply: int
    """Status of a successful PATCH of a user: 200 or 204 (decisions.md 36)."""
    adoption: Adoption
    created_at: Instant
    disabled_at: Instant | None


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token of a connection; its secret is stored only as a hash."""

    id: str
    connection: ConnectionId
    created_at: Instant
    expires_at: Instant
    revoked_at: Instant | None
    last_used_at: Instant | None


@dataclass(frozen=True, slots=True)
class ProvisioningEntry:
    """One request of a connection, as the provisioning log keeps it (scim.md section 1)."""

    connection: ConnectionId
    operation: str
    target: str
    status: int
    code: str = ""
    rewrites: tuple[str, ...] = ()
    """Names of the normaliser's rewrites, e.g. `N4 string to boolean`."""
    body: str = ""
    """The request's body with secrets masked."""
    detail: Mapping[str, object] = field(default_factory=dict)
    duration_us: int = 0
