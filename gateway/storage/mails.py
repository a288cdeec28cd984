"""Mails: one row for each, from the transaction that wants it to what became of it. The change of `state` decides every race."""

from dataclasses import dataclass, fields

import peewee as pw

from gateway.domain.mails import MailKind, MailState
from gateway.domain.values import AccountId, Instant, NodeId
from gateway.storage.database import Database, Row, Statement, place, places
from gateway.storage.nodes import subtree_ids
from gateway.storage.tables.jobs import Mail as MailTable

_INSERT = Statement(MailTable.insert(places(MailTable)).on_conflict_ignore())
_FIND = Statement(MailTable.select().where(MailTable.id == place("id")))
_OF_ACCOUNT = Statement(MailTable.select().where(MailTable.account == place("account")).order_by(MailTable.id.desc()).limit(place("limit")))
_OF_RUN = Statement(MailTable.select().where(MailTable.run == place("run")).order_by(MailTable.id).limit(place("limit")))
_COUNTS = Statement(MailTable.select(MailTable.state, pw.fn.COUNT(MailTable.id)).group_by(MailTable.state))
_CHANGE = Statement(
    MailTable.update(
        {
            MailTable.state: place("state"),
            MailTable.reply: place("reply"),
            MailTable.changed_at: place("now"),
            MailTable.attempts: MailTable.attempts + place("tries"),
        }
    ).where((MailTable.id == place("id")) & (MailTable.state == place("former")))
)
_FORGET = Statement(MailTable.update({MailTable.data: ""}).where(MailTable.id == place("id")))
_OF_THIS_RUN = Statement(MailTable.update({MailTable.run: place("run")}).where(MailTable.id == place("id")))
_REDIRECT = Statement(MailTable.update({MailTable.attempts: 0, MailTable.address: place("address")}).where(MailTable.id == place("id")))


@dataclass(frozen=True, slots=True)
class StoredMail:
    """A mail as it is stored."""

    id: str
    node: NodeId
    """Whose brand it bears."""
    account: AccountId
    kind: MailKind
    event: str
    address: str
    data: str
    """What it tells, as wrapped JSON; empty once it is over."""
    state: MailState
    attempts: int
    """How often it was tried in vain."""
    reply: str
    """The server's last answer, or why there was none."""
    run: str | None
    """The run of the schedule that sent it, if one did."""
    created_at: Instant
    changed_at: Instant


def insert_mail(database: Database, mail: StoredMail) -> bool:
    """Add a mail; return False if the account was told of this event before."""
    values = {field.name: getattr(mail, field.name) for field in fields(mail)}
    return database.write(_INSERT, **values) == 1


def find_mail(database: Database, mail_id: str) -> StoredMail | None:
    """Return a mail, or None."""
    row = database.row(_FIND, id=mail_id)
    return None if row is None else _mail(row)


def change_mail(
    database: Database, mail_id: str, former: MailState, state: MailState, *, now: Instant, reply: str = "", tries: int = 0
) -> bool:
    """Move a mail from one state to another; return False if it is no longer in the former one."""
    return database.write(_CHANGE, id=mail_id, former=former, state=state, now=now, reply=reply, tries=tries) == 1


def forget_data(database: Database, mail_id: str) -> None:
    """Forget what a mail tells."""
    database.write(_FORGET, id=mail_id)


def begin_anew(database: Database, mail_id: str, address: str) -> None:
    """Let a mail have all its attempts again, to an address that may be another one by now."""
    database.write(_REDIRECT, id=mail_id, address=address)


def list_mails(database: Database, account_id: AccountId, *, limit: int) -> list[StoredMail]:
    """Return the mails to an account, newest first."""
    return [_mail(row) for row in database.rows(_OF_ACCOUNT, account=account_id, limit=limit)]


def list_of_run(database: Database, run: str, *, limit: int) -> list[StoredMail]:
    """Return the mails that a run of a schedule sent."""
    return [_mail(row) for row in database.rows(_OF_RUN, run=run, limit=limit)]


def count_mails(database: Database) -> dict[str, int]:
    """Return how many mails are in each state."""
    return {row[0]: row[1] for row in database.rows(_COUNTS)}


def release_waiting(database: Database, node_id: NodeId, run: str, *, now: Instant, limit: int) -> list[StoredMail]:
    """Queue mails that were put aside at a node or below it, for a run of a schedule; return them. Two runs never get the same one."""
    taken: list[StoredMail] = []
    waiting = (
        MailTable.select()
        .where((MailTable.state == MailState.WAITING.value) & MailTable.node.in_(subtree_ids(node_id)))
        .order_by(MailTable.id)
        .limit(limit)
    )
    for mail in map(_mail, database.select(waiting)):
        if change_mail(database, mail.id, MailState.WAITING, MailState.QUEUED, now=now):
            database.write(_OF_THIS_RUN, id=mail.id, run=run)
            taken.append(mail)
    return taken


def _mail(row: Row) -> StoredMail:
    mail_id, node, account, kind, event, address, data, state, *rest = row
    return StoredMail(mail_id, node, account, MailKind(kind), event, address, data, MailState(state), *rest)
