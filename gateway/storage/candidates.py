"""Accounts like the one that was looked for: what an explanation shows where nobody, or more than one, was found."""

import peewee as pw

from gateway.domain.people import Account
from gateway.domain.values import NodeId, comparison_key
from gateway.storage.database import Database, Statement, place
from gateway.storage.nodes import subtree_ids
from gateway.storage.people import COLUMNS, account_of
from gateway.storage.tables.people import Account as AccountTable

_BY_LOGIN = Statement(AccountTable.select(*COLUMNS).where((AccountTable.login_key == place("key")) & AccountTable.deleted_at.is_null()))


def list_by_login(database: Database, login_key: str) -> list[Account]:
    """Return every live account of a login, in whatever namespace."""
    return [account_of(row) for row in database.rows(_BY_LOGIN, key=login_key)]


def list_like(database: Database, value: str, *, scope: NodeId | None, limit: int) -> list[Account]:
    """Return accounts whose login or e-mail address equals `value` but for case or the domain, deleted ones too, the nearest first.

    `scope` bounds what is seen to a node and all below it; None: everything.
    """
    key = comparison_key(value)
    local = key.rpartition("@")[0] or key
    if not local:
        return []
    # A range that an index serves: everything that begins with the local part and "@", which "A" follows.
    beginning, end = f"{local}@", f"{local}A"
    alive = AccountTable.deleted_at.is_null()
    exact = alive & ((AccountTable.login_key == key) | (AccountTable.email_key == key))
    near = alive & (
        (AccountTable.login_key == local)
        | ((AccountTable.login_key >= beginning) & (AccountTable.login_key < end))
        | ((AccountTable.email_key >= beginning) & (AccountTable.email_key < end))
    )
    gone = AccountTable.deleted_at.is_null(False) & (
        (AccountTable.deleted_login == key) | (AccountTable.deleted_login == local) | (AccountTable.email_key == key)
    )
    found: dict[str, Account] = {}
    for condition in (exact, gone, near):
        query = AccountTable.select(*COLUMNS).where(condition).order_by(AccountTable.login_key, AccountTable.id).limit(limit)
        for row in database.select(_within(query, scope)):
            account = account_of(row)
            found.setdefault(account.id, account)
    return list(found.values())[:limit]


def _within(query: pw.Query, scope: NodeId | None) -> pw.Query:
    return query if scope is None else query.where(AccountTable.home.in_(subtree_ids(scope)))
