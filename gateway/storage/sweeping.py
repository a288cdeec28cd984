"""Removing what nobody needs any more, some rows at a time: looked for without a lock, removed in short transactions."""

from collections.abc import Sequence

import peewee as pw

from gateway.domain.values import Instant, first_log_id
from gateway.storage.database import Database, Statement, place
from gateway.storage.tables.apps import AppGrant, KeptCode, RefreshToken, Session
from gateway.storage.tables.factors import KnownDevice
from gateway.storage.tables.federation import SignIn, UpstreamLeg
from gateway.storage.tables.jobs import Mail, ScheduleRun
from gateway.storage.tables.machinery import AdmissionTrace, Job, Outbox
from gateway.storage.tables.provisioning import ScimLog
from gateway.storage.text_list import TextList, bound

_Child = SignIn.alias()
_AGED = place("before")
_CHOSEN = TextList("chosen")


def _chosen(column: pw.Field, condition: pw.Expression) -> Statement:
    """Return the query for some keys of rows that may go; without an order, so that the oldest come first and the search ends early."""
    return Statement(column.model.select(column).where(condition).limit(place("limit")))


def _removal(column: pw.Field) -> Statement:
    return Statement(column.model.delete().where(column.in_(_CHOSEN)))


_SIGN_INS = (
    _chosen(SignIn.id, (SignIn.expires_at < _AGED) & ~pw.fn.EXISTS(_Child.select(pw.SQL("1")).where(_Child.parent == SignIn.id))),
    (_removal(UpstreamLeg.sign_in), _removal(SignIn.id)),
)
_CODES = (_chosen(KeptCode.handle_hash, KeptCode.expires_at < _AGED), (_removal(KeptCode.handle_hash),))
_TOKENS = (_chosen(RefreshToken.token_hash, RefreshToken.expires_at < _AGED), (_removal(RefreshToken.token_hash),))
_GRANTS = (
    _chosen(AppGrant.id, (AppGrant.expires_at < _AGED) | (AppGrant.ended_at < _AGED)),
    (_removal(RefreshToken.app_grant), _removal(AppGrant.id)),
)
_SESSIONS = (
    _chosen(
        Session.sid,
        ((Session.expires_at < _AGED) | (Session.ended_at < _AGED))
        & ~pw.fn.EXISTS(AppGrant.select(pw.SQL("1")).where(AppGrant.session == Session.sid)),
    ),
    (_removal(Session.sid),),
)
_JOBS = (_chosen(Job.id, (Job.state == "done") & (Job.finished_at < _AGED)), (_removal(Job.id),))
_UNSEEN = KnownDevice.seen_at < _AGED
_DEVICES = (
    _chosen(KnownDevice.secret_hash, _UNSEEN),
    # One device may know several people, of whom others came lately.
    (Statement(KnownDevice.delete().where(KnownDevice.secret_hash.in_(_CHOSEN) & _UNSEEN)),),
)
# Their ids sort by time, so the oldest are found by the key.
_OUTBOX = (_chosen(Outbox.id, Outbox.id < place("before_id")), (_removal(Outbox.id),))
_TRACES = (_chosen(AdmissionTrace.id, AdmissionTrace.id < place("before_id")), (_removal(AdmissionTrace.id),))
_MAILS = (_chosen(Mail.id, Mail.id < place("before_id")), (_removal(Mail.id),))
_RUNS = (_chosen(ScheduleRun.id, ScheduleRun.id < place("before_id")), (_removal(ScheduleRun.id),))
_REQUESTS = (_chosen(ScimLog.id, ScimLog.id < place("before_id")), (_removal(ScimLog.id),))


def remove_sign_ins(database: Database, *, before: Instant, limit: int) -> int:
    """Remove sign-ins that ended before a time, with their legs; one that waited for a proof goes after the one that made it."""
    return _swept(database, _SIGN_INS, limit, before=before)


def remove_codes(database: Database, *, before: Instant, limit: int) -> int:
    """Remove kept authorization codes that expired before a time: until then a replay ends the grant."""
    return _swept(database, _CODES, limit, before=before)


def remove_refresh_tokens(database: Database, *, before: Instant, limit: int) -> int:
    """Remove refresh tokens that expired before a time; those that were rotated stay so long, because a replay ends the family."""
    return _swept(database, _TOKENS, limit, before=before)


def remove_grants(database: Database, *, before: Instant, limit: int) -> int:
    """Remove grants that ended or expired before a time, with their refresh tokens; until then the replay of a code ends them."""
    return _swept(database, _GRANTS, limit, before=before)


def remove_sessions(database: Database, *, before: Instant, limit: int) -> int:
    """Remove sessions that ended or expired before a time and have no grant left: one with offline access outlives its session."""
    return _swept(database, _SESSIONS, limit, before=before)


def remove_jobs(database: Database, *, before: Instant, limit: int) -> int:
    """Remove jobs that were done before a time; dead ones stay for a person to see."""
    return _swept(database, _JOBS, limit, before=before)


def remove_devices(database: Database, *, before: Instant, limit: int) -> int:
    """Remove known devices from which nobody signed in since a time."""
    return _swept(database, _DEVICES, limit, before=before)


def remove_outbox(database: Database, *, before: Instant, limit: int) -> int:
    """Remove what was published before a time."""
    return _swept(database, _OUTBOX, limit, before_id=first_log_id(before))


def remove_traces(database: Database, *, before: Instant, limit: int) -> int:
    """Remove the traces of attempts before a time; their audit rows stay."""
    return _swept(database, _TRACES, limit, before_id=first_log_id(before))


def remove_mails(database: Database, *, before: Instant, limit: int) -> int:
    """Remove the log of mails that were queued before a time."""
    return _swept(database, _MAILS, limit, before_id=first_log_id(before))


def remove_runs(database: Database, *, before: Instant, limit: int) -> int:
    """Remove the runs of schedules before a time."""
    return _swept(database, _RUNS, limit, before_id=first_log_id(before))


def remove_requests(database: Database, *, before: Instant, limit: int) -> int:
    """Remove the log of SCIM requests before a time; the audit rows of what they did stay."""
    return _swept(database, _REQUESTS, limit, before_id=first_log_id(before))


def _swept(database: Database, kind: tuple[Statement, Sequence[Statement]], limit: int, **aged: object) -> int:
    """Remove at most `limit` rows, with what points at them; return how many."""
    choice, removals = kind
    keys = [row[0] for row in database.rows(choice, limit=limit, **aged)]
    if keys:
        with database.transaction():
            for removal in removals:
                database.write(removal, chosen=bound(keys), **aged)
    return len(keys)
