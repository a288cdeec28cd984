"""What a process holds once, whoever uses it: server, command line or worker."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.domain.audit import Actor, ActorKind, Channel
from gateway.domain.ports import HttpFetcher
from gateway.domain.values import Clock, Entropy, new_correlation_id
from gateway.services.context import Context, Urls
from gateway.services.limits import Limits
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.tokens.keyring import KeyRing


@dataclass(frozen=True, slots=True)
class House:
    """The open house: settings, database, keys, and the ways to the outside."""

    settings: Settings
    database: Database
    keyring: KeyRing
    urls: Urls
    fetcher: HttpFetcher
    clock: Clock
    entropy: Entropy
    sequence: Iterator[int] = field(default_factory=itertools.count)
    """Counts the rows of this process's log-like tables (`Context.new_log_id`)."""
    limits: Limits = field(default_factory=Limits)

    def context(self, actor: Actor, *, correlation_id: str = "", address: str = "") -> Context:
        """Return the surroundings of one act, under a new correlation id unless one is given."""
        return Context(
            database=self.database,
            clock=self.clock,
            entropy=self.entropy,
            keyring=self.keyring,
            urls=self.urls,
            actor=actor,
            correlation_id=correlation_id or new_correlation_id(self.entropy),
            address=address,
            sequence=self.sequence,
            limits=self.limits,
        )


OPERATOR = Actor(ActorKind.OPERATOR, "", Channel.COMMAND_LINE)
"""Somebody with a shell on the machine."""

WORKER = Actor(ActorKind.SYSTEM, "worker", Channel.JOB)
"""The gateway itself, doing a job."""
