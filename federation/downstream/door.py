"""The door in front of Flask: what every sign-on asks for, decided by the same functions, without Flask's contexts and routing.

The endpoints for programs are answered here in every case. An authorization request is answered here where a live session has its code at
once; all else about it has pages and cookies, and goes through to Flask's view as if nobody had looked at it before.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from federation.downstream import authorize, cors, machine, protected
from federation.downstream.asked import MEMORY, Memory
from federation.downstream.ready import Answer
from gateway.http import endpoints, journal
from gateway.http.tenancy import HOUSE, NODE_ID
from gateway.services import admission
from gateway.services.house import House
from gateway.storage.database import DatabaseUnavailable

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_NAME = "downstream"
_ACTS: Mapping[tuple[str, str], Callable[["WSGIEnvironment"], Answer | None]] = {
    (endpoints.AUTHORIZE, "GET"): authorize.find_code,
    (endpoints.TOKEN, "POST"): machine.token,
    (endpoints.INTROSPECT, "POST"): machine.introspect,
    (endpoints.REVOKE, "POST"): machine.revoke,
    (endpoints.USERINFO, "GET"): protected.userinfo,
    (endpoints.USERINFO, "POST"): protected.userinfo,
}


class Door:
    """The middleware; see the module's first lines."""

    def __init__(self, app: "WSGIApplication") -> None:
        """Wrap `app`; inside of `Tenancy`, which finds the issuer."""
        self._app = app
        self._memory = Memory()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer what is asked with every sign-on, or let the app do it."""
        environ[MEMORY] = self._memory
        self._keep_traces(environ[HOUSE])
        path: str = environ.get("PATH_INFO", "")
        act = _ACTS.get((path, environ["REQUEST_METHOD"])) if NODE_ID in environ else None
        answer = act(environ) if act is not None else None
        if answer is None:
            return self._app(environ, start_response)
        journal.tell_place(environ, _NAME, path)
        return answer.send(start_response, cors.headers_of(environ))

    def _keep_traces(self, house: House) -> None:
        """Write the traces that have waited long enough; they are not worth the request of whoever comes by."""
        with suppress(DatabaseUnavailable):
            self._memory.traces.write_due(house.clock(), partial(admission.keep_traces, house.database))
