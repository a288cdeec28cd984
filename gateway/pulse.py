"""The pulse of a process that serves: it tells the others that it is there, and learns how many share the limits."""

import logging
import threading

from gateway import leaving
from gateway.domain.values import SECOND_MS, Instant
from gateway.services.house import House
from gateway.storage import limits
from gateway.storage.database import DatabaseUnavailable

BEAT_SECONDS = 3.0
GONE_MS = 10 * SECOND_MS
"""A process that was not seen for so long is gone."""

_log = logging.getLogger(__name__)


class Pulse:
    """Beats in a thread of its own until the process leaves."""

    def __init__(self, house: House) -> None:
        """Take the house of this process."""
        self._house = house
        self._id = house.entropy(16).hex()

    def start(self) -> None:
        """Beat once, and go on beside."""
        self.beat()
        threading.Thread(target=self._go_on, name="pulse", daemon=True).start()

    def beat(self) -> None:
        """Tell that this process is there, and learn of the others; without a database the last number holds."""
        now = self._house.clock()
        try:
            self._house.limits.processes = limits.see_process(self._house.database, self._id, now=now, since=Instant(now - GONE_MS))
        except DatabaseUnavailable as error:
            _log.warning("the pulse waits for the database", extra={"fields": {"error": str(error)}})

    def stop(self) -> None:
        """Tell that this process goes: its share is the others' from their next beat on."""
        now = self._house.clock()
        try:
            limits.forget_process(self._house.database, self._id, before=Instant(now - 60 * GONE_MS))
        except DatabaseUnavailable:
            _log.info("a process leaves without a word to the database; the others find out")

    def _go_on(self) -> None:
        while not leaving.wait(BEAT_SECONDS):
            self.beat()
        self.stop()
        self._house.database.close()
