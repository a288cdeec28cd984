"""The process that holds the port: it starts the processes that serve, replaces those that end, and lets them go in order.

SIGTERM and SIGINT end the server; SIGHUP renews it, with the code and the settings as they are now. It serves nothing itself and has one
thread, so that it may fork at any time.

To renew, a trial of the same command first shows whether it would start at all. Then this process becomes the new program (`exec`): its
number, the port and the children stay. The new program starts processes of its own and, when all of them are ready, lets the old ones go.
"""

import gc
import importlib
import logging
import multiprocessing
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from gateway import leaving
from gateway.listening import turn_newcomers_away
from gateway.serving import Plan, serve

_log = logging.getLogger(__name__)

TRIAL = "--trial"
"""Option of the command that makes it end with status 0 where it would have served."""
HANDED = "--handed"
"""Option of the command that tells what the program before this one hands over."""

_SECONDS_TO_END = 20
"""How long a process that was told to leave may go on with what it runs."""
_SETTLED_SECONDS = 5.0
"""A process that ended sooner than this is not replaced at once."""
_PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Before the next process, after so many that ended too soon."""
_ORDERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass(frozen=True, slots=True)
class Handed:
    """What one program hands to the next."""

    listener: int
    lifeline: tuple[int, int]
    children: tuple[int, ...]

    @classmethod
    def from_text(cls, text: str) -> "Handed":
        """Return what `text` tells. Raises ValueError."""
        listener, reading, writing, *children = map(int, text.split(","))
        return cls(listener, (reading, writing), tuple(children))

    def __str__(self) -> str:
        """Return the text, for a command line."""
        return ",".join(map(str, (self.listener, *self.lifeline, *self.children)))


@dataclass(slots=True)
class _Child:
    """A process that serves, or will."""

    pid: int
    born: float
    news: int
    """Becomes readable when the process is ready, and when it ends."""
    ready: bool = False
    gone: bool = False
    """It ended before it was ready, and is not buried yet."""


class Supervisor:
    """See the module's first lines."""

    def __init__(self, plan: Plan, listener: socket.socket, handed: Handed | None = None) -> None:
        """Take the open port, and what the program before this one left."""
        self._plan = plan
        self._listener = listener
        # Closed by the kernel when this process ends, however it ends: whoever holds the other end then ends too.
        self._lifeline = handed.lifeline if handed else os.pipe()
        self._serving: list[_Child] = []
        self._old = list(handed.children) if handed else []
        """Serve until those of this program are ready."""
        self._leaving: dict[int, float] = {}
        """Until when each process that was told to leave may take for it."""
        self._trial: subprocess.Popen[bytes] | None = None
        self._too_soon = 0
        self._next_start = 0.0
        self._was_ready = False
        self._orders = os.pipe()

    def run(self) -> int:
        """Serve until told to end, and return the exit status."""
        for inherited in (self._listener.fileno(), *self._lifeline):
            os.set_inheritable(inherited, False)
        # Loaded before the first fork: all processes then share it, as long as none touches it to look for garbage there.
        gc.disable()
        importlib.import_module(self._plan.module)
        gc.freeze()
        self._take_orders()
        while True:
            self._fill()
            orders, ended = self._wait(), self._bury()
            if orders & {signal.SIGTERM, signal.SIGINT}:
                return self._end({pid for pid, _ in ended}, at_once=signal.SIGINT in orders)
            for pid, status in ended:
                self._note_end(pid, status)
            if not self._was_ready and self._too_soon >= len(_PAUSES) and not self._old:
                _log.error("the server does not start: its processes end before they are ready")
                return 1
            if signal.SIGHUP in orders and self._trial is None:
                self._try()
            self._let_go()
            self._kill_overdue()

    def _take_orders(self) -> None:
        for end in self._orders:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._orders[1], warn_on_full_buffer=False)
        for number in _ORDERS:
            signal.signal(number, lambda _number, _frame: None)

    def _wait(self) -> set[int]:
        """Wait for a signal, for news of a process, or until something is due; return the signals that came."""
        news = {child.news: child for child in self._serving if not child.ready and not child.gone}
        due = [*self._leaving.values(), *([self._next_start] if len(self._serving) < self._plan.workers else [])]
        patience = max(0.0, min(due) - time.monotonic()) if due else None
        readable, _, _ = select.select([self._orders[0], *news], [], [], patience)
        for end in readable:
            if end in news:
                news[end].ready = os.read(end, 1) != b""
                news[end].gone = not news[end].ready
        with suppress(BlockingIOError):
            return set(os.read(self._orders[0], 1024))
        return set()

    def _fill(self) -> None:
        while len(self._serving) < self._plan.workers and time.monotonic() >= self._next_start:
            self._serving.append(self._start())
            if self._too_soon:
                self._next_start = time.monotonic() + _PAUSES[min(self._too_soon, len(_PAUSES) - 1)]

    def _start(self) -> _Child:
        news, told = os.pipe()
        child = multiprocessing.get_context("fork").Process(target=self._become, args=(told,), name="server")
        child.start()
        os.close(told)
        return _Child(child.pid or 0, time.monotonic(), news)

    def _become(self, told: int) -> None:
        """Serve, in a process of its own."""
        signal.set_wakeup_fd(-1)
        for number in _ORDERS:
            signal.signal(number, signal.SIG_DFL)
        # A hang-up is for the process that holds the port.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for end in (*self._orders, self._lifeline[1], *(child.news for child in self._serving)):
            os.close(end)
        serve(self._plan, self._listener, lifeline=self._lifeline[0], told=told)

    def _bury(self) -> list[tuple[int, int]]:
        """Return number and exit status of each process that ended."""
        ended = []
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                ended.append((found[0], os.waitstatus_to_exitcode(found[1])))
        return ended

    def _note_end(self, pid: int, status: int) -> None:
        if self._trial is not None and pid == self._trial.pid:
            # Buried here already.
            self._trial.returncode, self._trial = status, None
            if status == 0:
                self._renew()
            else:
                _log.error("the server goes on as it is: with the code and the settings of now it would not start")
            return
        if self._leaving.pop(pid, None) is not None:
            return
        if pid in self._old:
            self._old.remove(pid)
            return
        child = next((child for child in self._serving if child.pid == pid), None)
        if child is not None:
            self._serving.remove(child)
            os.close(child.news)
            soon = time.monotonic() - child.born < _SETTLED_SECONDS
            self._too_soon = self._too_soon + 1 if soon else 0
            self._next_start = time.monotonic() + (_PAUSES[min(self._too_soon - 1, len(_PAUSES) - 1)] if soon else 0)
            _log.error("a process of the server ended and is replaced", extra={"fields": {"pid": pid, "status": status}})

    def _let_go(self) -> None:
        """Tell old processes to leave once all new ones are ready."""
        if len(self._serving) == self._plan.workers and all(child.ready for child in self._serving):
            if not self._was_ready:
                _log.info("ready", extra={"fields": {"processes": [child.pid for child in self._serving]}})
            self._was_ready = True
            self._tell(self._old, leaving.SUCCEEDED)
            self._old = []

    def _kill_overdue(self) -> None:
        """Kill who takes too long to leave."""
        now = time.monotonic()
        for pid in [pid for pid, until in self._leaving.items() if until <= now]:
            _log.warning("a process did not end in time and is killed", extra={"fields": {"pid": pid}})
            self._leaving[pid] = now + 1
            _send(pid, signal.SIGKILL)

    def _tell(self, pids: Iterable[int], number: signal.Signals) -> None:
        until = time.monotonic() + leaving.PATIENCE_SECONDS + _SECONDS_TO_END
        for pid in pids:
            self._leaving[pid] = until
            _send(pid, number)

    def _end(self, ended: set[int], *, at_once: bool) -> int:
        """End all processes but those that `ended`, in order, and return the exit status.

        Where somebody at a terminal waits, idle connections are not waited for.
        """
        turn_newcomers_away(self._listener)
        self._listener.close()
        ready = {*self._old, *(child.pid for child in self._serving if child.ready)} - ended
        unready = {child.pid for child in self._serving if not child.ready} | ({self._trial.pid} if self._trial else set())
        self._serving, self._old = [], []
        self._tell(ready, signal.SIGTERM if at_once else leaving.CLOSED)
        self._tell(unready - ended, signal.SIGTERM)
        self._forget(ended)
        while self._leaving:
            self._wait()
            self._forget({pid for pid, _ in self._bury()})
            self._kill_overdue()
        return 0

    def _forget(self, ended: set[int]) -> None:
        self._leaving = {pid: until for pid, until in self._leaving.items() if pid not in ended}

    def _try(self) -> None:
        """Begin the trial of a new program."""
        _log.info("the server is to be renewed")
        self._trial = subprocess.Popen([*_command(), TRIAL])  # noqa: S603 -- our own command line, once more

    def _renew(self) -> None:
        """Become the new program."""
        # Whatever the next program inherits by number stays open over the change.
        children = (*self._old, *self._leaving, *(child.pid for child in self._serving))
        handed = Handed(self._listener.fileno(), self._lifeline, children)
        for inherited in (handed.listener, *handed.lifeline):
            os.set_inheritable(inherited, True)
        signal.set_wakeup_fd(-1)
        try:
            os.execv(sys.executable, [*_command(), f"{HANDED}={handed}"])  # noqa: S606 -- our own command line, once more
        except OSError as error:
            _log.error("the server goes on as it is", extra={"fields": {"error": error.strerror}})
            self._take_orders()


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _command() -> list[str]:
    """Return the command line of this process, without what another program handed over."""
    return [sys.executable, *(word for word in sys.orig_argv[1:] if not word.startswith(f"{HANDED}="))]
