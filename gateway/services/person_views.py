"""What a connection reads of people: the stored JSON, with what other rows know spliced in (decisions.md 36).

A read is one query; no document is parsed, and a page is made by joining bytes.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from weakref import WeakKeyDictionary

import orjson

from gateway.domain.connections import Connection
from gateway.domain.document import etag, splice, whole
from gateway.domain.errors import Refusal
from gateway.domain.filter import matches
from gateway.domain.identity import Criterion
from gateway.domain.nodes import NodeKind
from gateway.domain.people import Status, effective_status
from gateway.domain.query import Filter
from gateway.domain.schema import USER
from gateway.domain.sorting import Sorting, sort_key
from gateway.domain.values import AccountId, Instant, NodeId
from gateway.services.context import Context
from gateway.storage import connections, groups, nodes, person_rows, search
from gateway.storage.database import Database
from gateway.storage.person_rows import PersonRow, Ready

MOST_CANDIDATES = 1000
"""How many people are tested one by one where no index answers a filter; with more it is refused (RFC 7644 §3.4.2.2, tooMany)."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, and how it is answered."""

    context: Context
    connection: Connection
    base: str
    """The SCIM base URL, absolute, without slash at the end."""
    extended: bool = True
    """Whether our own extension is part of the documents."""


class View(NamedTuple):
    """One person as a connection sees it. A tuple, because a page makes a thousand of them."""

    id: AccountId
    location: str
    body: bytes
    """The whole document as JSON."""
    spliced: str
    groups_json: str

    @property
    def version(self) -> str:
        """Return the ETag: it changes with the row and with whatever is spliced in."""
        return etag(self.spliced, self.groups_json)


class Made(NamedTuple):
    """One person made ready."""

    ready: Ready
    kept: str | None
    """What readers may find ready; None: it has to be made for each of them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for, and which page of it."""

    filter: Filter | None = None
    """Resolved against the table of people."""
    sorting: Sorting | None = None
    start: int = 1
    count: int = 100


def get_view(reader: Reader, account_id: str) -> View:
    """Return a person in the connection's sight; anybody else is as unknown as nobody."""
    context, connection = reader.context, reader.connection
    ready = person_rows.find_ready(context.database, connection.node, connection.id, account_id, context.now())
    if ready is None:
        raise Refusal("E_Resource_Not_Found", data={"value": account_id[:128]})
    if ready.spliced is None or not reader.extended:
        ready = _read(reader, account_id).ready
    return _views(reader, [ready])[0]


def get_written(reader: Reader, account_id: str, ready: Ready | None) -> View:
    """Return a person who was just written as it was made ready then; None: it is read, and kept so that others find it ready."""
    if ready is None or not reader.extended:
        made = _read(reader, account_id)
        if reader.extended and made.kept is not None:
            person_rows.make_ready(reader.context.database, made.ready.id, made.kept)
        ready = made.ready
    return _views(reader, [ready])[0]


def made_ready(context: Context, connection: Connection, row: PersonRow) -> Made:
    """Return a person made ready for the connection, with our extension."""
    ready = _made_ready(context, connection.node, [row], extended=True)[0]
    # What ends by itself is not kept, nor what another connection would see otherwise.
    own = row.managed_by == connection.id and row.home == connection.node
    return Made(ready, ready.spliced if own and not row.locked and row.disable_after is None else None)


def _read(reader: Reader, account_id: str) -> Made:
    context, connection = reader.context, reader.connection
    row = person_rows.find_person_row(context.database, connection.node, connection.id, account_id, context.now())
    if row is None:
        raise Refusal("E_Resource_Not_Found", data={"value": account_id[:128]})
    if reader.extended:
        return made_ready(context, connection, row)
    return Made(_made_ready(context, connection.node, [row], extended=False)[0], None)


def list_views(reader: Reader, wanted: Wanted) -> tuple[int, list[View]]:
    """Return how many people a search finds and the page that is wanted; refuses with `E_Too_Many` what would take a scan."""
    context, connection = reader.context, reader.connection
    found = search.people_search(connection.node, connection.id, wanted.filter, wanted.sorting, now=context.now())
    if not found.exact:
        return _tested(reader, wanted, found)
    views = _page(reader, found, limit=wanted.count, offset=wanted.start - 1) if wanted.count else []
    return _total(reader, found, wanted, len(views)), views


def _page(reader: Reader, found: search.PeopleSearch, *, limit: int, offset: int) -> list[View]:
    """Return a page: of what is ready where all of it is, else of all that documents are made of."""
    database = reader.context.database
    page = search.list_ready(database, found, limit=limit, offset=offset) if reader.extended else []
    if not page or any(ready.spliced is None for ready in page):
        rows = search.list_person_rows(database, found, limit=limit, offset=offset)
        page = _made_ready(reader.context, reader.connection.node, rows, extended=reader.extended)
    return _views(reader, page)


def _total(reader: Reader, found: search.PeopleSearch, wanted: Wanted, length: int) -> int:
    """Return the total: from the counters where there is no filter (decisions.md 45), from the page where it is the last one."""
    if wanted.filter is None:
        return connections.total(reader.context.database, reader.connection.node, "User")
    if 0 < length < wanted.count or (length == 0 and wanted.start == 1 and wanted.count):
        return wanted.start - 1 + length
    return search.count_people(reader.context.database, found)


def _tested(reader: Reader, wanted: Wanted, found: search.PeopleSearch) -> tuple[int, list[View]]:
    """Test what the database may find one by one, where it is little enough."""
    candidates = _page(reader, found, limit=MOST_CANDIDATES + 1, offset=0)
    if len(candidates) > MOST_CANDIDATES:
        raise Refusal(
            "E_Too_Many",
            field="filter",
            data={"value": f"more than {MOST_CANDIDATES} candidates"},
            reason="no index answers the filter or the order",
        )
    views = [(view, orjson.loads(view.body)) for view in candidates]
    hits = [(view, document) for view, document in views if wanted.filter is None or matches(wanted.filter, document, USER)]
    if wanted.sorting is not None:
        sorting = wanted.sorting
        hits.sort(key=lambda hit: sort_key(hit[1], sorting, USER), reverse=sorting.descending)
    first = wanted.start - 1
    return len(hits), [view for view, _ in hits[first : first + wanted.count]]


def _made_ready(context: Context, node: NodeId, rows: Sequence[PersonRow], *, extended: bool) -> list[Ready]:
    """Make what is spliced into the documents of these people, for a reader at a node; those who are alike share their extension."""
    homes = {home: _home(context, home, node) for home in {row.home for row in rows}} if extended else {}
    now = context.now()
    made: dict[tuple[object, ...], str] = {}
    page = []
    for row in rows:
        extension = ""
        if extended:
            alike = (row.home, row.facts)
            extension = made.get(alike) or made.setdefault(alike, _extension_of(row, homes[row.home], now=now))
        told = f"{extension}|{row.external_id or ''}".encode()
        version = f"{row.version}-{hashlib.blake2b(told, digest_size=6).hexdigest()}"
        spliced = splice(version, created_at=row.created_at, updated_at=row.updated_at, external_id=row.external_id, extension=extension)
        page.append(Ready(row.id, row.document, spliced, row.groups))
    return page


def _views(reader: Reader, page: Sequence[Ready]) -> list[View]:
    """Return the documents of people who are ready; groups come last, because they change without the person."""
    prefix = f"{reader.base}/Users/"
    named = groups.groups_json(reader.context.database, reader.connection.node, {ready.groups for ready in page}, reader.base)
    views = []
    for account_id, document, spliced, found in page:
        location, listed, said = prefix + account_id, named[found], spliced or ""
        views.append(View(account_id, location, whole(document, said, location=location, groups_json=listed), said, listed))
    return views


_LEVELS = {NodeKind.PARTNER: "partner", NodeKind.DISTRIBUTOR: "distributor"}


@dataclass(frozen=True, slots=True)
class _Home:
    """What a home adds to the documents of its people."""

    scope: str
    """JSON of the extension's `scope`."""
    enabled: bool


_SCOPES: WeakKeyDictionary[Database, dict[NodeId, str]] = WeakKeyDictionary()
"""The scopes of homes: slugs and parents never change (decisions.md 3)."""


def _home(context: Context, home: NodeId, asked: NodeId) -> _Home:
    """Return what a home adds; that the connection's own node is enabled was found when its token was."""
    scopes = _SCOPES.setdefault(context.database, {})
    if home == asked and home in scopes:
        return _Home(scopes[home], enabled=True)
    chain = nodes.list_chain(context.database, home)
    slugs = {"tenant": chain[0].slug}
    for node in reversed(chain):
        if node.kind in _LEVELS:
            slugs[_LEVELS[node.kind]] = node.slug
    scopes[home] = json.dumps(slugs, separators=(",", ":"))
    return _Home(scopes[home], all(node.disabled_at is None for node in chain))


class _Facts(NamedTuple):
    """What our extension tells of a person."""

    status: str
    method: str
    matching: str
    custom_login: str
    federated_only: bool
    mfa_required: bool
    enrolled: bool
    locked: bool
    email_validated: bool
    scope: str
    """JSON of `scope`."""
    contacts: str
    language: str


def _extension_of(row: PersonRow, home: _Home, *, now: Instant) -> str:
    status = effective_status(row, tenant_enabled=home.enabled, now=now)
    if row.locked and status in {Status.ACTIVE, Status.MUST_CHANGE_PASSWORD}:
        status = Status.LOCKED_OUT
    return _extension(
        _Facts(
            status.value,
            row.provider_key or "password",
            row.matching or row.provider_matching or Criterion.EMAIL.value,
            row.federated_login or "",
            bool(row.federated_only),
            bool(row.mfa_required),
            bool(row.enrolled),
            bool(row.locked or row.admin_locked_at is not None),
            row.email_validated_at is not None,
            home.scope,
            row.company_contacts,
            row.language,
        )
    )


@lru_cache(maxsize=4096)
def _extension(facts: _Facts) -> str:
    """Return our extension's JSON (R-201). Most people of a tenant share it, so it is seldom made."""
    document: dict[str, object] = {"status": facts.status, "signInMethod": facts.method, "loginMatching": facts.matching}
    if facts.custom_login:
        document["customLogin"] = facts.custom_login
    document |= {
        "federatedOnly": facts.federated_only,
        "mfaRequired": facts.mfa_required,
        "mfaStatus": "enrolled" if facts.enrolled else "none",
        "lockedOut": facts.locked,
        "emailValidated": facts.email_validated,
        "scope": json.loads(facts.scope),
    }
    if facts.contacts:
        document["companyContacts"] = facts.contacts.split(",")
    if facts.language:
        document["language"] = facts.language
    return orjson.dumps(document).decode()
