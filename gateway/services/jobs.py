"""Running jobs: claimed with a lease, several at once, again after a failure, and again after the death of whoever ran them.

A job runs at least once: its handler may see the same job twice (a process died after the deed and before the note of it) and must
bear it. One foreman looks for work; he is woken by every commit in this process that queued some (`Database.jobs_bell`), and looks every
half second besides, for what other processes queued. Threads do the work; a clerk does the routines beside them. decisions.md 39.
"""

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway import logs
from gateway.domain.audit import Event
from gateway.domain.errors import Refusal
from gateway.domain.ports import Unreachable
from gateway.domain.values import MINUTE_MS, SECOND_MS, Instant
from gateway.metrics import figures
from gateway.services.house import WORKER, House
from gateway.services.routines import Clerk, Routine
from gateway.storage import jobs
from gateway.storage.database import DatabaseUnavailable
from gateway.storage.jobs import Job

Handler = Callable[[House, Job], None]
"""Does one job; whatever it raises makes the job run again later, but `Unrecoverable`."""

POLL_SECONDS = 0.5
"""How long work queued by another process may go unnoticed."""

LEASE_MS = 30 * SECOND_MS
"""How long a job stays with a process that died."""

BACK_OFF_MS = (SECOND_MS, 5 * SECOND_MS, 30 * SECOND_MS, 2 * MINUTE_MS, 10 * MINUTE_MS, 30 * MINUTE_MS, 60 * MINUTE_MS, 180 * MINUTE_MS)
"""Pauses before the second, third … attempt; after the last one a failed job is dead."""

_log = logging.getLogger(__name__)


class Unrecoverable(Exception):
    """A job cannot succeed, however often it is tried; `str()` says why, for the log."""


class Postponed(Exception):
    """A job did not succeed this time, and its handler knows better than the general rule when to try again, and how often."""

    def __init__(self, reason: str, pause_ms: int) -> None:
        """Keep the reason for the log, and how long to rest."""
        super().__init__(reason)
        self.pause_ms = pause_ms


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How an attempt ended."""

    state: str
    error: str = ""
    pause_ms: int = 0
    """How long a job that is `ready` again rests."""


@dataclass(frozen=True, slots=True)
class Crew:
    """How many hands there are."""

    threads: int = 8
    per_lane: int = 2
    """Jobs of one lane that run at once: one slow app occupies no more threads than that."""


CREW = Crew()


class Runner:
    """Runs the jobs of one process."""

    def __init__(self, house: House, handlers: Mapping[str, Handler], crew: Crew = CREW, routines: Sequence[Routine] = ()) -> None:
        """Take the handler of each kind, and what is done at intervals; jobs of a kind without a handler are dead at once."""
        self._house = house
        self._handlers = handlers
        self._crew = crew
        self._owner = house.entropy(8).hex()
        self._bell = house.database.jobs_bell
        self._stopping = threading.Event()
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._running: dict[str, Job] = {}
        self._guard = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._next_beat = Instant(0)
        self._clerk = Clerk(house, routines)

    def start(self) -> None:
        """Begin to work in threads of its own."""
        hands = [threading.Thread(target=self._work, name=f"job-{at}", daemon=True) for at in range(self._crew.threads)]
        leaders = [
            threading.Thread(target=self._lead, name="foreman", daemon=True),
            threading.Thread(target=self._clerk.lead, name="clerk", daemon=True),
        ]
        self._threads = [*leaders, *hands]
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 10) -> bool:
        """Claim nothing more, give back what is not begun, and wait for what is; return whether all ended in time.

        What did not end runs again elsewhere when its lease is over.
        """
        self._stopping.set()
        self._clerk.stop()
        self._bell.ring()
        for thread in self._threads:
            thread.join(seconds)
        return not any(thread.is_alive() for thread in self._threads)

    def run_due(self) -> int:
        """Do what is due now in the calling thread, and what that queues, and return how many jobs there were."""
        done = 0
        while claimed := self._claim(limit=self._crew.threads):
            for job in claimed:
                self._do(job)
            done += len(claimed)
        return done

    def _lead(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
            except DatabaseUnavailable as error:
                _log.warning("jobs wait for the database", extra={"fields": {"error": str(error)}})
            except Exception:  # noqa: BLE001 -- without him nobody would be told of a logout any more
                _log.exception("the foreman stumbled")
            self._bell.wait(POLL_SECONDS)
        self._give_back()
        for _ in range(self._crew.threads):
            self._waiting.put(None)
        self._house.database.close()

    def _look(self) -> None:
        """Extend leases, claim as many jobs as there are idle hands, and hand them out."""
        now = self._house.clock()
        with self._guard:
            running = list(self._running.values())
        if running and now >= self._next_beat:
            jobs.extend_leases(self._house.database, running, self._owner, lease_until=Instant(now + LEASE_MS))
            self._next_beat = Instant(now + LEASE_MS // 3)
        self._clerk.beat(now)
        for job in self._claim(limit=self._crew.threads - len(running)):
            self._waiting.put(job)

    def _claim(self, *, limit: int) -> list[Job]:
        now = self._house.clock()
        with self._guard:
            busy = Counter(job.lane for job in self._running.values() if job.lane)
        claimed = jobs.claim_jobs(
            self._house.database,
            self._owner,
            now=now,
            lease_until=Instant(now + LEASE_MS),
            limit=limit,
            busy=busy,
            per_lane=self._crew.per_lane,
        )
        with self._guard:
            self._running |= {job.id: job for job in claimed}
        return claimed

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            self._do(job)
            # A hand is free, and perhaps a lane.
            self._bell.ring()
        self._house.database.close()

    def _give_back(self) -> None:
        unbegun: list[Job] = []
        while True:
            try:
                job = self._waiting.get_nowait()
            except queue.Empty:
                break
            if job is not None:
                unbegun.append(job)
        if unbegun:
            try:
                jobs.release_jobs(self._house.database, unbegun, self._owner)
            except DatabaseUnavailable as error:
                _log.warning("jobs were not given back; their leases end", extra={"fields": {"error": str(error)}})

    def _do(self, job: Job) -> None:
        """Run one job and note how it ended."""
        logs.trace(job.correlation_id)
        try:
            self._note(job, self._counted(job))
        except DatabaseUnavailable as error:
            _log.warning("the end of a job was not noted; it runs again", extra={"fields": {"job": job.id, "error": str(error)}})
        except Exception:  # noqa: BLE001 -- a hand that is gone is missed by every job after this one
            _log.exception("the end of a job was not noted; it runs again", extra={"fields": {"job": job.id}})
        finally:
            with self._guard:
                self._running.pop(job.id, None)
            logs.trace("")

    def _counted(self, job: Job) -> _Outcome:
        """Run a job's handler, count it, and return how it ended."""
        began = time.perf_counter_ns()
        outcome = self._attempt(job)
        kind = job.kind if job.kind in self._handlers else "unknown"
        figures.JOBS.add(kind, "retry" if outcome.state == "ready" else outcome.state)
        figures.JOB_SECONDS.observe((time.perf_counter_ns() - began) // 1000, kind)
        return outcome

    def _attempt(self, job: Job) -> _Outcome:
        """Run a job's handler and return how it ended."""
        handler = self._handlers.get(job.kind)
        if handler is None:
            return _Outcome("dead", f"nobody knows the kind {job.kind}")
        if job.attempts > len(BACK_OFF_MS) + 1:
            # Claimed more often than it may be tried: each time its process died with it.
            return _Outcome("dead", "its process died at every attempt")
        try:
            handler(self._house, job)
        except Unrecoverable as error:
            return _Outcome("dead", _told(error))
        except Exception as error:  # noqa: BLE001 -- whatever a handler raises is a failed attempt, told in the log, never the end of the thread
            fields = {"job": job.id, "kind": job.kind, "attempt": job.attempts, "error": _told(error)}
            _log.warning("a job failed", extra={"fields": fields})
            return _failed(job, error)
        return _Outcome("done")

    def _note(self, job: Job, outcome: _Outcome) -> None:
        house, now, error = self._house, self._house.clock(), outcome.error
        if outcome.state == "ready":
            jobs.retry_job(house.database, job, self._owner, error=error, run_at=Instant(now + outcome.pause_ms))
            return
        with house.database.transaction():
            noted = jobs.finish_job(house.database, job, self._owner, state=outcome.state, error=error, now=now)
            if noted and outcome.state == "dead":
                _log.error("a job is dead", extra={"fields": {"job": job.id, "kind": job.kind, "error": error}})
                detail = {"kind": job.kind, "attempts": job.attempts, "error": error}
                context = house.context(WORKER, correlation_id=job.correlation_id)
                context.record(Event(job.node, "job.dead", "job", job.id, outcome="refused", detail=detail))


def _failed(job: Job, error: Exception) -> _Outcome:
    """Return what becomes of a job whose handler failed."""
    if isinstance(error, Postponed):
        return _Outcome("ready", _told(error), error.pause_ms)
    if job.attempts > len(BACK_OFF_MS):
        return _Outcome("dead", _told(error))
    return _Outcome("ready", _told(error), BACK_OFF_MS[job.attempts - 1])


def _told(error: Exception) -> str:
    """Return what the log may hold of an error: the text of our own classes, of others only the class, whose text may hold a secret."""
    match error:
        case Unrecoverable() | Postponed():
            return str(error)
        case Unreachable():
            return error.reason
        case Refusal():
            return f"{error.code} {error.reason}".strip()
        case _:
            return type(error).__name__
