"""Who acts, by which door, and the event each use case leaves behind (requirements.md R-214)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.values import NodeId


class Channel(StrEnum):
    """The door by which an act came in."""

    COMMAND_LINE = "cli"
    SCIM = "scim"
    SIGN_IN = "sign_in"
    APP = "app"
    JOB = "job"


class ActorKind(StrEnum):
    """What kind of subject acts."""

    SYSTEM = "system"
    ANONYMOUS = "anonymous"
    PERSON = "person"
    APP = "app"
    CONNECTION = "connection"
    OPERATOR = "operator"
    """Somebody with a shell on the machine: the command line."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts."""

    kind: ActorKind
    id: str
    channel: Channel


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, as one audit row."""

    node: NodeId
    action: str
    """`noun.verb`, e.g. `person.created`."""
    target_kind: str
    target: str
    code: str = ""
    """The catalogue's code where the act was refused or warned of; empty otherwise."""
    outcome: str = "done"
    """`done` or `refused`."""
    detail: Mapping[str, object] = field(default_factory=dict)
    """What changed: field names with old and new values, never a secret."""
