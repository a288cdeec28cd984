"""What wakes those who wait for something to be done."""

import threading


class Bell:
    """Wakes whoever waits in this process, once for all rings since it last looked: a ring before the wait is not lost."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rung = False

    def ring(self) -> None:
        """Wake the waiter now, or let its next wait end at once."""
        with self._changed:
            self._rung = True
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait for a ring, at most so long; return whether there was one."""
        with self._changed:
            rung = self._changed.wait_for(lambda: self._rung, seconds)
            self._rung = False
            return rung
