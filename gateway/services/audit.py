"""The audit trail: searched and exported by administrators of a node, about it and all below it (R-214), and erased of people's values."""

from collections.abc import Iterator, Sequence

from gateway.domain.audit import ERASED_VALUE, ActorKind, AuditRow, AuditSearch, Event, Personal, erased
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.values import AccountId, NodeId
from gateway.services.context import Context
from gateway.storage import audit_search, people, sealing

ERASED = "audit.erased"
"""The act of erasing; what it says of itself is not erased."""

_PAGE = 1000
_FIRST = "0"
"""Smaller than every id."""
_ANYTHING = AuditSearch()
_THEIR_OWN = frozenset({ActorKind.PERSON, ActorKind.ANONYMOUS})
"""Kinds of actor whose address is that of the person the event is about."""


def list_events(context: Context, node: Node, *, search: AuditSearch = _ANYTHING, limit: int, before: str = "") -> Sequence[AuditRow]:
    """Return the latest events of a node and all below it, newest first; `before` is the id of the last one seen on the page before."""
    return audit_search.search_audit(context.database, search, below=_below(node), limit=limit, before=before)


def iterate_events(context: Context, node: Node, search: AuditSearch = _ANYTHING) -> Iterator[AuditRow]:
    """Give out all events of a node and all below it, the oldest first, a page at a time: what happens meanwhile comes at the end."""
    after = _FIRST
    while page := audit_search.search_audit(context.database, search, below=_below(node), limit=_PAGE, after=after):
        yield from page
        after = page[-1].id


def erase_person(context: Context, node: Node, account_id: AccountId) -> int:
    """Erase what the trail tells of a person who is gone, and return of how many events.

    Erased are the details of what was done to them, and the addresses they came from; ids, acts, times and outcomes stay, and so does
    the seal. Refuses while the account is there: what is written about it goes on.
    """
    account = people.find_account(context.database, account_id)
    if account is not None and account.deleted_at is None:
        raise Refusal("E_Scope_Mismatch", field="id", reason="the account is not deleted: moongate user delete")
    count = sum(_erase_page(context, rows, account_id) for rows in _pages_about(context, node, account_id))
    with context.database.transaction():
        context.record(Event(node.id, ERASED, "person", account_id, detail={"events": count}))
    return count


def _pages_about(context: Context, node: Node, account_id: AccountId) -> Iterator[Sequence[AuditRow]]:
    for search in (AuditSearch(target=account_id), AuditSearch(actor=account_id)):
        after = _FIRST
        while page := audit_search.search_audit(context.database, search, below=_below(node), limit=_PAGE, after=after):
            yield page
            after = page[-1].id


def _erase_page(context: Context, rows: Sequence[AuditRow], account_id: AccountId) -> int:
    count = 0
    with context.database.transaction():
        for row in rows:
            fields = _told_of(row, account_id)
            if fields:
                values = {name: ERASED_VALUE[name] if name in fields else getattr(row, name) for name in Personal}
                kept = erased(row, fields, sealing.find_erasure(context.database, row.id))
                sealing.erase(
                    context.database, row.id, address=values[Personal.ADDRESS], detail=values[Personal.DETAIL], kept=kept, at=context.now()
                )
                count += 1
    return count


def _told_of(row: AuditRow, account_id: AccountId) -> frozenset[Personal]:
    """Return the fields of a row that tell of a person and still hold something."""
    if row.action == ERASED:
        return frozenset()
    fields = set()
    if row.target == account_id:
        fields.add(Personal.DETAIL)
    if row.actor == account_id or (row.target == account_id and row.actor_kind in _THEIR_OWN and not row.actor):
        fields.add(Personal.ADDRESS)
    return frozenset(name for name in fields if getattr(row, name) != ERASED_VALUE[name])


def _below(node: Node) -> NodeId | None:
    """Return the node whose subtree is meant, None for the root: everything is below it."""
    return None if node.parent is None else node.id
