"""Whether the secret keys are those that the database was filled with (decisions.md 41)."""

from gateway.storage import nodes
from gateway.storage.database import Database
from gateway.storage.wrapped import KEY_CHECK
from gateway.tokens.keyring import KeyRing, UnwrapFailed

_TEXT = b"moongate"


class KeysMisfit(Exception):
    """The keys cannot open what the database holds; `str()` says what to do."""

    def __init__(self) -> None:
        """Say it."""
        super().__init__("the database was filled with another key; put that key behind the newest one")


def require_fitting_keys(database: Database, keyring: KeyRing) -> None:
    """Refuse keys that do not fit (KeysMisfit); a database that is empty takes them as its own."""
    stored = nodes.find_setting(database, KEY_CHECK)
    if stored is None:
        with database.transaction():
            # Asked again inside: of several processes that start at once one writes it.
            database.hold_name(KEY_CHECK)
            stored = nodes.find_setting(database, KEY_CHECK)
            if stored is None:
                nodes.remember_setting(database, KEY_CHECK, keyring.wrap(_TEXT, purpose=KEY_CHECK, owner=""))
                return
    _require_fit(stored, keyring)


def recheck_keys(database: Database, keyring: KeyRing) -> None:
    """Refuse keys that do not fit the database as it is now, which may be another one than at the start; writes nothing."""
    stored = nodes.find_setting(database, KEY_CHECK)
    if stored is not None:
        _require_fit(stored, keyring)


def _require_fit(stored: str, keyring: KeyRing) -> None:
    try:
        keyring.unwrap(stored, purpose=KEY_CHECK, owner="")
    except UnwrapFailed as error:
        raise KeysMisfit from error
