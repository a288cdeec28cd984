"""The worker: does the jobs that acts leave behind, inside a server or alone (`moongate worker`)."""

import signal
import threading
from collections.abc import Mapping, Sequence
from types import FrameType
from urllib.parse import urlsplit

from federation.downstream import backchannel
from gateway.domain.mails import MailCarrier, parse_mail_server
from gateway.outbound.mail import FileCarrier, SmtpCarrier
from gateway.services import keys, schedules, sealing, sweeping
from gateway.services.house import House
from gateway.services.jobs import CREW, Handler, Runner
from gateway.services.mail import DELIVERY
from gateway.services.mail_delivery import Delivery
from gateway.services.routines import Routine
from gateway.services.sessions import BACKCHANNEL_LOGOUT
from gateway.settings import Settings

HANDLERS: Mapping[str, Handler] = {BACKCHANNEL_LOGOUT: backchannel.send, schedules.RUN: schedules.run}
"""Who does which kind of job; mails come to them in `handlers_for`."""

ROUTINES: Sequence[Routine] = (sweeping.ROUTINE, sealing.ROUTINE, keys.ROUTINE, schedules.ROUTINE)
"""What the house does by itself at intervals, one process at a time (`services.routines`): a room adds its own here."""


def carrier_for(settings: Settings) -> SmtpCarrier | FileCarrier:
    """Return who carries mails: the server that is set, or a folder in the home."""
    host = urlsplit(settings.public_url).hostname or "localhost"
    # Addresses stand in brackets where a name is expected (RFC 5321 §4.1.3).
    host = f"[IPv6:{host}]" if ":" in host else f"[{host}]" if host.replace(".", "").isdigit() else host
    server = parse_mail_server(settings.smtp_url)
    return SmtpCarrier(server, public_host=host) if server is not None else FileCarrier(settings.home / "mail", public_host=host)


def handlers_for(carrier: MailCarrier) -> Mapping[str, Handler]:
    """Return who does which kind of job in a process."""
    return {**HANDLERS, DELIVERY: Delivery(carrier)}


def start_beside(house: House) -> Runner:
    """Do jobs in threads of this process, which has something else to do, until its main thread ends."""
    carrier = carrier_for(house.settings)
    runner = Runner(house, handlers_for(carrier), CREW, ROUTINES)
    runner.start()

    def stop_with_the_process() -> None:
        threading.main_thread().join()
        runner.stop()
        carrier.close()

    # No daemon: the interpreter waits for it, and so for the jobs that run, when the server has ended.
    threading.Thread(target=stop_with_the_process, name="jobs-end").start()
    return runner


def run(house: House) -> None:
    """Do jobs until SIGTERM or SIGINT comes; then end what runs and return."""
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    carrier = carrier_for(house.settings)
    runner = Runner(house, handlers_for(carrier), CREW, ROUTINES)
    runner.start()
    ended.wait()
    runner.stop()
    carrier.close()
