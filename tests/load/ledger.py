"""What was sent, how it went, and when something was broken on purpose: the figures and half of the verdicts come from here."""

import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

GRACE_SECONDS = 5.0
"""How long after a fault is over its traces may still be seen."""


@dataclass(frozen=True)
class Failure:
    """A request that got no proper answer."""

    kind: str
    began: float
    ended: float
    what: str


@dataclass
class Window:
    """A fault: from when, until when, and what may fail meanwhile."""

    name: str
    began: float
    ended: float = float("inf")
    harms: tuple[str, ...] = ()
    """Beginnings of the kinds of requests that may fail; empty: none, the fault must not be noticed."""

    def excuses(self, failure: Failure) -> bool:
        """Whether a failure is this fault's."""
        overlaps = failure.began <= self.ended + GRACE_SECONDS and failure.ended >= self.began
        return overlaps and failure.kind.startswith(self.harms or ("nothing",))


@dataclass
class Ledger:
    """Safe for threads."""

    began: float = field(default_factory=time.monotonic)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """How long each request of a kind took."""
    failures: list[Failure] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    """What must never happen, broken or not: a leaver let in, a wrong answer."""
    windows: list[Window] = field(default_factory=list)
    abandoned: int = 0
    """Sign-ons given up because one of their requests failed."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, began: float, *, failed: str = "") -> None:
        """Note a request that ended now."""
        ended = time.monotonic()
        with self._guard:
            self.seconds[kind].append(ended - began)
            if failed:
                self.failures.append(Failure(kind, began, ended, failed))

    def abandon(self) -> None:
        with self._guard:
            self.abandoned += 1

    def surprise(self, what: str) -> None:
        """Note what must never happen."""
        with self._guard:
            self.surprises.append(f"{self.at(time.monotonic()):.1f} s: {what}")

    @contextmanager
    def broken(self, name: str, *harms: str) -> Iterator[Window]:
        """Note a fault that lasts as long as the block."""
        window = Window(name, time.monotonic(), harms=harms)
        self.windows.append(window)
        yield window
        window.ended = time.monotonic()

    def at(self, moment: float) -> float:
        """Seconds since the beginning."""
        return moment - self.began

    def unexcused(self) -> list[str]:
        """Return the failures that no fault explains."""
        found = [failure for failure in self.failures if not any(window.excuses(failure) for window in self.windows)]
        return [f"{self.at(failure.began):.1f} to {self.at(failure.ended):.1f} s: {failure.kind}: {failure.what}" for failure in found]

    def table(self, seconds: float) -> list[str]:
        """Return the lines of a table of all kinds of requests."""
        lines = ["| request | number | per s | p50 ms | p95 ms | p99 ms | failed |", "| --- | --- | --- | --- | --- | --- | --- |"]
        for kind in sorted(self.seconds):
            took = self.seconds[kind]
            p50, p95, p99 = cuts(took)
            failed = sum(failure.kind == kind for failure in self.failures)
            lines.append(f"| {kind} | {len(took):,} | {len(took) / seconds:.1f} | {p50:.0f} | {p95:.0f} | {p99:.0f} | {failed or ''} |")
        return lines

    def faults(self) -> list[str]:
        """Return the lines of a table of the faults."""
        lines = ["| fault | from s | to s | failed requests |", "| --- | --- | --- | --- |"]
        for window in self.windows:
            failed = sum(window.excuses(failure) for failure in self.failures)
            lines.append(f"| {window.name} | {self.at(window.began):.1f} | {self.at(window.ended):.1f} | {failed} |")
        return lines


def cuts(seconds: Sequence[float]) -> tuple[float, float, float]:
    """Return median, 95th and 99th percentile in milliseconds."""
    if len(seconds) < 2:
        only = seconds[0] * 1000 if seconds else 0.0
        return only, only, only
    found = statistics.quantiles(seconds, n=100, method="inclusive")
    return found[49] * 1000, found[94] * 1000, found[98] * 1000
