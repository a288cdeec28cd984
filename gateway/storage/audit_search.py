"""Searches in the audit trail: by whom, at what, when and where, a page at a time."""

import heapq
from collections.abc import Sequence
from functools import reduce
from operator import and_

import peewee as pw

from gateway.domain.audit import AuditRow, AuditSearch
from gateway.domain.values import NodeId, first_log_id
from gateway.storage.database import Database
from gateway.storage.tables.machinery import Audit
from gateway.storage.tables.nodes import NodeAncestry

_SEALED = Audit.leaf.is_null(False)
_UNSEALED = Audit.leaf.is_null()


def search_audit(
    database: Database, search: AuditSearch, *, below: NodeId | None, limit: int, before: str = "", after: str = ""
) -> list[AuditRow]:
    """Return a page of the events that a search finds at a node and all below it, or anywhere without one.

    The newest come first, and `before` is the id of the last one seen; with `after`, which may be the empty id `0`, the oldest come first.
    """
    conditions = [*_conditions(search), *_places(below)]
    if before:
        conditions.append(Audit.id < before)
    if after:
        conditions.append(Audit.id > after)
    # The indexes of actors, targets and correlation ids hold sealed rows only (migration 0023). Those that wait for their seal are few and
    # are asked first: one that is sealed in between is then found twice rather than never.
    parts = (_UNSEALED, _SEALED) if search.actor or search.target or search.correlation_id else (None,)
    found = [_page(database, conditions if part is None else [*conditions, part], limit, oldest_first=bool(after)) for part in parts]
    if len(found) == 1:
        return found[0]
    return list(_merged(found, limit, oldest_first=bool(after)).values())


def _page(database: Database, conditions: Sequence[pw.Expression], limit: int, *, oldest_first: bool) -> list[AuditRow]:
    query = Audit.select().order_by(Audit.id if oldest_first else Audit.id.desc()).limit(limit)
    return [AuditRow(*row) for row in database.select(query.where(reduce(and_, conditions)) if conditions else query)]


def _merged(pages: Sequence[Sequence[AuditRow]], limit: int, *, oldest_first: bool) -> dict[str, AuditRow]:
    merged: dict[str, AuditRow] = {}
    for row in heapq.merge(*pages, key=lambda row: row.id, reverse=not oldest_first):
        merged[row.id] = row
        if len(merged) == limit:
            break
    return merged


def _places(below: NodeId | None) -> list[pw.Expression]:
    if below is None:
        return []
    return [Audit.node.in_(NodeAncestry.select(NodeAncestry.descendant).where(NodeAncestry.ancestor == below))]


def _conditions(search: AuditSearch) -> list[pw.Expression]:
    exact = (
        (Audit.actor, search.actor),
        (Audit.target, search.target),
        (Audit.outcome, search.outcome),
        (Audit.code, search.code),
        (Audit.correlation_id, search.correlation_id),
    )
    conditions = [column == value for column, value in exact if value]
    if search.action.endswith("*"):
        conditions.append(Audit.action.startswith(search.action[:-1]))
    elif search.action:
        conditions.append(Audit.action == search.action)
    if search.text:
        conditions.append(Audit.detail.contains(search.text) | Audit.address.contains(search.text))
    # The ids sort by time, so that a time is a place in the order of the page.
    if search.since is not None:
        conditions.append(Audit.id >= first_log_id(search.since))
    if search.until is not None:
        conditions.append(Audit.id < first_log_id(search.until))
    return conditions
