"""Requests compute one after another, and wait side by side.

Threads of one process share the interpreter, which only one of them can use at a time. SQLite gives it away at each of its many short
calls, and with several busy threads another one takes it every time: the processor then changes between threads more than it works. So a
request takes its turn before it computes, and steps aside while it waits: for the disk, for a body, for a password's hash, for another
server. Whoever takes a lock that others hold while they wait has to step aside before, or all would stand.

Threads of which one computes at a time lose nothing by sharing a processor, and find their caches warm there. So a server's process keeps
the threads of its requests on one (`gateway.processor`); only what computes aside, a password's hash, goes wherever there is room.

A turn that does not come in time is not waited for any longer: the request goes on without one. Turns are about speed, never about safety.
"""

import threading
from types import TracebackType

from gateway import processor

PATIENCE_SECONDS = 0.25
"""How long a turn is waited for."""

_lock = threading.Lock()


class _Thread(threading.local):
    has_turn = False


_thread = _Thread()


class _Turn:
    """Holds the turn of this thread for a block."""

    __slots__ = ("_taken",)

    def __enter__(self) -> None:
        processor.sit_down()
        # Inside another one, as when the house asks itself, it is that one's.
        self._taken = not _thread.has_turn and _lock.acquire(timeout=PATIENCE_SECONDS)
        if self._taken:
            _thread.has_turn = True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # It may have been lost inside, where it did not come back in time.
        if self._taken and _thread.has_turn:
            _thread.has_turn = False
            _lock.release()


class _Aside:
    """Lets others have the turn for a block, and takes it again."""

    __slots__ = ("_computes", "_given")

    def __init__(self, *, computes: bool) -> None:
        self._computes = computes

    def __enter__(self) -> None:
        self._given = _thread.has_turn
        if self._given:
            _thread.has_turn = False
            _lock.release()
            if self._computes:
                processor.get_up()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._given:
            processor.sit_down()
            _thread.has_turn = _lock.acquire(timeout=PATIENCE_SECONDS)


def taken() -> _Turn:
    """Return the context in which this thread has its turn."""
    return _Turn()


def aside(*, computes: bool = False) -> _Aside:
    """Return the context in which this thread waits for something; without a turn it changes nothing.

    With `computes` it does not wait but computes without the interpreter, on whatever processor has room.
    """
    return _Aside(computes=computes)
