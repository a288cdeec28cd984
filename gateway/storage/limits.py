"""Guesses counted by single statements, so that no process lets one more through than all may together; and who the processes are."""

import peewee as pw

from gateway.domain.values import Instant
from gateway.storage.database import Database, Statement, place, places
from gateway.storage.tables.limits import LimitCount, ServerProcess

_OVER = LimitCount.ends_at <= place("now")
_KEY = (LimitCount.name == place("name")) & (LimitCount.key == place("key"))
_COUNT = Statement(
    LimitCount.insert(places(LimitCount))
    .on_conflict(
        conflict_target=[LimitCount.name, LimitCount.key],
        update={
            LimitCount.count: pw.Case(None, [(_OVER, 1)], LimitCount.count + 1),
            LimitCount.ends_at: pw.Case(None, [(_OVER, place("ends_at"))], LimitCount.ends_at),
        },
    )
    .returning(LimitCount.count, LimitCount.ends_at)
)
_FIND = Statement(LimitCount.select(LimitCount.count, LimitCount.ends_at).where(_KEY & ~_OVER))
_FORGIVE = Statement(LimitCount.update({LimitCount.count: LimitCount.count - 1}).where(_KEY & (LimitCount.count > 0)))
_OLD = LimitCount.select(LimitCount.ends_at).where(LimitCount.ends_at < place("before")).order_by(LimitCount.ends_at).limit(place("limit"))
_SWEEP = Statement(LimitCount.delete().where(LimitCount.ends_at <= pw.Select(columns=[pw.fn.MAX(_OLD.c.ends_at)], from_list=[_OLD])))
_SEEN = Statement(
    ServerProcess.insert(places(ServerProcess)).on_conflict(
        conflict_target=[ServerProcess.id], update={ServerProcess.seen_at: place("seen_at")}
    )
)
_GONE = Statement(ServerProcess.delete().where((ServerProcess.id == place("id")) | (ServerProcess.seen_at < place("before"))))
_ALIVE = Statement(ServerProcess.select(pw.fn.COUNT(ServerProcess.id)).where(ServerProcess.seen_at >= place("since")))


def count(database: Database, name: str, key: str, *, now: Instant, ends_at: Instant) -> tuple[int, Instant]:
    """Count one more and return how many there are and when the window ends: at `ends_at` if it begins with this one."""
    row = database.row(_COUNT, name=name, key=key, count=1, ends_at=ends_at, now=now)
    return (int(row[0]), Instant(row[1])) if row else (1, ends_at)


def find_count(database: Database, name: str, key: str, *, now: Instant) -> tuple[int, Instant]:
    """Return how many there are in the window that runs, and when it ends."""
    row = database.row(_FIND, name=name, key=key, now=now)
    return (int(row[0]), Instant(row[1])) if row else (0, now)


def uncount(database: Database, name: str, key: str) -> None:
    """Take one back."""
    database.write(_FORGIVE, name=name, key=key)


def remove_counts(database: Database, *, before: Instant, limit: int) -> int:
    """Remove counts whose window ended before a time, about so many; return how many."""
    return database.write(_SWEEP, before=before, limit=limit)


def see_process(database: Database, process: str, *, now: Instant, since: Instant) -> int:
    """Note that a process is alive and return how many were since a time, this one among them."""
    database.write(_SEEN, id=process, seen_at=now)
    row = database.row(_ALIVE, since=since)
    return int(row[0]) if row else 1


def forget_process(database: Database, process: str, *, before: Instant) -> None:
    """Note that a process leaves, and forget those not seen since a time."""
    database.write(_GONE, id=process, before=before)
