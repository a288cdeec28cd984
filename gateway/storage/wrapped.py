"""The columns that hold secrets wrapped by the key ring, and their change to another key while others use them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import peewee as pw

from gateway.storage.database import Database, Statement, place
from gateway.storage.tables.apps import SigningKey
from gateway.storage.tables.factors import TotpEnrolment, TotpFactor
from gateway.storage.tables.federation import IdentityProvider
from gateway.storage.tables.jobs import Mail
from gateway.storage.tables.nodes import Installation

KEY_CHECK = "key check"
"""The value by which a start sees whether it has the right keys."""

_NAME_LENGTH = 8
"""What is wrapped begins with the short name of its key."""


class _Column:
    """One column of wrapped secrets; the row's key is also the owner that each is wrapped for."""

    def __init__(self, key: pw.Field, wrapped: pw.Field, *, among: pw.Expression | None = None) -> None:
        rows = (wrapped != "") if among is None else (wrapped != "") & among
        name = pw.fn.SUBSTR(wrapped, 1, _NAME_LENGTH)
        table = key.model
        # Grouped by the column's name: PostgreSQL does not see that two expressions with values are the same.
        self.counts = Statement(table.select(name.alias("by_key"), pw.fn.COUNT(key)).where(rows).group_by(pw.SQL("by_key")))
        self.others = Statement(
            table.select(key, wrapped).where(rows & (name != place("newest")) & (key > place("after"))).order_by(key).limit(place("limit"))
        )
        self.change = Statement(table.update({wrapped: place("new")}).where((key == place("key")) & (wrapped == place("old"))))


_COLUMNS: Mapping[str, _Column] = {
    "signing key": _Column(SigningKey.kid, SigningKey.private_key),
    "client secret of a provider": _Column(IdentityProvider.id, IdentityProvider.client_secret),
    "totp": _Column(TotpFactor.account, TotpFactor.wrapped_secret),
    "totp enrolment": _Column(TotpEnrolment.account, TotpEnrolment.wrapped_secret),
    "mail": _Column(Mail.id, Mail.data),
    # The last one: as long as anything else needs an old key, a start without that key is refused by this.
    KEY_CHECK: _Column(Installation.name, Installation.value, among=Installation.name == KEY_CHECK),
}
"""By the purpose that each is wrapped for; whoever wraps for a new purpose adds its column here."""

PURPOSES = tuple(_COLUMNS)


@dataclass(frozen=True, slots=True)
class Wrapped:
    """One wrapped secret."""

    key: str
    """Of its row."""
    value: str


def count_by_key(database: Database, purpose: str) -> dict[str, int]:
    """Return how many secrets of a purpose are wrapped by which key, by its short name."""
    return dict(database.rows(_COLUMNS[purpose].counts))


def list_others(database: Database, purpose: str, *, newest: str, after: str, limit: int) -> list[Wrapped]:
    """Return secrets of a purpose that the key `newest` did not wrap, by the keys of their rows, from behind `after`."""
    return [Wrapped(*row) for row in database.rows(_COLUMNS[purpose].others, newest=newest, after=after, limit=limit)]


def change(database: Database, purpose: str, changes: Sequence[tuple[Wrapped, str]]) -> int:
    """Write secrets wrapped anew, each only where it is still what was read; return how many were."""
    with database.transaction():
        return sum(database.write(_COLUMNS[purpose].change, key=old.key, old=old.value, new=new) for old, new in changes)
