"""Groups of people: what is stored of one, how its document reads, and the changes of membership that a request may ask for.

Members are rows of their own. The stored document leaves them out, like externalId and meta, and they are spliced in when they are read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, NewType, TypeAlias

from gateway.domain.document import timestamp
from gateway.domain.query import Filter
from gateway.domain.schema import CORE_GROUP_URN
from gateway.domain.values import ConnectionId, Instant, NodeId

GroupId = NewType("GroupId", str)

MAX_NESTING = 10
"""Groups one inside the other, counted from the outermost to the innermost."""


@dataclass(frozen=True, slots=True)
class Group:
    """One group of a node."""

    id: GroupId
    node: NodeId
    display_name: str
    claimed_name: str | None
    """The name's comparison key where no other group of the node may take it; None where names may repeat."""
    managed_by: ConnectionId | None
    """The SCIM connection that owns the group; None: made by hand."""
    version: int
    """Raised by every change, of members too, and by nothing else (scim.md A77, A97)."""
    created_at: Instant
    updated_at: Instant
    document: str
    """The stored SCIM JSON, without members."""

    @property
    def etag(self) -> str:
        """Return the version as an entity tag: a digest would have to read every member."""
        return f'W/"{self.version}"'


@dataclass(frozen=True, slots=True)
class AddMembers:
    """Add those who are not members yet; what a member is called already stays (scim.md A88)."""

    members: tuple[str, ...]
    displays: Mapping[str, str] = field(default_factory=dict)
    """What the directory calls some of them."""


@dataclass(frozen=True, slots=True)
class RemoveMembers:
    """Remove those who are members."""

    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RemoveSelected:
    """Remove the members for whom a filter resolved against `members` holds; all of them where there is none."""

    selection: Filter | None


@dataclass(frozen=True, slots=True)
class ReplaceMembers:
    """Let these be the members and nobody else, called as said here; who stays keeps the time of joining."""

    members: tuple[str, ...]
    displays: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallMembers:
    """Call the members for whom a filter holds, all of them where there is none, by this name; empty: by their own."""

    selection: Filter | None
    display: str


@dataclass(frozen=True, slots=True)
class RequireMember:
    """Refuse with `E_No_Target` unless this one is a member."""

    member: str


MemberChange: TypeAlias = AddMembers | RemoveMembers | RemoveSelected | ReplaceMembers | CallMembers | RequireMember


class Meta(NamedTuple):
    """What `meta` tells of a group. A tuple, because a page makes a thousand of them."""

    location: str
    """Absolute URL under the connection's issuer."""
    version: str
    """The ETag, as in the header (RFC 7644 §3.14)."""
    created_at: Instant
    updated_at: Instant


def stored_group(group_id: str, display_name: str) -> str:
    """Return the JSON text to store, as `splice_group` needs it."""
    document = {"schemas": [CORE_GROUP_URN], "id": group_id, "displayName": display_name}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def splice_group(stored: bytes, *, meta: Meta, external_id: str | None, members_json: bytes) -> bytes:
    """Return the full document as JSON, made by joining bytes; `members_json` is a JSON list, and empty bytes leave members out."""
    parts = [stored[:-1]]
    if external_id is not None:
        parts.append(b',"externalId":' + json.dumps(external_id, ensure_ascii=False).encode())
    if members_json:
        parts.append(b',"members":' + members_json)
    parts.append(
        f',"meta":{{"resourceType":"Group","created":"{timestamp(meta.created_at)}","lastModified":"{timestamp(meta.updated_at)}",'
        f'"location":{json.dumps(meta.location)},"version":{json.dumps(meta.version)}}}}}'.encode()
    )
    return b"".join(parts)
