"""`moongate serve` and `moongate worker`: the server and the jobs."""

import logging
import os
import socket
from urllib.parse import urlsplit

import click
from granian import Granian
from granian.constants import Interfaces

from gateway import logs, worker
from gateway.cli.command import fail, house
from gateway.settings import Settings, settings_of_process
from gateway.wiring import is_loopback

_TARGETS = {True: "gateway.server:working_application", False: "gateway.server:application"}

_THREADS = 6
"""Blocking threads of each process, for requests that wait: half may wait for one provider (`outbound.transport`), others still come in.
More cost every request time: the interpreter goes round among them."""

_AT_ONCE = 256
"""Requests that each process takes on; more wait in the listen queue, which is where overload belongs."""

_SECONDS_TO_END = 20

_log = logging.getLogger(__name__)


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
@click.option("--json", "_as_json", is_flag=True, help="Errors as JSON; the log goes by MOONGATE_LOG_FORMAT.")
def _serve(*, host: str, port: int, workers: int | None, no_worker: bool, _as_json: bool) -> None:
    """Bring the database up to date and serve until SIGTERM or SIGINT."""
    settings = settings_of_process()
    if not is_loopback(host) and not settings.public_url_given:
        fail("E_Setting_Invalid", f"MOONGATE_PUBLIC_URL must be set to listen at {host}: links and issuers are made from it")
    _require_free(host, port)
    opened = house()
    # The workers are forked: an open database must not cross into them.
    opened.database.close()
    _listen(settings, host, port, workers or min(os.cpu_count() or 1, 4), inside=not no_worker)


@click.command("worker")
@click.option("--json", "_as_json", is_flag=True, help="Errors as JSON; the log goes by MOONGATE_LOG_FORMAT.")
def _worker(*, _as_json: bool) -> None:
    """Do the jobs that the servers leave, until SIGTERM or SIGINT."""
    opened = house()
    logs.configure(opened.settings.log_format)
    worker.run(opened)


def _require_free(host: str, port: int) -> None:
    """End with one line where nobody could listen; the server itself would end in a panic."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        fail("E_Unavailable", f"cannot listen at {host} port {port}: {error.strerror}")


def _is_news(record: logging.LogRecord) -> bool:
    # It warns of the number of threads, which is chosen: requests wait for the disk more than they compute.
    return "you can safely ignore" not in record.getMessage()


def _listen(settings: Settings, host: str, port: int, workers: int, *, inside: bool) -> None:
    logs.configure(settings.log_format)
    if not settings.public_url_given and urlsplit(settings.public_url).port != port:
        _log.warning("MOONGATE_PUBLIC_URL is not set: links and issuers lead to %s, not to port %d", settings.public_url, port)
    logging.getLogger("_granian").addFilter(_is_news)
    Granian(
        _TARGETS[inside],
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        factory=True,
        workers=workers,
        blocking_threads=_THREADS,
        backpressure=_AT_ONCE,
        websockets=False,
        # Lines of the server's own go the way of all others; it writes none about requests, whose URLs hold codes and names.
        log_dictconfig={"loggers": {"_granian": {"handlers": [], "propagate": True}}},
        respawn_failed_workers=True,
        workers_kill_timeout=_SECONDS_TO_END,
    ).serve()
