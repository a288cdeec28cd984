"""Who acts, by which door, the event each use case leaves behind (requirements.md R-214), and what of it is sealed (ADR 0013)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.values import Instant, NodeId

_FORM = "moongate audit 1"
"""Names the form of a sealed entry; another form would have another name, so that none can be taken for the other."""


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


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One audit event as read back."""

    id: str
    """UUIDv7: sorts by time."""
    node: NodeId
    at: Instant
    actor_kind: str
    actor: str
    channel: str
    action: str
    target_kind: str
    target: str
    outcome: str
    code: str
    correlation_id: str
    address: str
    """Personal: may be erased."""
    detail: str
    """JSON. Personal: may be erased."""
    salt: str
    """Hides personal values in the seal; goes with them."""
    leaf: int | None
    """Its number in the sealed tree, counted from 0; None until it is sealed."""


@dataclass(frozen=True, slots=True)
class AuditSearch:
    """What somebody looks for in the audit trail; all of it must hold, and empty means anything."""

    actor: str = ""
    target: str = ""
    action: str = ""
    """`person.created`, or `person.*`."""
    outcome: str = ""
    code: str = ""
    correlation_id: str = ""
    text: str = ""
    """Anywhere in detail or address."""
    since: Instant | None = None
    until: Instant | None = None
    """Earlier than this."""


class Personal(StrEnum):
    """The fields of an audit row that tell of people and may be erased."""

    ADDRESS = "address"
    DETAIL = "detail"


ERASED_VALUE: Mapping[Personal, str] = {Personal.ADDRESS: "", Personal.DETAIL: "{}"}
"""What stands where a value was."""


@dataclass(frozen=True, slots=True)
class Commitments:
    """What a row whose salt is gone keeps of its personal fields: the hash of each that was erased, and the key of each that was not."""

    hashes: Mapping[Personal, str]
    keys: Mapping[Personal, str]

    @classmethod
    def parse(cls, text: str) -> "Commitments":
        """Return what `str()` wrote. Raises ValueError where it did not."""
        try:
            stored = json.loads(text)
            return cls(
                {Personal(name): str(value) for name, value in stored["hashes"].items()},
                {Personal(name): str(value) for name, value in stored["keys"].items()},
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("no commitments") from error

    def __str__(self) -> str:
        return json.dumps({"hashes": dict(self.hashes), "keys": dict(self.keys)})


def sealed_entry(row: AuditRow, kept: Commitments | None = None) -> bytes:
    """Return the bytes of a row that its leaf is the hash of; `kept` where something of it was erased.

    Personal values are in it only as hashes under the row's salt: without the salt nobody can find a value by trying all of them.
    """
    plain = [_FORM, row.id, row.node, row.at, row.actor_kind, row.actor, row.channel, row.action, row.target_kind, row.target]
    plain += [row.outcome, row.code, row.correlation_id]
    values = {Personal.ADDRESS: row.address, Personal.DETAIL: row.detail}
    if kept is None:
        hidden = [_hidden(value, _key(row.salt, name)) for name, value in values.items()]
    else:
        hidden = [_kept_hash(name, value, kept) for name, value in values.items()]
    return json.dumps(plain + hidden, ensure_ascii=False, separators=(",", ":")).encode()


def erased(row: AuditRow, fields: frozenset[Personal], kept: Commitments | None) -> Commitments:
    """Return what is kept of a row in which some fields are erased now; `kept` where something of it was erased before."""
    keys = dict(kept.keys) if kept else {name: _key(row.salt, name) for name in Personal}
    values = {Personal.ADDRESS: row.address, Personal.DETAIL: row.detail}
    hashes = dict(kept.hashes) if kept else {}
    for name in sorted(fields & keys.keys()):
        hashes[name] = _hidden(values[name], keys.pop(name))
    return Commitments(hashes, keys)


def _kept_hash(name: Personal, value: str, kept: Commitments) -> str:
    # Where a value was erased nothing else may stand: it would pass for what was sealed.
    if name in kept.hashes and value == ERASED_VALUE[name]:
        return kept.hashes[name]
    return _hidden(value, kept.keys.get(name, ""))


def _key(salt: str, name: Personal) -> str:
    return hashlib.sha256(f"{salt}|{name}".encode()).hexdigest()


def _hidden(value: str, key: str) -> str:
    """Return the salted hash of a value; the key has one length, so that where it ends is no question."""
    return hashlib.sha256(f"{key}|{value}".encode()).hexdigest()
