"""Two acts at the same moment: the second one begins exactly where it could slip in between a read of the first and its write."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest import mock

from gateway.domain.errors import Refusal
from gateway.services.context import Context

_AHEAD_SECONDS = 0.3
"""How long the second act has to get ahead, where nothing holds it."""
_PATIENCE_SECONDS = 60


@dataclass
class Other:
    """What became of the second act."""

    result: object = None
    errors: list[BaseException] = field(default_factory=list)

    @property
    def code(self) -> str:
        """The code by which it was refused; empty if it was not."""
        return next((error.code for error in self.errors if isinstance(error, Refusal)), "")


@contextmanager
def meanwhile(context: Context, target: object, name: str, act: Callable[[], object]) -> Iterator[Other]:
    """Begin `act` in another thread as soon as the function `name` of `target` has returned for the first time inside the block.

    Whoever called it goes on after a while, whether the other is done by then or waits for something that is held.
    """
    other, original = Other(), getattr(target, name)
    thread = threading.Thread(target=_attempt, args=(context, act, other))

    def slow(*arguments: object, **named: object) -> object:
        answer = original(*arguments, **named)
        if thread.ident is None:
            thread.start()
            thread.join(_AHEAD_SECONDS)
        return answer

    with mock.patch.object(target, name, slow):
        yield other
    assert thread.ident is not None, f"{name} was never called"
    thread.join(_PATIENCE_SECONDS)
    assert not thread.is_alive(), "the other act still waits"
    for error in other.errors:
        if not isinstance(error, Refusal):
            raise error


def _attempt(context: Context, act: Callable[[], object], other: Other) -> None:
    try:
        other.result = act()
    except Exception as error:  # noqa: BLE001 -- handed to the test, which judges it
        other.errors.append(error)
    finally:
        context.database.close()


def crowd(context: Context, count: int, act: Callable[[int], object]) -> list[object]:
    """Do `act` in so many threads at the same moment; return what each got, or the error that was raised."""
    gate, got = threading.Barrier(count), [None] * count

    def one(at: int) -> None:
        other = Other()
        gate.wait(_PATIENCE_SECONDS)
        _attempt(context, lambda: act(at), other)
        got[at] = other.errors[0] if other.errors else other.result  # type: ignore[call-overload]  # whatever it is

    threads = [threading.Thread(target=one, args=(at,)) for at in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE_SECONDS)
    return list(got)
