"""What stands in the database and waits to be done, for whoever watches over the house."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.domain.values import SECOND_MS
from gateway.services.house import House
from gateway.storage import condition
from gateway.storage.database import DatabaseUnavailable


@dataclass(frozen=True, slots=True)
class Stock:
    """What there is of everything that should become less."""

    answer_seconds: float
    """How long the database took for a small question."""
    jobs: Mapping[tuple[str, str], int]
    """By kind and state: `ready`, `running`, `dead`."""
    oldest_seconds: Mapping[str, float]
    """By kind: for how long the oldest job has been due; 0 where none is."""
    mails: Mapping[str, int]
    """By state; those that are sent are not among them."""


def take(house: House) -> Stock | None:
    """Return what there is, or None while the database does not answer."""
    try:
        began = time.perf_counter()
        condition.read_clock(house.database)
        answered = time.perf_counter() - began
        waiting = condition.list_waiting(house.database)
        counted = condition.count_unsent_mails(house.database)
    except DatabaseUnavailable:
        return None
    now = house.clock()
    return Stock(
        answer_seconds=answered,
        jobs={(item.kind, item.state): item.count for item in waiting},
        oldest_seconds={item.kind: max(0, now - item.since) / SECOND_MS for item in waiting if item.state == "ready"},
        mails=counted,
    )
