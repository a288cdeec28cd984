"""`moongate serve` and `moongate worker`: the server and the jobs."""

import importlib
import logging
import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import click

from gateway import logs, worker
from gateway.cli.command import fail, house
from gateway.listening import listen
from gateway.services.settling import settle_in
from gateway.serving import Plan
from gateway.settings import Settings, read_file, settings_of_process
from gateway.supervision import HANDED, TRIAL, Handed, Supervisor
from gateway.wiring import is_loopback

_MODULE = "gateway.server"
_FACTORIES = {True: "working_application", False: "application"}

_THREADS = 6
"""Blocking threads of each process, for requests that wait: half may wait for one provider (`outbound.transport`), others still come in.
More cost every request time: the interpreter goes round among them."""

_AT_ONCE = 256
"""Requests that each process takes on; more wait in the listen queue, which is where overload belongs."""

_log = logging.getLogger(__name__)


_settings_file = click.option(
    "--settings", "file", type=click.Path(path_type=Path), help="File of lines MOONGATE_NAME=value, which go before the environment."
)


def register(group: click.Group) -> None:
    """Add the commands to the group of all."""
    group.add_command(_serve)
    group.add_command(_worker)


@click.command("serve")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen at; beyond loopback MOONGATE_PUBLIC_URL is demanded."
)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65_535))
@click.option("--workers", default=None, type=click.IntRange(1, 64), help="Processes; as many as processors, at most 4, unless given.")
@click.option("--no-worker", is_flag=True, help="Do no jobs inside: a `moongate worker` does them.")
@_settings_file
@click.option(TRIAL, is_flag=True, hidden=True)
@click.option(HANDED, type=Handed.from_text, hidden=True)
@click.option("--json", "_as_json", is_flag=True, help="Errors as JSON; the log goes by MOONGATE_LOG_FORMAT.")
def _serve(
    *, file: Path | None, host: str, port: int, workers: int | None, no_worker: bool, trial: bool, handed: Handed | None, _as_json: bool
) -> None:
    """Bring the database up to date and serve until SIGTERM or SIGINT; SIGHUP renews code and settings without losing a request."""
    _read(file)
    settings = settings_of_process()
    if not is_loopback(host) and not settings.public_url_given:
        fail("E_Setting_Invalid", f"MOONGATE_PUBLIC_URL must be set to listen at {host}: links and issuers are made from it")
    listener = None if trial else _listener(host, port, handed)
    opened = house()
    # The processes of the server are forked: an open database must not cross into them.
    opened.database.close()
    plan = Plan(_MODULE, _FACTORIES[not no_worker], workers or min(os.cpu_count() or 1, 4), _THREADS, _AT_ONCE)
    if listener is None:
        importlib.import_module(_MODULE)
        return
    _introduce(settings, port)
    sys.exit(Supervisor(plan, listener, handed).run())


@click.command("worker")
@_settings_file
@click.option("--json", "_as_json", is_flag=True, help="Errors as JSON; the log goes by MOONGATE_LOG_FORMAT.")
def _worker(*, file: Path | None, _as_json: bool) -> None:
    """Do the jobs that the servers leave, until SIGTERM or SIGINT."""
    _read(file)
    opened = house()
    logs.configure(opened.settings.log_format)
    settle_in(opened)
    worker.run(opened)


def _read(file: Path | None) -> None:
    if file is not None:
        read_file(file)


def _listener(host: str, port: int, handed: Handed | None) -> socket.socket:
    """Return the open port, or end with one line where nobody could listen."""
    if handed is not None:
        return socket.socket(fileno=handed.listener)
    try:
        return listen(host, port)
    except OSError as error:
        fail("E_Unavailable", f"cannot listen at {host} port {port}: {error.strerror}")


def _is_news(record: logging.LogRecord) -> bool:
    # It warns of the number of threads, which is chosen: requests wait for the disk more than they compute.
    return "you can safely ignore" not in record.getMessage()


def _introduce(settings: Settings, port: int) -> None:
    logs.configure(settings.log_format)
    if not settings.public_url_given and urlsplit(settings.public_url).port != port:
        _log.warning("MOONGATE_PUBLIC_URL is not set: links and issuers lead to %s, not to port %d", settings.public_url, port)
    logging.getLogger("_granian").addFilter(_is_news)
