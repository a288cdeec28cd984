"""What identity providers publish, kept for an hour: metadata and keys, fetched for each provider by one caller at a time.

Whoever waits while another fetches gets what that one got, a failure too, and so does whoever comes in the seconds after a failure: a
provider that hangs costs everybody one time limit, and not one each.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from gateway import turns
from gateway.domain.errors import Refusal
from gateway.domain.identity import IdentityProvider
from gateway.domain.nodes import Node
from gateway.domain.ports import HttpFetcher
from gateway.domain.provider_metadata import ProviderMetadata
from gateway.domain.values import HOUR_MS, SECOND_MS, Clock, Instant, ProviderId
from gateway.services.identity_providers import fetch_keys, fetch_metadata
from gateway.tokens.claims import STALE_KEY_CHECKS, TokenRejected
from gateway.tokens.verification import KeySet

LIFE_MS = HOUR_MS
REFETCH_MS = 30 * SECOND_MS
"""How often at most a token with an unknown key makes us fetch a provider's keys: whoever sends tokens must not make us a flood."""
REST_MS = 5 * SECOND_MS
"""How long a provider that failed is not asked again: each who came would wait for its time limit, and hold one of our threads."""
MAX_PROVIDERS = 4096
"""How many are kept; with more, the one unused for longest goes."""

T = TypeVar("T")


@dataclass(slots=True)
class _Shelf:
    """What is kept of one provider."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    metadata: ProviderMetadata | None = None
    metadata_until: int = 0
    keys: KeySet | None = None
    keys_until: int = 0
    key_fetches: int = 0
    failure: Refusal | None = None
    """How the last fetch failed; None if it did not."""
    failed_at: Instant = Instant(0)  # noqa: RUF009 -- a NewType's call makes nothing
    renewed_at: Instant | None = None
    """When keys were last found wanting and fetched for that."""

    def fetch(self, clock: Clock, call: Callable[[], T]) -> T:
        """Return what `call` fetches, or fail like the last fetch while that failure is fresh, as it is for whoever waited."""
        if self.failure is not None and clock() < self.failed_at + REST_MS:
            raise Refusal(self.failure.code, data=self.failure.data, reason=self.failure.reason)
        try:
            fetched = call()
        except Refusal as failure:
            # Counted from its end: the time that a provider hangs is not the time it had to recover.
            self.failure, self.failed_at = failure, clock()
            raise
        self.failure = None
        return fetched


class Published:
    """Metadata and keys of providers, as this process knows them. Safe for threads."""

    def __init__(self, fetcher: HttpFetcher, clock: Clock) -> None:
        """Take the way to the outside and the clock."""
        self._fetcher = fetcher
        self._clock = clock
        self._shelves: OrderedDict[ProviderId, _Shelf] = OrderedDict()
        self._lock = threading.Lock()

    def get_metadata(self, node: Node, provider: IdentityProvider) -> ProviderMetadata:
        """Return the provider's metadata; refuses with `E_Idp_Unreachable` or `E_Idp_Config`. `node` is the provider's."""
        shelf = self._shelf(provider)
        with turns.aside(), shelf.lock:
            if shelf.metadata is None or shelf.metadata_until <= self._clock():
                shelf.metadata = shelf.fetch(self._clock, lambda: fetch_metadata(self._fetcher, node, provider.issuer))
                shelf.metadata_until = self._soon()
            return shelf.metadata

    def check_with_keys(self, node: Node, provider: IdentityProvider, check: Callable[[KeySet], T]) -> T:
        """Return what `check` makes of a token with the provider's keys, once more with fresh ones where it may lack the newest.

        Raises TokenRejected as `check` does; refuses as `get_metadata` does.
        """
        metadata = self.get_metadata(node, provider)
        shelf = self._shelf(provider)
        known = shelf.key_fetches
        with turns.aside(), shelf.lock:
            if shelf.keys is None or shelf.keys_until <= self._clock():
                self._fetch_keys(shelf, node, metadata)
            keys = shelf.keys
        if keys is None:
            message = "keys are kept once they were fetched"
            raise AssertionError(message)
        try:
            return check(keys)
        except TokenRejected as rejection:
            newer = self._newer_keys(shelf, known, keys, node, metadata) if rejection.check in STALE_KEY_CHECKS else None
            if newer is None:
                raise
            return check(newer)

    def _newer_keys(self, shelf: _Shelf, known: int, keys: KeySet, node: Node, metadata: ProviderMetadata) -> KeySet | None:
        """Return keys that are newer than `keys`, or None where there are none, or none may be fetched yet."""
        now = self._clock()
        with turns.aside(), shelf.lock:
            if shelf.keys is not keys:
                return shelf.keys
            recently = shelf.renewed_at is not None and now < shelf.renewed_at + REFETCH_MS
            if recently:
                return None
            shelf.renewed_at = now
            if shelf.key_fetches != known:
                # They were fetched after the token came: no newer ones can exist that it was signed with.
                return None
            self._fetch_keys(shelf, node, metadata)
            return shelf.keys

    def _fetch_keys(self, shelf: _Shelf, node: Node, metadata: ProviderMetadata) -> None:
        shelf.keys = shelf.fetch(self._clock, lambda: fetch_keys(self._fetcher, node, metadata))
        shelf.keys_until = self._soon()
        shelf.key_fetches += 1

    def _soon(self) -> Instant:
        return Instant(self._clock() + LIFE_MS)

    def _shelf(self, provider: IdentityProvider) -> _Shelf:
        with self._lock:
            shelf = self._shelves.setdefault(provider.id, _Shelf())
            self._shelves.move_to_end(provider.id)
            if len(self._shelves) > MAX_PROVIDERS:
                self._shelves.popitem(last=False)
            return shelf
