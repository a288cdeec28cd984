"""Whether what was made ready of people is what would be made of them now."""

import peewee as pw

from gateway.domain.connections import Connection
from gateway.services import person_views
from gateway.services.context import Context
from gateway.storage import connections, person_rows
from gateway.storage.tables.people import Account


def require_ready_is_right(context: Context) -> int:
    """Compare each; return how many there were."""
    query: pw.Query = Account.select(Account.id, Account.home, Account.managed_by, Account.spliced).where(Account.spliced.is_null(False))
    rows = context.database.select(query)
    for account_id, home, managed_by, spliced in rows:
        connection = connections.find_connection(context.database, home, managed_by or "")
        if connection is not None:
            assert spliced == _made(context, connection, account_id), account_id
    return len(rows)


def _made(context: Context, connection: Connection, account_id: str) -> str | None:
    row = person_rows.find_person_row(context.database, connection.node, connection.id, account_id, context.now())
    if row is None or row.locked:
        # Out of sight, or answered anew for as long as the lock stands.
        return None if row is None else _stored(context, account_id)
    return person_views.made_ready(context, connection, row).ready.spliced


def _stored(context: Context, account_id: str) -> str | None:
    rows = context.database.select(Account.select(Account.spliced).where(Account.id == account_id))
    return str(rows[0][0])
