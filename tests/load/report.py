"""Figures for people: printed, and kept in var/load/."""

import datetime
import os
import sys
from collections.abc import Sequence

from tests.journeys.processes import ROOT

_FOLDER = ROOT / "var" / "load"


def publish(name: str, lines: Sequence[str]) -> None:
    """Print a report, and keep it in a file of this name."""
    day = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f}"
    text = "\n".join([*lines, "", day, ""])
    _FOLDER.mkdir(parents=True, exist_ok=True)
    (_FOLDER / f"{name}.md").write_text(text)
    sys.stdout.write(f"\n{text}")
