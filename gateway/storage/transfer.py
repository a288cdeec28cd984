"""How whole tables leave a database and enter one, whatever engine: for backups."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

Rows = Sequence[Sequence[Any]]
Read = Callable[[str, Sequence[str]], Iterator[Rows]]
"""Takes a table and its columns, and gives out all rows in portions."""

PORTION = 1000
"""Rows that are read at once."""


class Transfer(ABC):
    """What an engine does in its own way; names of tables and columns are those of our own migrations."""

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[Read]:
        """Read tables as all of them are at one moment, while others write."""

    @abstractmethod
    def filling(self) -> AbstractContextManager[None]:
        """Hold a transaction in which tables are emptied and filled in any order: what refers to what is checked at its end."""

    @abstractmethod
    def empty(self, tables: Sequence[str]) -> None:
        """Remove all rows of tables, within `filling`."""

    @abstractmethod
    def put(self, table: str, columns: Sequence[str], rows: Rows) -> None:
        """Add rows, within `filling`."""


def select(table: str, columns: Sequence[str]) -> str:
    """Return the query for all rows of a table."""
    return f'SELECT {listed(columns)} FROM "{table}"'


def listed(columns: Sequence[str]) -> str:
    """Return the names of columns as SQL lists them; some are words of SQL."""
    return ", ".join(f'"{column}"' for column in columns)
