"""The gateway as the server's processes load it: `moongate serve` names one of these two factories.

Both open a house of their own and close nothing: a process ends with its server.
"""

import gc
import importlib

from flask import Flask

from gateway import logs, processor, worker
from gateway.app import build_app
from gateway.pulse import Pulse
from gateway.services.house import House
from gateway.services.limits import SharedCounter
from gateway.services.settling import settle_in
from gateway.settings import SettingsError, settings_of_process
from gateway.wiring import open_house

_GARBAGE_AFTER = 20_000
"""Objects more than went after which the youngest are looked through; a request leaves few that hold one another."""


def application() -> Flask:
    """Return the gateway of this process, which does no jobs."""
    return _settled(build_app(_house()))


def working_application() -> Flask:
    """Return the gateway of this process, which does jobs in threads beside its requests."""
    house = _house()
    worker.start_beside(house)
    return _settled(build_app(house))


def _settled(app: Flask) -> Flask:
    """Let the garbage collector pass over what was loaded, which stays as long as the process: it would look through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_AFTER, 20, 50)
    return app


def _house() -> House:
    settings = settings_of_process()
    logs.configure(settings.log_format)
    processor.take()
    house = open_house(settings)
    settle_in(house)
    house.limits.shared = _shared_counter(settings.limits_url)
    Pulse(house).start()
    return house


def _shared_counter(url: str) -> SharedCounter | None:
    """Return what counts for all processes; its client is an extra, and loaded only where it is wanted."""
    if not url:
        return None
    try:
        counter: SharedCounter = importlib.import_module("gateway.outbound.valkey").Valkey(url)
    except ModuleNotFoundError as error:
        raise SettingsError("MOONGATE_LIMITS_URL: the package redis is not installed (moongate[valkey])") from error
    return counter
