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
from gateway.services.key_check import KeysMisfit, require_fitting_keys
from gateway.settings import Settings, SettingsError
from gateway.storage import schema
from gateway.storage.database import Database, DatabaseUnavailable
from gateway.storage.engines import open_database
from gateway.tokens.keyring import KeyRing

_KEY_FILE = "secret-keys"


def system_clock() -> Instant:
    """Return the time of the machine."""
    return Instant(time.time_ns() // 1_000_000)


def open_house(
    settings: Settings, *, clock: Clock = system_clock, entropy: Entropy = secrets.token_bytes, fetcher: HttpFetcher | None = None
) -> House:
    """Open the database, bring it up to date, and check that the secret keys are those it was filled with.

    Raises SettingsError with one line for whatever stands in the way.
    """
    house = open_as_it_is(settings, clock=clock, entropy=entropy, fetcher=fetcher)
    try:
        schema.migrate(house.database)
        require_fitting_keys(house.database, house.keyring)
    except DatabaseUnavailable as error:
        raise SettingsError(f"MOONGATE_DATABASE_URL: {error}") from error
    except KeysMisfit as error:
        raise SettingsError(f"MOONGATE_SECRET_KEYS: {error}") from error
    return house


def open_as_it_is(
    settings: Settings, *, clock: Clock = system_clock, entropy: Entropy = secrets.token_bytes, fetcher: HttpFetcher | None = None
) -> House:
    """Open the house without bringing anything up to date, for whoever only looks. Raises SettingsError."""
    database = _open_database(settings)
    keyring = KeyRing(settings.secret_keys or _kept_keys(settings.home, entropy), entropy)
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
    path = settings.database_url.partition("sqlite:///")[2]
    try:
        if path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        return open_database(settings.database_url)
    except OSError as error:
        name = "MOONGATE_HOME" if Path(path).parent == settings.home else "MOONGATE_DATABASE_URL"
        raise SettingsError(f"{name}: {Path(path).parent} cannot be made ({error.strerror})") from error
    except ValueError as error:
        raise SettingsError(f"MOONGATE_DATABASE_URL: {error}") from error
    except ImportError as error:
        raise SettingsError("MOONGATE_DATABASE_URL: the driver of PostgreSQL is not installed: pip install 'moongate[postgres]'") from error


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
