"""Which tables a backup holds, and how they come back."""

import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module

from gateway.domain.mails import MailState
from gateway.storage import tables
from gateway.storage.database import Database, Statement, place
from gateway.storage.tables.jobs import Mail
from gateway.storage.tables.machinery import Generation, Job
from gateway.storage.tables.nodes import Node
from gateway.storage.tables.table import Configuration, Table
from gateway.storage.transfer import Read, Transfer

_NOT_KEPT: Mapping[str, str] = {
    # A restored session would let in again whoever was shut out since the backup was made (priority 1 of decisions.md).
    "session": "ends at a restore",
    "app_grant": "ends at a restore",
    "refresh_token": "ends at a restore",
    "kept_code": "ends at a restore",
    "sign_in": "a stored attempt of minutes",
    "upstream_leg": "a stored attempt of minutes",
    "totp_enrolment": "belongs to a sign-in",
    "access_code": "good once: a used one would be good again",
    "limit_count": "guesses of minutes",
}
"""Tables that a backup leaves out and a restore empties, and why."""

_OF_THE_MACHINES: frozenset[str] = frozenset({"routine", "generation", "server_process"})
"""Tables about the processes that use a database; a backup leaves them out and a restore leaves them alone."""

_ANY_NODE = Statement(Node.select(Node.id).limit(1))
_UNCERTAIN = (MailState.QUEUED, MailState.HANDED_OVER, MailState.WAITING)
_DOUBT_MAILS = Statement(
    Mail.update({Mail.state: MailState.UNCONFIRMED.value, Mail.reply: place("reply")}).where(
        Mail.state.in_([state.value for state in _UNCERTAIN])
    )
)
_DROP_MAIL_JOBS = Statement(Job.delete().where(Job.kind == "mail"))
_NEXT_GENERATION = Statement(Generation.update({Generation.value: Generation.value + 1}))


@cache
def kept_tables() -> Mapping[str, tuple[str, ...]]:
    """Return the columns of every table that a backup holds, by the table's name."""
    return {name: columns for name, columns in _every_table().items() if name not in _NOT_KEPT and name not in _OF_THE_MACHINES}


def is_empty(database: Database) -> bool:
    """Return whether nothing was ever put into a database: it has not even a platform."""
    return database.row(_ANY_NODE) is None


@contextmanager
def reading(database: Database) -> Iterator[Read]:
    """Read tables as all of them are at one moment. Raises DatabaseUnavailable."""
    with database.transfer().snapshot() as read:
        yield read


@contextmanager
def refilling(database: Database) -> Iterator[Transfer]:
    """Empty every table, to `put` rows into the kept ones, all or nothing; what must not come back as it was is made safe at the end."""
    transfer = database.transfer()
    with transfer.filling():
        transfer.empty(sorted(_every_table().keys() - _OF_THE_MACHINES))
        yield transfer
        database.write(_DOUBT_MAILS, reply="restored from a backup: nobody knows whether it was sent since")
        database.write(_DROP_MAIL_JOBS)
        # Every process forgets what it remembers of the configuration.
        database.write(_NEXT_GENERATION)


@cache
def _every_table() -> Mapping[str, tuple[str, ...]]:
    for module in pkgutil.iter_modules(tables.__path__):
        import_module(f"{tables.__name__}.{module.name}")
    classes = [*Table.__subclasses__(), *Configuration.__subclasses__()]
    return {
        table._meta.table_name: tuple(field.column_name for field in table._meta.sorted_fields)
        for table in classes
        if table is not Configuration
    }
