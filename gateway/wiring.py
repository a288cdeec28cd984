"""Opens the house: the one place where settings become a database, keys and a way to the outside (decisions.md 42)."""

import os
import secrets
import time
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path

from gateway.domain.outbound import OutboundPolicy
from gateway.domain.ports import HttpFetcher
from gateway.domain.values import Clock, Entropy, Instant
from gateway.outbound.transport import Transport
from gateway.services.context import Urls
from gateway.services.house import House
from gateway.settings import Settings, SettingsError
from gateway.storage import nodes, schema
from gateway.storage.database import Database, DatabaseUnavailable
from gateway.storage.engines import open_database
from gateway.tokens.keyring import KeyRing, UnwrapFailed

_KEY_FILE = "secret-keys"
_CHECK = "key check"
_CHECK_TEXT = b"moongate"


def system_clock() -> Instant:
    """Return the time of the machine."""
    return Instant(time.time_ns() // 1_000_000)


def open_house(
    settings: Settings, *, clock: Clock = system_clock, entropy: Entropy = secrets.token_bytes, fetcher: HttpFetcher | None = None
) -> House:
    """Open the database, bring it up to date, and check that the secret keys are those it was filled with.

    Raises SettingsError with one line for whatever stands in the way.
    """
    database = _open_database(settings)
    keyring = KeyRing(settings.secret_keys or _kept_keys(settings.home, entropy), entropy)
    try:
        schema.migrate(database)
        _check_keys(database, keyring)
    except DatabaseUnavailable as error:
        raise SettingsError(f"MOONGATE_DATABASE_URL: {error}") from error
    return House(
        settings=settings,
        database=database,
        keyring=keyring,
        urls=Urls(settings.public_url, settings.tenant_url),
        fetcher=fetcher or Transport(OutboundPolicy(allow=settings.outbound_allow)),
        clock=clock,
        entropy=entropy,
    )


def is_loopback(host: str) -> bool:
    """Return whether a bind to `host` reaches this machine alone."""
    try:
        return host == "localhost" or ip_network(host).is_loopback
    except ValueError:
        return False


def _open_database(settings: Settings) -> Database:
    path = Path(settings.database_url.removeprefix("sqlite:///"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        name = "MOONGATE_HOME" if path.parent == settings.home else "MOONGATE_DATABASE_URL"
        raise SettingsError(f"{name}: {path.parent} cannot be made ({error.strerror})") from error
    return open_database(settings.database_url)


def _kept_keys(home: Path, entropy: Entropy) -> tuple[str, ...]:
    """Return the keys kept in the home, made at the first start and readable by nobody else."""
    path = home / _KEY_FILE
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _keep_key(home / f".{_KEY_FILE}.{entropy(8).hex()}", path, entropy(32).hex())
        return tuple(path.read_text().split(","))
    except OSError as error:
        raise SettingsError(f"MOONGATE_HOME: {path} cannot be used ({error.strerror})") from error


def _keep_key(fresh: Path, path: Path, key: str) -> None:
    """Write a key under another name and link it: of two processes starting at once, both then read the one that won."""
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        path.hardlink_to(fresh)
    fresh.unlink()


def _check_keys(database: Database, keyring: KeyRing) -> None:
    """Refuse to start with keys that cannot unwrap what the database holds (decisions.md 41)."""
    stored = nodes.find_setting(database, _CHECK)
    if stored is None:
        with database.transaction():
            # Asked again under the write lock: of several processes that start at once one writes it.
            stored = nodes.find_setting(database, _CHECK)
            if stored is None:
                nodes.remember_setting(database, _CHECK, keyring.wrap(_CHECK_TEXT, purpose=_CHECK, owner=""))
                return
    try:
        keyring.unwrap(stored, purpose=_CHECK, owner="")
    except UnwrapFailed as error:
        raise SettingsError("MOONGATE_SECRET_KEYS: the database was filled with another key; put that key behind the newest one") from error
