"""Minutes of the load of a company, while one thing after the other breaks: nothing acknowledged is lost, and nobody who left is let in."""

import itertools
import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from tests.load import verdicts
from tests.load.cluster import Cluster, cluster, new_postgres
from tests.load.directory import Directory, Person
from tests.load.faults import Saboteur
from tests.load.folders import folder_for_anybody
from tests.load.ledger import Ledger, cuts
from tests.load.office import Office
from tests.load.outside import Apps, Organisation, listening_apps, organisation
from tests.load.people import Gate
from tests.load.report import publish
from tests.load.stage import Stage, set_up
from tests.load.wire import Line, Scim

SECONDS = float(os.environ.get("MOONGATE_LOAD_SECONDS", "300"))
APPS = 20
DIRECTORIES, CYCLE_OF_EACH = 2, int(min(2000, 8 * SECONDS))
CHANGES_A_SECOND = 8.0
GATES, PEOPLE_OF_EACH = 4, 60
ACTS_A_SECOND = 2.0
MAILS_A_SECOND = 4.0


@dataclass
class Load:
    """Everybody who wants something of the cluster."""

    cluster: Cluster
    stage: Stage
    organisation: Organisation
    ledger: Ledger
    ended: threading.Event = field(default_factory=threading.Event)
    errors: list[BaseException] = field(default_factory=list)
    """Of the load itself."""
    lines: list[Line] = field(default_factory=list)
    directories: list[Directory] = field(default_factory=list)
    gates: list[Gate] = field(default_factory=list)
    offices: list[Office] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.directories += [self._directory(f"p{at}", CYCLE_OF_EACH, at) for at in range(DIRECTORIES)]
        self.gates += [self._gate(at) for at in range(GATES)]

    @property
    def people(self) -> list[Person]:
        return [
            person for people in (*(each.people for each in self.directories), *(gate.people for gate in self.gates)) for person in people
        ]

    def run(self, saboteur: Saboteur) -> None:
        """Let everybody work while things break, for as long as it was asked for, and until the initial cycle is over."""
        cycles = [self._thread(each.push_everybody) for each in self.directories]
        others = [self._thread(gate.run) for gate in self.gates]
        others.append(self._thread(saboteur.run))
        others += [self._thread(self._changes, each, cycle) for each, cycle in zip(self.directories, cycles, strict=True)]
        self.offices.append(Office(self.cluster.settings_here(), self.gates[0].people, lambda: MAILS_A_SECOND, self.ended))
        others.append(self._thread(self.offices[0].run))
        for thread in cycles:
            thread.join()
        self.ended.wait(max(0.0, self.ledger.began + SECONDS - time.monotonic()))
        self.ended.set()
        for thread in others:
            thread.join()

    def close(self) -> None:
        for line in self.lines:
            line.close()

    def _changes(self, directory: Directory, cycle: threading.Thread) -> None:
        cycle.join()
        directory.push_changes(lambda: CHANGES_A_SECOND)

    def _morning(self) -> float:
        """In the middle third everybody comes to work."""
        done = (time.monotonic() - self.ledger.began) / SECONDS
        return ACTS_A_SECOND * (2.0 if 1 / 3 < done < 2 / 3 else 1.0)

    def _thread(self, work: Callable[..., None], *given: object) -> threading.Thread:
        def guarded() -> None:
            try:
                work(*given)
            except BaseException as error:  # noqa: BLE001 -- a client that is gone makes the run worth nothing: it is told at the end
                self.errors.append(error)
                self.ended.set()

        thread = threading.Thread(target=guarded)
        thread.start()
        return thread

    def _line(self) -> Line:
        self.lines.append(Line(self.ledger, self.cluster.port))
        return self.lines[-1]

    def scim(self) -> Scim:
        return Scim(self._line(), self.stage.scim_base, self.stage.scim_token)

    def _directory(self, name: str, count: int, seed: int) -> Directory:
        return Directory(self.ledger, self.scim(), name, count, self.ended, random.Random(seed))

    def _gate(self, number: int) -> Gate:
        seed = 100 + number
        arrivals = self._directory(f"g{number}", PEOPLE_OF_EACH, seed)
        arrivals.push_everybody()
        new = (self._line(), self.scim(), self.organisation, self.stage.apps, arrivals.people)
        return Gate(self.ledger, *new, self._morning, self.ended, random.Random(seed))


@pytest.mark.load
@pytest.mark.timeout(SECONDS + 600)
def test_the_load_of_a_company_while_everything_breaks_once(capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger()
    with (
        folder_for_anybody() as folder,
        organisation() as provider,
        listening_apps(APPS) as apps,
        cluster(folder, new_postgres(), workers=2, proxy=True) as running,
    ):
        stage = set_up(running.settings_here(), provider=provider.issuer, logout_uris=apps.uris)
        with closing(Load(running, stage, provider, ledger)) as load:
            ledger.began = time.monotonic()
            load.run(Saboteur(running, provider, ledger, SECONDS, load.ended))
            seconds = time.monotonic() - ledger.began
            assert not load.errors, load.errors
            found = verdicts_of(load, apps)
        with capsys.disabled():
            publish("load", [*figures(load, apps, seconds), *found[:50]])
    assert not found, found[:50]


def verdicts_of(load: Load, apps: Apps) -> list[str]:
    """Return whatever is not as it has to be."""
    found = verdicts.settle(load.cluster, apps, load.gates)
    found += verdicts.lost_people(load.scim(), load.people)
    found += verdicts.lost_mails(load.cluster, load.offices)
    found += verdicts.audit_faults(load.cluster)
    return [*load.ledger.surprises, *load.ledger.unexcused(), *found]


def figures(load: Load, apps: Apps, seconds: float) -> list[str]:
    """Return the report."""
    people, ledger = load.people, load.ledger
    delays = [delay for gate in load.gates for delay in heard_after(gate, apps)]
    mails = sum(len(office.acknowledged) for office in load.offices)
    return [
        f"# {seconds:.0f} seconds of load: two gateways behind nginx, two workers, PostgreSQL, Valkey",
        "",
        *ledger.table(seconds),
        "",
        *ledger.faults(),
        "",
        f"Acknowledged and compared: {len(people):,} people, {sum(len(each.groups) for each in people):,} memberships, {mails:,} mails.",
        f"Unconfirmed mails: {verdicts.unconfirmed_mails(load.cluster)}. Visits given up at a fault: {ledger.abandoned}.",
        f"Apps heard {len(delays):,} times that somebody is out, faults of workers included, after p50 {cuts(delays)[0]:.0f} ms,",
        f"p99 {cuts(delays)[2]:.0f} ms, at most {max(delays, default=0) * 1000:.0f} ms from the acknowledgement.",
        "",
    ]


def heard_after(gate: Gate, apps: Apps) -> list[float]:
    """How long after each acknowledgement each app heard of it."""
    heard: dict[tuple[str, str], list[float]] = {}
    for told in apps.told:
        heard.setdefault((told.subject, told.client_id), []).append(told.at)
    # The answer is on its way while apps are told already.
    delays = itertools.chain.from_iterable(
        [min((at - out for at in heard.get((account, client_id), ()) if at > out - 5), default=0.0)]
        for account, client_id, out in gate.left
    )
    return [max(0.0, delay) for delay in delays]
