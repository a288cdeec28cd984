"""The processor on which the request threads of a process compute (ADR 0017).

Threads of which one computes at a time lose nothing by sharing a processor, and find their caches warm there. But where others want it
too, they would stand in line while another processor may be free; so somebody watches, and lets the threads go wherever there is room.
"""

import os
import socket
import threading
import time
from pathlib import Path

_WATCHED_SECONDS = 0.25
_WINDOWS = 2
"""Times in a row that a processor has to be found crowded."""
_AVOIDED_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""How long a crowded processor is left to others before it is tried again, each time longer until it was found free."""
_CROWDED_SHARE = 0.4
"""Share of the processor that others may have before it is theirs."""
_WANTED_SHARE = 0.1
_NANOSECONDS = 1_000_000_000

_NOWHERE = frozenset[int]()
_anywhere = _NOWHERE
_wanted = _NOWHERE
"""Where threads are to be; empty: nobody cares."""
_seat: socket.socket | None = None
_seated: set[int] = set()
"""The threads that are kept, by the number that the kernel knows them by."""


class _Thread(threading.local):
    place = _NOWHERE


_thread = _Thread()


def take() -> int | None:
    """Keep the threads that `sit_down` on one processor from now on, and return its number; None: none is free, or there is only one.

    A name in the machine's abstract space says that a processor is taken, and goes with the process.
    """
    global _anywhere, _wanted, _seat
    allowed = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset[int]()
    for number in sorted(allowed, reverse=True) if len(allowed) > 1 else ():
        seat = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            seat.bind(f"\0moongate-processor-{number}")
        except OSError:
            seat.close()
            continue
        _anywhere, _wanted, _seat = allowed, frozenset({number}), seat
        threading.Thread(target=_watch, args=(number, _wanted, seat), name="processor-watch", daemon=True).start()
        return number
    return None


def sit_down() -> None:
    """Go where the threads of this process are to be."""
    if _thread.place is not _wanted:
        os.sched_setaffinity(0, _wanted)
        _thread.place = _wanted
        _seated.add(threading.get_native_id())


def get_up() -> None:
    """Go wherever there is room, until `sit_down`."""
    if _thread.place and _thread.place is not _anywhere:
        os.sched_setaffinity(0, _anywhere)
        _thread.place = _anywhere


def is_crowded(busy: float, own: float, elapsed: float) -> bool:
    """Return whether others had too much of a processor that was in use for `busy` of `elapsed`, and for `own` of it by us.

    Where we hardly want it, it does not matter who has it.
    """
    return own > _WANTED_SHARE * elapsed and busy - own > _CROWDED_SHARE * elapsed


def _watch(number: int, here: frozenset[int], seat: socket.socket) -> None:
    """Choose where threads are to be, as long as the seat is ours."""
    global _wanted  # noqa: PLW0603 -- a process has one place
    rest = threading.Event()
    crowded = avoided = 0
    while _seat is seat:
        _wanted = here
        before = _looked(number)
        rest.wait(_WATCHED_SECONDS)
        spent = [late - early for early, late in zip(before, _looked(number), strict=True)]
        if not is_crowded(*spent):
            crowded = avoided = 0
            continue
        crowded += 1
        if crowded >= _WINDOWS and _seat is seat:
            _wanted = _anywhere
            rest.wait(_AVOIDED_SECONDS[avoided])
            crowded, avoided = 0, min(avoided + 1, len(_AVOIDED_SECONDS) - 1)


def _looked(number: int) -> tuple[float, float, float]:
    """Return for how many seconds the processor was in use so far, for how many by our threads, and what the clock says."""
    return _busy_seconds(number), sum(map(_ran_seconds, tuple(_seated))), time.monotonic()


def _busy_seconds(number: int) -> float:
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{number}":
            user, nice, system, _idle, _waiting, interrupts, soft = map(int, ticks[:7])
            return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _ran_seconds(thread: int) -> float:
    try:
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_text().split()[0]) / _NANOSECONDS
    except (OSError, ValueError, IndexError):
        # It ended, or this kernel does not count.
        _seated.discard(thread)
        return 0.0
