"""Keys that apps publish, fetched when one of them proves itself by a signed assertion."""

import threading
from dataclasses import dataclass

from gateway.domain.ports import HttpFetcher
from gateway.domain.values import HOUR_MS, SECOND_MS, Instant
from gateway.tokens.verification import KeySet, import_key_set

LIFE_MS = HOUR_MS
REFETCH_MS = 30 * SECOND_MS
"""A key that is not known makes us look again, but not more often than this (openid.md 49)."""


@dataclass(frozen=True, slots=True)
class _Fetched:
    keys: KeySet
    at: Instant


class PublishedKeys:
    """Key sets that apps publish, by their URL; safe for threads."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._sets: dict[str, _Fetched] = {}

    def get(self, url: str, fetcher: HttpFetcher, *, now: Instant, stale: bool, private_outbound: bool) -> KeySet:
        """Return the keys at `url`, fetched anew where they are old, or where they are `stale` and were not fetched just now."""
        with self._lock:
            known = self._sets.get(url)
        if known is not None and now - known.at < (REFETCH_MS if stale else LIFE_MS):
            return known.keys
        document = fetcher.get_json(url, private_outbound=private_outbound)
        fetched = _Fetched(import_key_set(document), now)
        with self._lock:
            self._sets[url] = fetched
        return fetched.keys
