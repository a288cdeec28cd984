"""Groups: the handlers of `/Groups`. Members are changed by deltas and read only where an answer shows them."""

from collections.abc import Callable
from http import HTTPStatus

import orjson
from scim2_server.conditions import EntityTags

from gateway.domain.errors import Refusal
from gateway.domain.groups import Meta, splice_group
from gateway.domain.patch import Operation, apply_patch
from gateway.domain.projection import Projection, project
from gateway.domain.schema import CORE_GROUP_URN, GROUP, JsonObject
from gateway.services import groups
from gateway.services.group_members import Rules
from gateway.services.groups import Outcome, Wanted
from gateway.storage.groups import SeenGroup
from scim import listing
from scim.exchange import Answer, Exchange, Found
from scim.members import GroupPatch, parted_operations, replacement_of
from scim.normaliser import normalise_patch, normalise_resource
from scim.parameters import filter_of, projection_of, sorting_of, wants_minimal, window_of


def page(exchange: Exchange, *, start: int, count: int, root: bool) -> Found:
    """Return the groups from the 1-based index `start` on, at most `count`."""
    tree, rewrites = filter_of(exchange, GROUP, root=root)
    sorting = sorting_of(exchange, GROUP, root=root)
    projection = projection_of(exchange, GROUP)
    total, found = groups.search_groups(exchange.context, exchange.connection, tree, sorting, start=start, count=count)
    return Found(total, _documents(exchange, found, projection), rewrites)


def search(exchange: Exchange) -> Answer:
    """Answer GET of the endpoint and POST of its `/.search` with a ListResponse."""
    window = window_of(exchange)
    return listing.answer(page(exchange, start=window.start, count=window.count, root=False), window)


def create(exchange: Exchange, body: JsonObject) -> Answer:
    """Answer POST: 201 with the group, or 409 where its name is taken."""
    projection = projection_of(exchange, GROUP)
    normalised = normalise_resource(body, GROUP, exchange.profile)
    wanted = _wanted(normalised.document)
    outcome = groups.create_group(exchange.context, exchange.node, wanted, connection=exchange.connection, rules=_rules(exchange))
    minimal = wants_minimal(exchange) is True and projection is None
    return _answer(exchange, outcome, HTTPStatus.CREATED, normalised.rewrites, projection=projection, minimal=minimal)


def read(exchange: Exchange, resource_id: str) -> Answer:
    """Answer GET of one."""
    projection = projection_of(exchange, GROUP)
    seen = groups.get_group(exchange.context, exchange.connection, resource_id)
    _require_match(exchange, seen)
    known = EntityTags.parse(exchange.if_none_match)
    if known is not None and known.matches(seen.group.etag):
        return Answer(304, headers={"ETag": seen.group.etag})
    return Answer(200, _documents(exchange, [seen], projection)[0], _headers(exchange, seen))


def replace(exchange: Exchange, resource_id: str, body: JsonObject) -> Answer:
    """Answer PUT: what the body leaves out is cleared, members too (scim.md A70)."""
    projection = projection_of(exchange, GROUP)
    normalised = normalise_resource(body, GROUP, exchange.profile)
    wanted = _wanted(normalised.document)
    outcome = _changed(exchange, resource_id, lambda _: wanted)
    minimal = wants_minimal(exchange) is True and projection is None
    return _answer(exchange, outcome, HTTPStatus.OK, normalised.rewrites, projection=projection, minimal=minimal)


def patch(exchange: Exchange, resource_id: str, body: JsonObject) -> Answer:
    """Answer PATCH: 204, unless the profile, the header Prefer or `attributes=` ask for the group (decisions.md 36)."""
    projection = projection_of(exchange, GROUP)
    normalised = normalise_patch(body, GROUP, exchange.profile)
    parted = parted_operations(normalised.operations, exchange.profile.patch_policy)
    notes: list[str] = []
    outcome = _changed(exchange, resource_id, lambda seen: _patched(exchange, seen, parted, notes))
    preferred = wants_minimal(exchange)
    minimal = exchange.profile.group_patch_status == HTTPStatus.NO_CONTENT if preferred is None else preferred
    rewrites = tuple(dict.fromkeys((*normalised.rewrites, *parted.notes, *notes)))
    return _answer(exchange, outcome, HTTPStatus.OK, rewrites, projection=projection, minimal=minimal and projection is None)


def remove(exchange: Exchange, resource_id: str) -> Answer:
    """Answer DELETE."""
    groups.remove_group(exchange.context, exchange.connection, resource_id, require=_precondition(exchange))
    return Answer(204)


def _changed(exchange: Exchange, resource_id: str, change: Callable[[SeenGroup], Wanted]) -> Outcome:
    return groups.change_group(
        exchange.context, exchange.connection, resource_id, change, rules=_rules(exchange), require=_precondition(exchange)
    )


def _patched(exchange: Exchange, seen: SeenGroup, parted: GroupPatch, notes: list[str]) -> Wanted:
    document: JsonObject = {"schemas": [CORE_GROUP_URN], "id": seen.group.id, "displayName": seen.group.display_name}
    if seen.external_id is not None:
        document["externalId"] = seen.external_id
    operations: tuple[Operation, ...] = parted.attributes
    patched = apply_patch(document, operations, GROUP, exchange.profile.patch_policy)
    notes += patched.notes
    wanted = _wanted(patched.document)
    return Wanted(wanted.display_name, wanted.external_id, parted.members)


def _wanted(document: JsonObject) -> Wanted:
    """Return what a canonical document wants a group to be, whole."""
    external_id = document.get("externalId")
    return Wanted(str(document["displayName"]), external_id if isinstance(external_id, str) else None, (replacement_of(document),))


def _rules(exchange: Exchange) -> Rules:
    return Rules(member_check=exchange.profile.member_check, unique_names=exchange.profile.unique_group_names)


def _answer(
    exchange: Exchange,
    outcome: Outcome,
    status: HTTPStatus,
    rewrites: tuple[str, ...],
    *,
    projection: Projection | None,
    minimal: bool,
) -> Answer:
    """Answer a write: with the group, or without a body where none is wanted."""
    headers = _headers(exchange, outcome.seen)
    if wants_minimal(exchange) is not None:
        headers["Preference-Applied"] = "return=minimal" if minimal else "return=representation"
    if minimal and status == HTTPStatus.OK:
        status = HTTPStatus.NO_CONTENT
    return Answer(
        int(status),
        b"" if minimal else _documents(exchange, [outcome.seen], projection)[0],
        headers,
        target=outcome.seen.group.id,
        rewrites=rewrites,
        detail={"added": len(outcome.added), "removed": len(outcome.removed), "version": outcome.seen.group.version},
    )


def _headers(exchange: Exchange, seen: SeenGroup) -> dict[str, str]:
    return {"ETag": seen.group.etag, "Location": _location(exchange, seen)}


def _location(exchange: Exchange, seen: SeenGroup) -> str:
    return f"{exchange.base}/Groups/{seen.group.id}"


def _documents(exchange: Exchange, found: list[SeenGroup], projection: Projection | None) -> list[bytes]:
    """Return groups as JSON; members are read only where the projection lets them appear (scim.md A34)."""
    wants_members = bool(found) and (projection is None or projection.wants("members"))
    members = groups.members_json(exchange.context, found, base=exchange.base) if wants_members else {}
    whole = [
        splice_group(
            seen.group.document.encode(),
            meta=Meta(_location(exchange, seen), seen.group.etag, seen.group.created_at, seen.group.updated_at),
            external_id=seen.external_id,
            members_json=members.get(seen.group.id, b""),
        )
        for seen in found
    ]
    if projection is None:
        return whole
    return [orjson.dumps(project(orjson.loads(document), GROUP, projection)) for document in whole]


def _precondition(exchange: Exchange) -> Callable[[SeenGroup], None]:
    """Return the check of If-Match and If-None-Match, which runs inside the transaction of the write (RFC 7644 §3.14)."""

    def require(seen: SeenGroup) -> None:
        _require_match(exchange, seen)
        known = EntityTags.parse(exchange.if_none_match)
        if known is not None and known.matches(seen.group.etag):
            raise Refusal("E_Version_Conflict", reason="If-None-Match names the present version")

    return require


def _require_match(exchange: Exchange, seen: SeenGroup) -> None:
    """Refuse with 412 where If-Match names other versions; compared weakly, because SCIM's tags are weak."""
    wanted = EntityTags.parse(exchange.if_match)
    if wanted is not None and not wanted.matches(seen.group.etag):
        raise Refusal("E_Version_Conflict", reason=f"the group's version is {seen.group.version}")
