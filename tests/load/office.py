"""Administrators at a machine of the cluster, whose acts send mails: each event is told once, however often it is tried."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.domain.mails import MailKind
from gateway.domain.values import AccountId
from gateway.services import mail
from gateway.services.house import OPERATOR
from gateway.settings import Settings
from gateway.storage import people
from gateway.storage.database import DatabaseUnavailable
from gateway.wiring import open_house
from tests.load.directory import Person


@dataclass
class Office:
    """One administrator."""

    settings: Settings
    people: Sequence[Person]
    rate: Callable[[], float]
    ended: threading.Event
    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    """Account and event of each mail that was queued for certain."""

    def run(self) -> None:
        """Send mails until the end."""
        house = open_house(self.settings)
        context = house.context(OPERATOR)
        number = 0
        while not self.ended.is_set():
            begun = time.monotonic()
            person = self.people[number % len(self.people)]
            try:
                with context.database.transaction():
                    account = people.find_account(context.database, AccountId(person.id))
                    assert account is not None
                    mail.queue(context, account, MailKind.FACTOR_ENROLLED, event=f"event {number}", told={"at": context.now()})
            except DatabaseUnavailable:
                # Perhaps it was queued: the same event is tried again.
                self.ended.wait(0.2)
                continue
            self.acknowledged.add((person.id, f"event {number}"))
            number += 1
            self.ended.wait(max(0.0, begun + 1 / self.rate() - time.monotonic()))
        house.database.close()
