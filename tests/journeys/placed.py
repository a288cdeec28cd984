"""A gateway whose database is of the engine that this run of the tests is about."""

from dataclasses import dataclass

from tests import databases
from tests.journeys.processes import Gateway


@dataclass(frozen=True)
class Placed(Gateway):
    """With SQLite in its home, or with a database of the tests' own PostgreSQL."""

    @property
    def environment(self) -> dict[str, str]:
        given = {"MOONGATE_SECRET_KEYS": "k" * 64}
        if databases.POSTGRES:
            given["MOONGATE_DATABASE_URL"] = databases.server().new(self.home)
        return super().environment | given
