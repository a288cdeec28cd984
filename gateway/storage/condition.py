"""How the database is: whether it answers and takes a write, what time it has, and what waits in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import peewee as pw

from gateway.domain.mails import MailState
from gateway.domain.values import Instant, ProviderId
from gateway.storage.database import Database, Statement, place
from gateway.storage.tables.federation import IdentityProvider
from gateway.storage.tables.jobs import Mail
from gateway.storage.tables.machinery import Audit, Job
from gateway.storage.tables.nodes import Domain, Installation, Node
from gateway.storage.tables.provisioning import ScimConnection, ScimToken

_NOW = pw.Select(columns=[pw.SQL("CAST(CURRENT_TIMESTAMP AS TEXT)")])
_TRIAL = Statement(Installation.insert({Installation.name: place("name"), Installation.value: place("value")}))
_END_OF_TRIAL = Statement(Installation.delete().where(Installation.name == place("name")))
_TRIAL_BYTES = 16 * 1024
"""More than a page of either engine, so that a database without room for one more says so."""
_NO_CONCERN = frozenset({MailState.SENT, MailState.SKIPPED})
"""Nearly all mails are in one of these states; counting them would take as long as there are mails."""
_JOBS = Statement(
    Job.select(Job.kind, Job.state, pw.fn.COUNT(Job.id), pw.fn.MIN(Job.run_at))
    .where(Job.state.in_(["ready", "running", "dead"]))
    .group_by(Job.kind, Job.state)
)
_MAILS = Statement(
    Mail.select(Mail.state, pw.fn.COUNT(Mail.id))
    .where(Mail.state.in_([state.value for state in MailState if state not in _NO_CONCERN]))
    .group_by(Mail.state)
)
_NEWEST = Statement(Audit.select(Audit.at).order_by(Audit.id.desc()).limit(1))
_TOKENS = Statement(
    ScimToken.select(ScimConnection.id, ScimConnection.name, Node.slug, pw.fn.MAX(ScimToken.expires_at))
    .join(ScimConnection, on=(ScimConnection.id == ScimToken.connection))
    .join(Node, on=(Node.id == ScimConnection.node))
    .where(ScimToken.revoked_at.is_null() & ScimConnection.disabled_at.is_null() & Node.deleted_at.is_null() & Node.disabled_at.is_null())
    .group_by(ScimConnection.id, ScimConnection.name, Node.slug)
    .having(pw.fn.MAX(ScimToken.expires_at) <= place("before"))
    .order_by(pw.fn.MAX(ScimToken.expires_at), ScimConnection.id)
    .limit(place("limit"))
)
_PROVIDERS = Statement(
    IdentityProvider.select(IdentityProvider.id)
    .join(Node, on=(Node.id == IdentityProvider.node))
    .where((IdentityProvider.active == 1) & Node.deleted_at.is_null() & Node.disabled_at.is_null())
    .order_by(IdentityProvider.id)
    .limit(place("limit"))
)
_UNPROVED = Statement(
    Domain.select(Domain.name, Node.slug)
    .join(Node, on=(Node.id == Domain.node))
    .where(Domain.verified_at.is_null() & Node.deleted_at.is_null())
    .order_by(Domain.name, Domain.id)
    .limit(place("limit"))
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Jobs of one kind in one state."""

    kind: str
    state: str
    count: int
    since: Instant
    """When the oldest was, or is, due."""


class LastToken(NamedTuple):
    """A connection whose last token ends soon, or has ended."""

    connection: str
    name: str
    slug: str
    expires_at: Instant


def read_clock(database: Database) -> Instant:
    """Return what time the database has; to the second, where the engine tells no more."""
    [(text,)] = database.select(_NOW)
    read = datetime.fromisoformat(str(text))
    return Instant(int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000))


def try_to_write(database: Database, name: str) -> None:
    """Write a row and remove it, within one transaction; DatabaseUnavailable says that there is no right, or no room.

    Nothing of it stays, but room for it must be there.
    """
    with database.transaction():
        database.write(_TRIAL, name=name, value="-" * _TRIAL_BYTES)
        database.write(_END_OF_TRIAL, name=name)


def list_waiting(database: Database) -> Sequence[Waiting]:
    """Return how many jobs of each kind wait, run, or are dead."""
    return [Waiting(*row) for row in database.rows(_JOBS)]


def count_unsent_mails(database: Database) -> dict[str, int]:
    """Return how many mails are in each state but sent and skipped."""
    return {row[0]: row[1] for row in database.rows(_MAILS)}


def find_newest_event(database: Database) -> Instant | None:
    """Return when the newest event of the trail happened, by the clock of whoever wrote it."""
    row = database.row(_NEWEST)
    return row[0] if row else None


def list_ending_tokens(database: Database, *, before: Instant, limit: int) -> Sequence[LastToken]:
    """Return the SCIM connections whose last token ends before a time, the most urgent first."""
    return [LastToken(*row) for row in database.rows(_TOKENS, before=before, limit=limit)]


def list_active_providers(database: Database, *, limit: int) -> Sequence[ProviderId]:
    """Return the identity providers that people may be sent to."""
    return [row[0] for row in database.rows(_PROVIDERS, limit=limit)]


def list_unproved_domains(database: Database, *, limit: int) -> Sequence[tuple[str, str]]:
    """Return domains that nobody proved yet, with the slugs of their nodes."""
    return [(row[0], row[1]) for row in database.rows(_UNPROVED, limit=limit)]
