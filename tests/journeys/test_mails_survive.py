"""Each person gets exactly one mail, although the workers that send them are killed again and again."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.domain.document import PersonFields
from gateway.domain.mails import MailKind, MailState
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import Account
from gateway.services import mail, nodes, people
from gateway.services.context import Context
from gateway.services.house import OPERATOR, House
from gateway.services.nodes import NewNode
from gateway.services.people import NewPerson
from gateway.storage import mails
from gateway.wiring import open_house
from tests.conftest import settings_for
from tests.journeys.processes import end, mailbox

pytestmark = pytest.mark.journey

PATIENCE = 200
"""Seconds after which mails that have not all gone never will. What a killed worker was at rests for 30 seconds."""


@dataclass
class Post:
    """A mail server, and workers that are killed."""

    house: House
    smtp_url: str
    received: Path
    workers: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def start_worker(self) -> None:
        """Start a worker as anybody does."""
        settings = self.house.settings
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MOONGATE_")} | {
            "MOONGATE_HOME": str(settings.home),
            "MOONGATE_DATABASE_URL": settings.database_url,
            "MOONGATE_SECRET_KEYS": ",".join(settings.secret_keys),
            "MOONGATE_SMTP_URL": self.smtp_url,
        }
        with (settings.home / "workers.log").open("ab") as log:
            self.workers.append(
                subprocess.Popen(
                    [sys.executable, "-m", "gateway", "worker"], env=environment, stdout=log, stderr=log, start_new_session=True
                )
            )

    def kill_worker(self) -> None:
        """Kill the worker that has lived longest, in whatever it does, and start another one."""
        oldest = self.workers.pop(0)
        oldest.send_signal(signal.SIGKILL)
        oldest.wait()
        self.start_worker()

    def addresses(self) -> list[str]:
        """Return to whom the mails went that arrived."""
        return [line.split(" ")[0] for line in self.received.read_text().splitlines()] if self.received.exists() else []

    def wait_for_mails(self, number: int) -> None:
        self._wait(lambda: len(self.addresses()) >= number)

    def wait_until_settled(self) -> None:
        """Wait until no mail is on its way any more."""
        self._wait(lambda: not {MailState.QUEUED, MailState.HANDED_OVER} & mails.count_mails(self.house.database).keys())

    def _wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, (mails.count_mails(self.house.database), self.house.settings.home / "workers.log")
            time.sleep(0.05)


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    house = open_house(settings_for(tmp_path))
    with mailbox(tmp_path / "received") as url:
        made = Post(house, url, tmp_path / "received")
        yield made
        for worker in made.workers:
            end(worker)
    house.database.close()


def queue_mails(context: Context, number: int) -> dict[str, Account]:
    """Make so many people and queue a mail to each; return them by address."""
    with context.database.transaction():
        platform = nodes.create_platform(context, "Platform")
        acme = nodes.create_node(context, platform.id, NewNode("acme", "Acme Ltd", NodeKind.CUSTOMER))
        accounts = [_person(context, acme, at) for at in range(number)]
    with context.database.transaction():
        for account in accounts:
            mail.queue(context, account, MailKind.FACTOR_ENROLLED, event="factor", told={"at": context.now()})
    return {account.email: account for account in accounts}


def _person(context: Context, node: Node, at: int) -> Account:
    fields = PersonFields(user_name=f"person{at}", given_name="Given", family_name="Family", email=f"person{at}@mail.example")
    return people.create_person(context, node, NewPerson(fields))


def send_all(post: Post, number: int, kills: int) -> None:
    """Let three workers send mails, kill one of them every now and then, and see that each person got exactly one."""
    context = post.house.context(OPERATOR)
    accounts = queue_mails(context, number)
    for _ in range(3):
        post.start_worker()
    for kill in range(1, kills + 1):
        post.wait_for_mails(kill * number // (kills + 1))
        post.kill_worker()
    post.wait_until_settled()
    counted = Counter(post.addresses())
    assert not {address: times for address, times in counted.items() if times > 1}, "somebody got two"
    # The narrow moment: whoever was killed in it left a mail that may not have gone, and the log says so; a person decides.
    states = {account.email: mail.list_of_person(context, account)[0] for account in accounts.values()}
    missing = accounts.keys() - counted.keys()
    assert {states[address].state for address in missing} <= {MailState.UNCONFIRMED}
    for address in missing:
        mail.send_again(context, accounts[address], states[address].id)
    post.wait_until_settled()
    assert Counter(post.addresses()) == dict.fromkeys(accounts, 1)
    assert mails.count_mails(post.house.database).get(MailState.UNCONFIRMED, 0) <= 2 * kills


def test_each_of_200_people_gets_one_mail_although_2_workers_are_killed(post: Post) -> None:
    send_all(post, 200, 2)


@pytest.mark.verify
@pytest.mark.timeout(600)
def test_each_of_2000_people_gets_one_mail_although_12_workers_are_killed(post: Post) -> None:
    send_all(post, 2000, 12)
