"""The provisioning log: writes in their transaction, reads in a buffer that the next request flushes (decisions.md 37)."""

import threading

from gateway.domain.connections import Connection, ProvisioningEntry
from gateway.domain.values import SECOND_MS
from gateway.services import connections
from gateway.services.connections import Request
from gateway.services.context import Context

MOST = 1000
"""Reads that wait at most."""


class ReadLog:
    """Reads that wait to be written. They may be lost; the answer to a read never waits for the disk."""

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = threading.Lock()
        self._waiting: list[Request] = []

    def add(self, request: Request) -> bool:
        """Keep a read; return whether it is time to flush: too many wait, or the first has waited a second."""
        with self._lock:
            self._waiting.append(request)
            return len(self._waiting) >= MOST or request.at - self._waiting[0].at >= SECOND_MS

    def take(self) -> list[Request]:
        """Return what waits, and forget it."""
        with self._lock:
            taken, self._waiting = self._waiting, []
        return taken


def request_of(context: Context, connection: Connection, entry: ProvisioningEntry) -> Request:
    """Return a request for the log, now."""
    return Request(context.new_log_id(), connection, entry, context.now(), context.correlation_id)


def record_read(context: Context, log: ReadLog, request: Request) -> None:
    """Log a read, in time."""
    if log.add(request):
        connections.record_requests(context, log.take())


def record_write(context: Context, log: ReadLog, request: Request) -> None:
    """Log a write in the transaction that is open, and the reads that wait with it."""
    connections.record_requests(context, [*log.take(), request])


def record_refused(context: Context, log: ReadLog, request: Request) -> None:
    """Log a write that was refused, with its audit row, and the reads that wait."""
    with context.database.transaction():
        connections.record_requests(context, log.take())
        connections.record_refused_write(context, request)
