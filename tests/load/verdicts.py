"""After the load: is everything there that was acknowledged, did nothing happen twice, is nothing left undone?"""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from gateway.domain.mails import MailState
from gateway.services.house import House
from gateway.storage import sealing
from gateway.wiring import open_as_it_is
from tests.load.cluster import Cluster
from tests.load.directory import Person
from tests.load.office import Office
from tests.load.outside import Apps
from tests.load.people import Gate
from tests.load.wire import Scim

_PATIENCE_SECONDS = 120
"""A killed worker's jobs rest for their lease of 30 seconds, and one that then fails is tried again later."""
_BETWEEN_SECONDS = 0.003
_OPEN_JOBS = "SELECT kind, state, COUNT(*) FROM job WHERE state <> 'done' GROUP BY kind, state"


def settle(cluster: Cluster, apps: Apps, gates: Iterable[Gate]) -> list[str]:
    """Wait until nothing is left to do; return what is, if patience is over."""
    house = open_as_it_is(cluster.settings_here())
    owed = {(account, client_id) for gate in gates for account, client_id, _ in gate.left}
    try:
        _wait(lambda: not house.database.script(_OPEN_JOBS))
        jobs = [f"a job is left: {row}" for row in house.database.script(_OPEN_JOBS)]
    finally:
        house.database.close()
    told = {(each.subject, each.client_id) for each in apps.told}
    return jobs + [f"an app was never told that {account} is out: {client_id}" for account, client_id in owed - told]


def lost_people(scim: Scim, people: Sequence[Person]) -> list[str]:
    """Compare everybody with what was acknowledged, no faster than a directory may ask."""
    found = []
    for person in people:
        found.append(_difference(scim, person))
        time.sleep(_BETWEEN_SECONDS)
    return [difference for difference in found if difference]


def lost_mails(cluster: Cluster, offices: Iterable[Office]) -> list[str]:
    """Compare the mails that were queued for certain with those that came."""
    house = open_as_it_is(cluster.settings_here())
    try:
        return [*_twice(cluster), *_missing(house, cluster, offices)]
    finally:
        house.database.close()


def audit_faults(cluster: Cluster) -> list[str]:
    """Let the trail be proved by the command, once it is sealed to its end."""
    house = open_as_it_is(cluster.settings_here())
    try:
        _wait(lambda: not sealing.has_unsealed(house.database))
    finally:
        house.database.close()
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "audit", "verify", "--json"],
        env=cluster.gateways[0].environment,
        capture_output=True,
        text=True,
        check=False,
    )
    verdict = json.loads(done.stdout or "{}")
    return [] if done.returncode == 0 and not verdict.get("findings") else [f"the audit trail does not hold: {done.stdout}{done.stderr}"]


def _difference(scim: Scim, person: Person) -> str:
    answer = scim.insist("compare", "GET", f"/Users/{person.id}")
    if person.deleted or answer.status != 200:
        return (
            "" if person.deleted and answer.status == 404 else f"{person.login}: deleted {person.deleted}, but GET answers {answer.status}"
        )
    there = answer.json()
    found = (there["active"], there["title"], {group["value"] for group in there.get("groups", ())})
    wanted = (person.active, person.title, person.groups)
    return "" if found == wanted else f"{person.login}: acknowledged {wanted}, there {found}"


def _twice(cluster: Cluster) -> list[str]:
    counted = Counter(cluster.received.read_text().splitlines())
    return [f"a mail came {times} times: {line}" for line, times in counted.items() if times > 1]


def _missing(house: House, cluster: Cluster, offices: Iterable[Office]) -> list[str]:
    came = {line.split("<")[1].split("@")[0] for line in cluster.received.read_text().splitlines()}
    states = {
        (account, event): (mail, state)
        for mail, account, event, state in house.database.script("SELECT id, account, event, state FROM mail")
    }
    found = []
    for key in set().union(*(office.acknowledged for office in offices)):
        mail, state = states.get(key, ("", "not queued"))
        # The moment in which a killed worker cannot know: it is told, and nobody sends it again by himself (ADR 11).
        if state not in {MailState.SENT, MailState.UNCONFIRMED} or (state == MailState.SENT and mail not in came):
            found.append(f"a mail is lost: {key} is {state}")
    return found


def unconfirmed_mails(cluster: Cluster) -> int:
    """How many mails nobody knows the end of."""
    house = open_as_it_is(cluster.settings_here())
    try:
        return int(house.database.script("SELECT COUNT(*) FROM mail WHERE state = 'unconfirmed'")[0][0])
    finally:
        house.database.close()


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)
