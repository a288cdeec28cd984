"""SCIM connections: how an enterprise directory reaches one node, and what it may do there (decisions.md 35)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.errors import Refusal
from gateway.domain.values import ConnectionId, Instant, NodeId, ProviderId

PROFILE_NAMES = ("strict", "entra", "okta", "lenient")
DEFAULT_RATE = 500
"""Requests a second (decisions.md 37)."""
LEAST_RATE = 25


class Adoption(StrEnum):
    """What happens when a connection writes an account that nobody manages."""

    REFUSE = "refuse"
    ADOPT = "adopt"


@dataclass(frozen=True, slots=True)
class Connection:
    """One SCIM client of one node: a profile, and single switches on top of it."""

    id: ConnectionId
    node: NodeId
    name: str
    profile: str
    """One of PROFILE_NAMES: how the directory speaks."""
    provider: ProviderId | None
    """The identity provider whose people it pushes; its accounts sign in there."""
    patch_reply: int
    """Status of a successful PATCH of a user: 200 or 204 (decisions.md 36); 0: as the profile says."""
    adoption: Adoption
    unknown: str
    """What becomes of attributes that no schema knows: `refuse`, `drop`, `ignore`; empty: as the profile says."""
    rate: int
    """Requests a second; 0: the default."""
    created_at: Instant
    disabled_at: Instant | None

    @property
    def requests_per_second(self) -> int:
        """Return how many requests a second are answered."""
        return self.rate or DEFAULT_RATE


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


def require_switches(connection: Connection) -> Connection:
    """Return the connection, or refuse a switch that is none."""
    rules = {
        "profile": (connection.profile in PROFILE_NAMES, f"one of {', '.join(PROFILE_NAMES)}"),
        "patch_reply": (connection.patch_reply in {0, 200, 204}, "200 or 204"),
        "unknown": (connection.unknown in {"", "refuse", "drop", "ignore"}, "refuse, drop or ignore"),
        "rate": (connection.rate == 0 or connection.rate >= LEAST_RATE, f"{LEAST_RATE} requests a second or more"),
    }
    for name, (holds, rule) in rules.items():
        if not holds:
            raise Refusal("E_Field_Invalid", field=name, data={"field": name, "rule": rule})
    return connection
