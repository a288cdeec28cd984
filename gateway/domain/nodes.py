"""The tree of platform, distributors, partners, folders, customers, prospects and units, and what hangs where."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import lru_cache

from gateway.domain.errors import Refusal
from gateway.domain.values import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant, NamespaceId, NodeId


class NodeKind(StrEnum):
    """The kinds of node (decisions.md 1)."""

    PLATFORM = "platform"
    DISTRIBUTOR = "distributor"
    PARTNER = "partner"
    FOLDER = "folder"
    CUSTOMER = "customer"
    PROSPECT = "prospect"
    UNIT = "unit"


MANAGING = frozenset({NodeKind.PLATFORM, NodeKind.DISTRIBUTOR, NodeKind.PARTNER, NodeKind.FOLDER})
TENANTS = frozenset({NodeKind.CUSTOMER, NodeKind.PROSPECT})

PARENTS: Mapping[NodeKind, frozenset[NodeKind]] = {
    NodeKind.PLATFORM: frozenset(),
    NodeKind.DISTRIBUTOR: frozenset({NodeKind.PLATFORM}),
    NodeKind.PARTNER: frozenset({NodeKind.PLATFORM, NodeKind.DISTRIBUTOR}),
    NodeKind.FOLDER: frozenset({NodeKind.DISTRIBUTOR, NodeKind.PARTNER, NodeKind.FOLDER}),
    NodeKind.CUSTOMER: MANAGING,
    NodeKind.PROSPECT: MANAGING,
    NodeKind.UNIT: TENANTS,
}
"""Under which kinds each kind may hang; chains may have gaps (decisions.md 1, R-001)."""

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
RESERVED_SLUGS = frozenset({"admin", "api", "help", "healthz", "metrics", "readyz", "static", "t", "www"})


@dataclass(frozen=True, slots=True)
class Node:
    """One place in the tree; *tenant* in URLs and claims."""

    id: NodeId
    slug: str
    """Immutable and never reused (decisions.md 3)."""
    name: str
    kind: NodeKind
    parent: NodeId | None
    namespace: NamespaceId
    issuer: str
    """Stored at creation, never changed (decisions.md 3)."""
    private_outbound: bool
    epoch: int
    """Raised when the node is disabled: everything opened under an older epoch is dead (decisions.md 16)."""
    policies: str
    """JSON of the policies set here."""
    disabled_at: Instant | None
    deleted_at: Instant | None
    created_at: Instant

    @property
    def scim_base(self) -> str:
        """The base URL SCIM clients are given."""
        return f"{self.issuer}/scim/v2"


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long things live, in milliseconds (decisions.md 31)."""

    code: int = 60 * SECOND_MS
    access_token: int = 300 * SECOND_MS
    id_token: int = 300 * SECOND_MS
    refresh_idle: int = 30 * DAY_MS
    refresh_max: int = 365 * DAY_MS
    session: int = 12 * HOUR_MS
    session_idle: int = HOUR_MS
    sign_in: int = 10 * MINUTE_MS
    temporary_password: int = 72 * HOUR_MS
    signing_key: int = 90 * DAY_MS
    """After which the keys of an issuer turn by themselves."""


POLICY_UNITS: Mapping[str, int] = {field.name: SECOND_MS for field in fields(Lifetimes)}
"""Policies an administrator may set on a node: lifetimes, given in whole seconds."""

MFA_REQUIRED = "mfa_required"
"""Everybody whose home is the node, or below it, needs a second factor (R-107)."""
POLICY_SWITCHES = frozenset({MFA_REQUIRED})
"""Policies that are on or off; what is on above is on below."""

LANGUAGES = ("en", "de", "fr", "es", "ja")
"""Languages that people are written to in; the first is that of whoever has none of them."""
LANGUAGE = "language"
"""The language of people at the node, or below it, who have none of their own; the nearest node decides."""


def require_slug(slug: str) -> str:
    """Return `slug`, or refuse one that could not stand in a host name or a path."""
    if slug in RESERVED_SLUGS or not _SLUG.fullmatch(slug):
        raise Refusal("E_Field_Invalid", field="slug", data={"field": "slug", "rule": "1-63 of a-z, 0-9 and inner hyphens, not reserved"})
    return slug


def require_place(kind: NodeKind, parent: Node | None) -> None:
    """Refuse a node of `kind` under a parent of the wrong kind (R-001)."""
    if parent is None:
        if kind is not NodeKind.PLATFORM:
            raise Refusal("E_Scope_Mismatch", field="parent", reason="only the platform has no parent")
    elif parent.kind not in PARENTS[kind]:
        raise Refusal("E_Scope_Mismatch", field="parent", reason=f"{kind} under {parent.kind}")


def parse_policies(pairs: Mapping[str, str]) -> dict[str, int | str]:
    """Return policies as stored (whole seconds, 1 and 0 for a switch, or a text), or refuse an unknown name or an unsuitable value."""
    policies: dict[str, int | str] = {}
    for name, text in pairs.items():
        if name in POLICY_SWITCHES and text in {"yes", "no"}:
            policies[name] = int(text == "yes")
            continue
        if name == LANGUAGE and text in LANGUAGES:
            policies[name] = text
            continue
        if name not in POLICY_UNITS or not text.isascii() or not text.isdigit() or int(text) == 0:
            switches = ", ".join(sorted(POLICY_SWITCHES))
            languages = " or ".join(LANGUAGES)
            rule = f"one of {', '.join(sorted(POLICY_UNITS))}, in whole seconds; of {switches}, yes or no; {LANGUAGE}, {languages}"
            raise Refusal("E_Field_Invalid", field="policy", data={"field": f"policy {name}", "rule": rule})
        policies[name] = int(text)
    return policies


def lifetimes_of(chain: Sequence[Node]) -> Lifetimes:
    """Return the lifetimes in force where `chain` is a node and its ancestors: children tighten, never loosen (decisions.md 31)."""
    return _tightest(tuple(node.policies for node in chain))


@lru_cache(maxsize=1024)
def _tightest(policies: tuple[str, ...]) -> Lifetimes:
    values = {field.name: getattr(Lifetimes(), field.name) for field in fields(Lifetimes)}
    for stored in policies:
        for name, seconds in json.loads(stored).items():
            if name in values:
                values[name] = min(values[name], seconds * POLICY_UNITS[name])
    return Lifetimes(**values)


def is_switched_on(chain: Sequence[Node], name: str) -> bool:
    """Return whether a policy is on for a node, where `chain` is the node and its ancestors: none below can switch it off."""
    return any(json.loads(node.policies).get(name) for node in chain)


def chain_epoch(chain: Sequence[Node]) -> int:
    """Return the sum of the epochs of a node and its ancestors: it grows whenever any of them is disabled."""
    return sum(node.epoch for node in chain)
