"""Figures that begin at zero, and leave nothing behind in the process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.metrics.ledger import LEDGER


@pytest.fixture
def counting() -> Iterator[None]:
    """Nothing was counted yet."""
    LEDGER.forget()
    yield
    LEDGER.forget()


@pytest.fixture
def folder(tmp_path: Path, counting: None) -> Path:
    """Where processes count."""
    return tmp_path / "metrics"
