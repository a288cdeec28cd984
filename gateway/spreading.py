"""Connections are spread over the processes of a server: clients that keep one for ever would otherwise stay where they were taken.

All processes listen at one port, and who of them takes a burst of connections is chance: one may get all of them. So now and then an answer
is the last one of its connection; its client comes back by another one, which whoever has the least to do takes soonest.
"""

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gateway.leaving import LastAnswers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ANSWERS = 250
"""Of a process, one of which is the last of its connection: a connection anew costs less than a hundredth of them."""


class Spreading:
    """The middleware in front of all others where several processes share a port."""

    def __init__(self, app: "WSGIApplication") -> None:
        """Wrap `app`."""
        self._app = app
        self._last = LastAnswers(app)
        self._numbers = itertools.count(1)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Let the app answer."""
        answer = self._app if next(self._numbers) % ANSWERS else self._last
        return answer(environ, start_response)
