"""Whether the house can serve."""

from gateway.domain.errors import Refusal
from gateway.storage import schema
from gateway.storage.database import Database


def require_ready(database: Database) -> None:
    """Refuse while the database cannot be reached (DatabaseUnavailable) or lacks a migration of this release."""
    if not schema.is_current(database):
        raise Refusal("E_Unavailable", reason="the database lacks a migration of this release: moongate migrate")
