"""The worker: does the jobs that acts leave behind, inside a server or alone (`moongate worker`)."""

import signal
import threading
from collections.abc import Mapping, Sequence
from types import FrameType

from federation.downstream import backchannel
from gateway.services import sealing, sweeping
from gateway.services.house import House
from gateway.services.jobs import CREW, Handler, Runner
from gateway.services.routines import Routine
from gateway.services.sessions import BACKCHANNEL_LOGOUT

HANDLERS: Mapping[str, Handler] = {BACKCHANNEL_LOGOUT: backchannel.send}
"""Who does which kind of job."""

ROUTINES: Sequence[Routine] = (sweeping.ROUTINE, sealing.ROUTINE)
"""What the house does by itself at intervals, one process at a time (`services.routines`): a room adds its own here."""


def start_beside(house: House) -> Runner:
    """Do jobs in threads of this process, which has something else to do, until its main thread ends."""
    runner = Runner(house, HANDLERS, CREW, ROUTINES)
    runner.start()

    def stop_with_the_process() -> None:
        threading.main_thread().join()
        runner.stop()

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
    runner = Runner(house, HANDLERS, CREW, ROUTINES)
    runner.start()
    ended.wait()
    runner.stop()
