"""The figures of several processes are one: exact while they live, kept when they are gone, and never the end of a request."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.metrics import figures, sums
from gateway.metrics.families import Counter
from gateway.metrics.ledger import LEDGER, NAMES, NUMBERS

SCRIPT = """
import sys
from pathlib import Path
from gateway.metrics import figures, sums
sums.keep_in(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    figures.REFUSALS.add("scim", "E_Not_Found")
    figures.REQUEST_SECONDS.observe(3_000, "scim", "GET", "/scim/v2/Users")
figures.PROVIDER_SUCCESS.note(int(sys.argv[2]), "acme", "corp")
print("counted", flush=True)
sys.stdin.read()
"""


@contextmanager
def process(folder: Path, times: int) -> Iterator["subprocess.Popen[str]"]:
    """Another process that counted so often, and lives."""
    command = [sys.executable, "-c", SCRIPT, str(folder), str(times)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "counted\n"
        yield other


def refused() -> int:
    """How often `E_Not_Found` was counted, by all."""
    return next(
        (series.numbers[0] for series in sums.collect() if series.family is figures.REFUSALS and series.labels == ("scim", "E_Not_Found")),
        0,
    )


def test_a_process_without_a_folder_counts_in_memory(counting: None) -> None:
    figures.REFUSALS.add("scim", "E_Not_Found")
    figures.REFUSALS.add("scim", "E_Not_Found", amount=2)
    assert refused() == 3
    assert sums.processes() == []


def test_what_several_processes_count_is_told_as_one_sum_at_once(folder: Path) -> None:
    sums.keep_in(folder)
    figures.REFUSALS.add("scim", "E_Not_Found")
    with process(folder, 20), process(folder, 300):
        assert refused() == 321
        assert len(sums.processes()) == 3


def test_a_killed_process_loses_no_count_and_no_longer_lives(folder: Path) -> None:
    sums.keep_in(folder)
    with process(folder, 7) as other:
        os.kill(other.pid, signal.SIGKILL)
        other.wait(10)
        assert refused() == 7
        assert [living.pid for living in sums.processes()] == [os.getpid()]


def test_no_counter_falls_when_the_next_process_clears_up_after_the_dead(folder: Path) -> None:
    for _ in range(3):
        with process(folder, 5) as other:
            other.kill()
    sums.keep_in(folder)
    assert refused() == 15
    assert len(list(folder.glob(f"*{NUMBERS}"))) == len(list(folder.glob(f"*{NAMES}"))) == 1


def test_files_that_a_crash_left_beside_their_sum_are_not_counted_twice(folder: Path, tmp_path: Path) -> None:
    with process(folder, 5) as other:
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in {NUMBERS, NAMES}}
        other.kill()
    sums.keep_in(folder)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert refused() == 5
    LEDGER.forget()
    sums.keep_in(folder)
    assert refused() == 5


def test_of_the_latest_of_several_processes_the_latest_is_told(folder: Path) -> None:
    sums.keep_in(folder)
    with process(folder, 20), process(folder, 300), process(folder, 7):
        latest = next(series for series in sums.collect() if series.family is figures.PROVIDER_SUCCESS)
    assert latest.labels == ("acme", "corp")
    assert latest.numbers == (300,)


def test_a_histogram_counts_each_time_in_one_bucket_and_adds_them_up(counting: None) -> None:
    for microseconds in (1, 1_000, 1_001, 99_000_000):
        figures.REQUEST_SECONDS.observe(microseconds, "scim", "GET", "/")
    numbers = next(series.numbers for series in sums.collect() if series.family is figures.REQUEST_SECONDS)
    assert numbers[:2] == (2, 1)
    assert numbers[-2] == 1
    assert numbers[-1] == 99_002_002


def test_threads_lose_no_count(counting: None) -> None:
    together = threading.Barrier(4)

    def count() -> None:
        together.wait()
        for _ in range(5_000):
            figures.REFUSALS.add("scim", "E_Not_Found")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused() == 20_000


def test_more_series_than_a_family_may_have_are_dropped_and_nothing_else_is(counting: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures.REFUSALS, "_most", 3)
    for at in range(10):
        figures.REFUSALS.add("scim", f"E_{at}")
    figures.JOBS.add("mail", "done")
    counted = [series for series in sums.collect() if series.family is figures.REFUSALS]
    assert len(counted) == 3
    assert any(series.family is figures.JOBS for series in sums.collect())


def test_a_ledger_without_places_left_drops_what_is_new_and_fails_nobody(folder: Path) -> None:
    sums.keep_in(folder)
    LEDGER._next = 64 * 1024 - 1
    figures.JOBS.add("mail", "done")
    figures.REQUEST_SECONDS.observe(1, "scim", "GET", "/")
    figures.JOBS.add("mail", "dead")
    assert [series.labels for series in sums.collect()] == [("mail", "done")]


@pytest.mark.parametrize("damage", ["", "{", '{"files": 7, "series": 7}', '{"files": [], "series": [["moongate_jobs", ["a"], ["x"]]]}'])
def test_a_damaged_sum_of_the_dead_is_as_none(folder: Path, damage: str) -> None:
    folder.mkdir()
    (folder / "retired.json").write_text(damage)
    sums.keep_in(folder)
    figures.JOBS.add("mail", "done")
    assert [series.labels for series in sums.collect()] == [("mail", "done")]


def test_a_release_that_counted_otherwise_spoils_no_sum(folder: Path) -> None:
    folder.mkdir()
    kept = {
        "files": [],
        "series": [
            ["moongate_request_seconds", ["scim", "GET", "/"], [1, 2, 3]],
            ["moongate_gone", [], [1]],
            ["moongate_jobs", ["mail", "done"], [4]],
        ],
    }
    (folder / "retired.json").write_text(json.dumps(kept))
    sums.keep_in(folder)
    figures.JOBS.add("mail", "done")
    assert [(series.family.name, series.numbers) for series in sums.collect()] == [("moongate_jobs", (5,))]


def test_every_family_says_in_a_sentence_what_it_counts() -> None:
    for name, family in figures.ALL.items():
        assert name.startswith("moongate_")
        assert family.text.endswith(".")
        # Whatever a person or a stranger chose would grow without bounds, and tell names to whoever reads the figures.
        assert not {"path", "login", "account", "address", "host", "id"} & set(family.labels)
    assert isinstance(figures.REQUESTS, Counter)
