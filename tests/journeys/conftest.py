"""A real browser for the journeys."""

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
)

_SECONDS_TO_END = 15


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    installed = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    impatient = threading.Timer(_SECONDS_TO_END, _end_driver)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=installed, args=_QUIET)
        yield browser
        browser.close()
        # Seldom its driver does not end when told to, and everybody would wait for it.
        impatient.start()
    impatient.cancel()


def _end_driver() -> None:
    for listed in Path("/proc/self/task").glob("*/children"):
        for child in listed.read_text().split():
            with suppress(OSError):
                if b"playwright" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(int(child), signal.SIGKILL)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A fresh browser: no cookies, nothing remembered."""
    context = chromium.new_context()
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()
