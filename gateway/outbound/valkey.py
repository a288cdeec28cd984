"""Counting in Valkey, for all processes at once: the only room with its client.

A request waits at most `BUDGET_SECONDS` for it. Once it did not answer, nobody asks for `PAUSE_SECONDS`; then one request tries again.
Whoever gets no answer counts otherwise, so its end neither opens a limit nor closes the house.
"""

import logging
import threading
import time
from typing import cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

BUDGET_SECONDS = 0.002
"""What an answer may take; one from the same network takes a tenth of it."""
PAUSE_SECONDS = 1.0

_COUNT = """
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  left = tonumber(ARGV[2])
end
return {count, left}
"""
"""Atomic in the server: no two processes read the same count, and no count is left without an end."""

_log = logging.getLogger(__name__)


class Valkey:
    """A SharedCounter (gateway/services/limits.py). Safe for threads; one per process, made after the process was forked."""

    def __init__(self, url: str, *, budget_seconds: float = BUDGET_SECONDS, pause_seconds: float = PAUSE_SECONDS) -> None:
        """Take `valkey://…` or `redis://…`; nothing is connected yet."""
        self._client: Redis = Redis.from_url(
            url.replace("valkey://", "redis://", 1),
            socket_timeout=budget_seconds,
            socket_connect_timeout=budget_seconds,
            retry=Retry(NoBackoff(), 0),
        )
        self._count = self._client.register_script(_COUNT)
        self._pause = pause_seconds
        self._guard = threading.Lock()
        self._asks_again_at = 0.0
        self._away = False

    def count(self, name: str, key: str, window_ms: int, *, by: int = 1) -> tuple[int, int] | None:
        """Add to a count and return it, with the milliseconds until its window ends; None: it does not answer now."""
        if self._away and not self._may_try():
            return None
        try:
            count, left = cast(list[int], self._count(keys=[f"moongate:{name}:{key}"], args=[by, window_ms]))
        except (RedisError, OSError) as error:
            self._note_away(type(error).__name__)
            return None
        if self._away:
            self._note_back()
        return int(count), int(left)

    def _may_try(self) -> bool:
        """Return whether this request is the one that tries again."""
        now = time.monotonic()
        with self._guard:
            if now < self._asks_again_at:
                return False
            self._asks_again_at = now + self._pause
            return True

    def _note_away(self, error: str) -> None:
        with self._guard:
            first, self._away = not self._away, True
            self._asks_again_at = time.monotonic() + self._pause
        if first:
            _log.warning("Valkey does not answer: limits are counted without it until it does", extra={"fields": {"error": error}})

    def _note_back(self) -> None:
        with self._guard:
            first, self._away = self._away, False
        if first:
            _log.info("Valkey answers again")
