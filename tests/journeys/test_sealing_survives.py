"""Processes that seal the audit trail at once and are killed in the middle leave no gap and no double (decisions.md 40)."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from gateway.domain.audit import Event
from gateway.services import nodes, sealing
from gateway.services.audit_verification import verify_trail
from gateway.services.house import OPERATOR, House
from gateway.settings import Settings
from gateway.wiring import open_house
from tests.conftest import settings_for
from tests.journeys.processes import wait_for

ROWS = 30_000
KILLS = 4
PROCESSES = 2

SEAL = """
import os
from gateway.services import sealing
from gateway.settings import Settings
from gateway.wiring import open_house

house = open_house(Settings.from_env(os.environ))
sealing.seal_all(house)
"""


@pytest.fixture
def full(tmp_path: Path) -> Iterator[House]:
    """A house with many events that wait for their seal."""
    house = open_house(settings_for(tmp_path))
    context = house.context(OPERATOR)
    platform = nodes.create_platform(context, "Platform")
    for _ in range(ROWS // 1000):
        with house.database.transaction():
            for at in range(1000):
                context.record(Event(platform.id, "thing.done", "thing", str(at), detail={"at": at}))
    yield house
    house.database.close()


def sealers(settings: Settings) -> list["subprocess.Popen[bytes]"]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MOONGATE_")} | {
        "MOONGATE_HOME": str(settings.home),
        "MOONGATE_SECRET_KEYS": ",".join(settings.secret_keys),
        "MOONGATE_DATABASE_URL": settings.database_url,
    }
    return [subprocess.Popen([sys.executable, "-c", SEAL], env=environment) for _ in range(PROCESSES)]


def sealed(house: House) -> int:
    return int(house.database.script("SELECT size FROM audit_tree")[0][0])


def _has_sealed_more(house: House, than: int) -> bool:
    return sealed(house) > than


@pytest.mark.journey
def test_sealers_killed_in_the_middle_leave_no_gap_and_no_double(full: House) -> None:
    for _ in range(KILLS):
        before = sealed(full)
        started = sealers(full.settings)
        wait_for(partial(_has_sealed_more, full, before))
        for process in started:
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert before < sealed(full) < ROWS
        assert verify_trail(full.context(OPERATOR)).found == 0
    for process in sealers(full.settings):
        assert process.wait(60) == 0
    assert not sealing.is_wanted(full)
    verdict = verify_trail(full.context(OPERATOR))
    assert (verdict.found, verdict.rows) == (0, ROWS + 1)
    assert full.database.script("SELECT COUNT(*), COUNT(DISTINCT leaf), MIN(leaf), MAX(leaf) FROM audit") == [(ROWS + 1, ROWS + 1, 0, ROWS)]
