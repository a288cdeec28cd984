"""What every use case works with: where it writes, what time it is, who acts, and under which id it is traced."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from gateway import logs
from gateway.domain.audit import Actor, Event
from gateway.domain.values import Clock, Entropy, Instant, NodeId, new_id, new_log_id
from gateway.services.limits import Limits
from gateway.storage import audit, jobs
from gateway.storage.database import Database
from gateway.tokens.keyring import KeyRing


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the outside finds us."""

    public_url: str
    """Without a slash at its end."""
    tenant_url: str
    """Pattern with `{slug}` for issuers of new nodes."""

    def issuer_for(self, slug: str) -> str:
        """Return the issuer a new node gets (decisions.md 3)."""
        return self.tenant_url.replace("{slug}", slug)


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of one act."""

    database: Database
    clock: Clock
    entropy: Entropy
    keyring: KeyRing
    urls: Urls
    actor: Actor
    correlation_id: str
    address: str = ""
    """The caller's address, as far as trusted proxies tell it."""
    sequence: Iterator[int] = field(default_factory=itertools.count)
    """Counts the rows of the process, so that those of one millisecond keep their order."""
    limits: Limits = field(default_factory=Limits)
    """What nobody may do more often than so."""

    def now(self) -> Instant:
        """Return the time."""
        return self.clock()

    def new_id(self) -> str:
        """Return a new random id."""
        return new_id(self.entropy)

    def new_log_id(self) -> str:
        """Return a new id that sorts by time."""
        return new_log_id(self.clock(), self.entropy, next(self.sequence))

    def acting_as(self, actor: Actor) -> "Context":
        """Return the same surroundings with another actor."""
        # Written out: every request does this, and `replace` takes as long as a small query.
        return Context(
            self.database,
            self.clock,
            self.entropy,
            self.keyring,
            self.urls,
            actor,
            self.correlation_id,
            self.address,
            self.sequence,
            self.limits,
        )

    def traced_as(self, correlation_id: str) -> "Context":
        """Return the same surroundings under another correlation id: that of the sign-in it goes on with."""
        logs.trace(correlation_id)
        return replace(self, correlation_id=correlation_id)

    def record(self, event: Event) -> None:
        """Write an event's audit row in the transaction that is open; it fails or holds with the act (R-214)."""
        self._record(event, self.new_log_id())

    def _record(self, event: Event, row_id: str) -> None:
        audit.insert_audit(
            self.database,
            row_id,
            event,
            self.actor,
            at=self.clock(),
            correlation_id=self.correlation_id,
            address=self.address,
            salt=self.entropy(16).hex(),
        )

    def publish(self, event: Event) -> None:
        """Record an event and put it, under the same id, into the outbox for those outside who follow the changes."""
        row_id = self.new_log_id()
        self._record(event, row_id)
        audit.insert_outbox(self.database, row_id, event, at=self.clock())

    def enqueue(self, kind: str, node_id: NodeId, payload: dict[str, object], *, dedupe: str | None = None, lane: str = "") -> None:
        """Queue a job in the transaction that is open; jobs of one lane run few at a time (`storage.jobs.insert_job`)."""
        jobs.insert_job(
            self.database,
            self.new_log_id(),
            kind,
            node_id,
            payload,
            dedupe=dedupe,
            now=self.clock(),
            lane=lane,
            correlation_id=self.correlation_id,
        )
