"""Families of figures: counters, histograms, and the latest of something. A series is one choice of a family's labels."""

from bisect import bisect_left
from enum import StrEnum

from gateway.metrics.ledger import LEDGER

MOST_SERIES = 4096
"""Of one family. What comes after is not told apart, however it came to be: a figure must never grow without bounds."""


class Kind(StrEnum):
    """How the numbers of several processes become one."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    LATEST = "latest"


FAMILIES: dict[str, "Family"] = {}
"""All there are, by their names."""


class Family:
    """What all families have."""

    kind = Kind.COUNTER
    places = 1
    """How many numbers a series has."""

    def __init__(self, name: str, text: str, *labels: str, most: int = MOST_SERIES) -> None:
        """Take the name without `_total`, one sentence, and the names of the labels."""
        self.name = name
        self.text = text
        self.labels = labels
        self._most = most
        self._known: dict[tuple[str, ...], int] = {}
        self._generation = LEDGER.generation
        FAMILIES[name] = self

    def _place(self, labels: tuple[str, ...]) -> int:
        """Return where a series begins, reserving it the first time; under the lock."""
        if self._generation != LEDGER.generation:
            self._known.clear()
            self._generation = LEDGER.generation
        at = self._known.get(labels)
        if at is None:
            at = 0
            if len(self._known) < self._most:
                at = self._known[labels] = LEDGER.reserve(self.name, labels, self.places)
        return at


class Counter(Family):
    """How often something happened."""

    def add(self, *labels: str, amount: int = 1) -> None:
        """Count it."""
        with LEDGER.lock:
            LEDGER.numbers[self._place(labels)] += amount


class Histogram(Family):
    """How long something took, in microseconds within; told in seconds."""

    kind = Kind.HISTOGRAM

    def __init__(self, name: str, text: str, *labels: str, bounds: tuple[int, ...]) -> None:
        """Take the upper bounds of the buckets in microseconds; the last bucket has none."""
        super().__init__(name, text, *labels)
        self.bounds = bounds
        self.places = len(bounds) + 2

    def observe(self, microseconds: int, *labels: str) -> None:
        """Count something by how long it took."""
        bucket = bisect_left(self.bounds, microseconds)
        with LEDGER.lock:
            at, numbers = self._place(labels), LEDGER.numbers
            numbers[at + bucket] += 1
            numbers[at + self.places - 1] += microseconds


class Latest(Family):
    """When something happened last, in milliseconds within; told in seconds since the epoch. Of several processes the latest counts."""

    kind = Kind.LATEST

    def note(self, at: int, *labels: str) -> None:
        """Note a time."""
        with LEDGER.lock:
            place = self._place(labels)
            LEDGER.numbers[place] = max(LEDGER.numbers[place], at)
