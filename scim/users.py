"""The endpoint /Users (RFC 7644 §3)."""

from collections.abc import Callable
from dataclasses import replace as replaced
from http import HTTPStatus

import orjson
from scim2_server.conditions import EntityTags

from gateway.domain.document import joined
from gateway.domain.errors import Refusal
from gateway.domain.patch import apply_patch
from gateway.domain.projection import Projection, project
from gateway.domain.schema import MOONGATE_URN, JsonObject
from gateway.services import person_views, provisioning
from gateway.services.person_views import Reader, View, Wanted
from gateway.services.provisioning import Change, Rules, Seen, Written
from scim import listing, parameters
from scim.exchange import Answer, Exchange, Found
from scim.normaliser import normalise_patch, normalise_resource


def page(exchange: Exchange, *, start: int, count: int, root: bool) -> Found:
    """Return a page of the people in the connection's sight."""
    tree, rewrites = parameters.filter_of(exchange, exchange.profile.user, root=root)
    wanted = Wanted(tree, parameters.sorting_of(exchange, exchange.profile.user, root=root), start, count)
    projection = parameters.projection_of(exchange, exchange.profile.user)
    total, views = person_views.list_views(_reader(exchange), wanted)
    return Found(total, [_projected(exchange, view, projection) for view in views], rewrites)


def search(exchange: Exchange) -> Answer:
    """Answer a ListResponse."""
    window = parameters.window_of(exchange)
    return listing.answer(page(exchange, start=window.start, count=window.count, root=False), window)


def read(exchange: Exchange, resource_id: str) -> Answer:
    """Answer one person, or 304 where the client has this version already."""
    projection = parameters.projection_of(exchange, exchange.profile.user)
    view = _view(exchange, resource_id)
    _require_match(exchange, view)
    known = EntityTags.parse(exchange.if_none_match)
    if known is not None and known.matches(view.version):
        return Answer(304, headers={"ETag": view.version})
    return Answer(200, _projected(exchange, view, projection), {"ETag": view.version})


def create(exchange: Exchange, body: JsonObject) -> Answer:
    """Answer POST: 201 with the person, or 409 where the name is taken."""
    projection = parameters.projection_of(exchange, exchange.profile.user)
    normalised = normalise_resource(body, exchange.profile.user, exchange.profile)
    written = provisioning.create_provisioned(exchange.context, exchange.connection, exchange.node, normalised.document, _rules(exchange))
    view = person_views.get_written(_reader(exchange), written.account.id, written.ready)
    headers = {"ETag": view.version, "Location": view.location}
    answer = Answer(201, _projected(exchange, view, projection), headers, target=view.id, rewrites=normalised.rewrites + written.notes)
    if parameters.wants_minimal(exchange) and projection is None:
        return replaced(answer, body=b"", headers=headers | {"Preference-Applied": "return=minimal"})
    return answer


def replace(exchange: Exchange, resource_id: str, body: JsonObject) -> Answer:
    """Answer PUT: what is left out is unassigned, but for `active`, the password and our own extension."""
    normalised = normalise_resource(body, exchange.profile.user, exchange.profile)
    changed: list[str] = []

    def change(seen: Seen) -> JsonObject:
        document = {"id": seen.account.id} | normalised.document
        changed.extend(_difference(_before(exchange, seen), document))
        return document

    return _changed(exchange, resource_id, _write(exchange, resource_id, change), normalised.rewrites, changed, status=200)


def patch(exchange: Exchange, resource_id: str, body: JsonObject) -> Answer:
    """Answer PATCH: all operations or none (RFC 7644 §3.5.2)."""
    normalised = normalise_patch(body, exchange.profile.user, exchange.profile)
    changed: list[str] = []
    notes: list[str] = []

    def change(seen: Seen) -> JsonObject:
        before = _before(exchange, seen)
        patched = apply_patch(before, normalised.operations, exchange.profile.user, exchange.profile.patch_policy)
        notes.extend(patched.notes)
        changed.extend(_difference(before, patched.document))
        # Silence about these would keep them, because a PUT that does not name them must not change them; here they were taken away.
        removed: JsonObject = {"active": None, MOONGATE_URN: {"federatedOnly": False}}
        return patched.document | {name: value for name, value in removed.items() if name in before and name not in patched.document}

    written = _write(exchange, resource_id, change)
    rewrites = (*normalised.rewrites, *(note for note in notes if note not in normalised.rewrites))
    return _changed(exchange, resource_id, written, rewrites, changed, status=exchange.profile.user_patch_status)


def remove(exchange: Exchange, resource_id: str) -> Answer:
    """Answer DELETE: gone for the directory, out everywhere, the name free at once (decisions.md 15)."""
    provisioning.remove_provisioned(exchange.context, exchange.connection, resource_id, require=_precondition(exchange, resource_id))
    return Answer(204)


def _write(exchange: Exchange, resource_id: str, change: Change) -> Written:
    return provisioning.change_provisioned(
        exchange.context, exchange.connection, resource_id, change, rules=_rules(exchange), require=_precondition(exchange, resource_id)
    )


def _changed(
    exchange: Exchange, resource_id: str, written: Written, rewrites: tuple[str, ...], changed: list[str], *, status: int
) -> Answer:
    """Answer a change: with the person, or 204 where connection or client want none; `attributes` always gets the person (§3.5.2)."""
    projection = parameters.projection_of(exchange, exchange.profile.user)
    view = person_views.get_written(_reader(exchange), resource_id, written.ready)
    headers = {"ETag": view.version, "Location": view.location}
    minimal = parameters.wants_minimal(exchange)
    if projection is None and (status == HTTPStatus.NO_CONTENT if minimal is None else minimal):
        status = HTTPStatus.NO_CONTENT
    else:
        status = HTTPStatus.OK
    if minimal is not None:
        headers["Preference-Applied"] = "return=minimal" if status == HTTPStatus.NO_CONTENT else "return=representation"
    body = b"" if status == HTTPStatus.NO_CONTENT else _projected(exchange, view, projection)
    return Answer(int(status), body, headers, rewrites=rewrites + written.notes, detail={"changed": changed} if changed else {})


def _view(exchange: Exchange, resource_id: str) -> View:
    return person_views.get_view(_reader(exchange), resource_id)


def _reader(exchange: Exchange) -> Reader:
    extended = exchange.profile.user.find_extension(MOONGATE_URN) is not None
    return Reader(exchange.context, exchange.connection, exchange.base, extended=extended)


def _precondition(exchange: Exchange, resource_id: str) -> Callable[[], None] | None:
    """Return the check of If-Match and If-None-Match, which runs inside the transaction of the write (RFC 7644 §3.14)."""
    if exchange.if_match is None and exchange.if_none_match is None:
        return None

    def require() -> None:
        view = _view(exchange, resource_id)
        _require_match(exchange, view)
        known = EntityTags.parse(exchange.if_none_match)
        if known is not None and known.matches(view.version):
            raise Refusal("E_Version_Conflict", reason="If-None-Match names the present version")

    return require


def _require_match(exchange: Exchange, view: View) -> None:
    """Refuse with 412 where If-Match names other versions; compared weakly, because SCIM's tags are weak."""
    wanted = EntityTags.parse(exchange.if_match)
    if wanted is not None and not wanted.matches(view.version):
        raise Refusal("E_Version_Conflict", reason="If-Match names another version")


def _projected(exchange: Exchange, view: View, projection: Projection | None) -> bytes:
    """Return the part of a person that was asked for; the whole is answered from its bytes."""
    return view.body if projection is None else orjson.dumps(project(orjson.loads(view.body), exchange.profile.user, projection))


def _rules(exchange: Exchange) -> Rules:
    return Rules(refuse_password=exchange.profile.password_refused, hashed=exchange.hashed)


def _before(exchange: Exchange, seen: Seen) -> JsonObject:
    """Return the whole document that a change starts from."""
    extension = seen.extension() if exchange.profile.user.find_extension(MOONGATE_URN) else {}
    return joined(seen.document(), external_id=seen.beside.external_id, extension=extension)


def _difference(before: JsonObject, wanted: JsonObject) -> list[str]:
    """Return the names of the attributes that differ, for the log; never their values."""
    return sorted(name for name in before.keys() | wanted.keys() if before.get(name) != wanted.get(name) and name not in {"schemas", "id"})
