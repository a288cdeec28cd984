"""What the endpoints for programs share: JSON in every case, forms only, never to be stored."""

import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from authlib.oauth2.rfc6749 import InvalidRequestError

from federation.downstream.asked import FORM, Asked, receive
from federation.downstream.ready import Answer, in_json
from federation.downstream.requests import ProviderRequest
from federation.downstream.server import ProviderServer
from federation.downstream.throttle import TooManyFailures
from federation.errors import describe, error_of, plain
from gateway.domain.audit import Channel
from gateway.domain.errors import Refusal
from gateway.http import endpoints, journal
from gateway.http.tenancy import CORRELATION
from gateway.storage.database import DatabaseUnavailable

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Act = Callable[["WSGIEnvironment"], Answer]
_LOG = logging.getLogger(__name__)


def answered_in_json(act: Callable[[Asked], Answer]) -> Act:
    """Answer every refusal of an act, and every fault, with an OAuth error in JSON; programs read no pages."""

    @functools.wraps(act)
    def answer(environ: "WSGIEnvironment") -> Answer:
        try:
            return act(receive(environ, Channel.APP))
        except Refusal as refusal:
            return _refused(environ, refusal)
        except TooManyFailures as failures:
            slow = _error(environ, 429, "temporarily_unavailable", "Too many failed attempts to authenticate.")
            return slow.saying(("Retry-After", str(failures.seconds)))
        except DatabaseUnavailable as failure:
            journal.tell_refusal(environ, Refusal("E_Unavailable", reason=str(failure)))
            return _error(environ, 503, "temporarily_unavailable", "The server cannot answer now.")
        except Exception as error:  # noqa: BLE001 -- whatever it is, a program is told in its form
            _LOG.error("unhandled fault", exc_info=error, extra={"fields": {"correlation_id": environ[CORRELATION]}})
            return _refused(environ, Refusal("E_Internal"))

    return answer


@answered_in_json
def token(request: Asked) -> Answer:
    """The token endpoint (RFC 6749 §3.2)."""
    server, form = ProviderServer(request), _form(request)
    return _unless_plain(server, request, form) or cast(Answer, server.create_token_response(form))


@answered_in_json
def introspect(request: Asked) -> Answer:
    """The introspection endpoint (RFC 7662)."""
    return _endpoint(request, "introspection")


@answered_in_json
def revoke(request: Asked) -> Answer:
    """The revocation endpoint (RFC 7009)."""
    return _endpoint(request, "revocation")


def _endpoint(request: Asked, name: str) -> Answer:
    server, form = ProviderServer(request), _form(request)
    return _unless_plain(server, request, form) or cast(Answer, server.create_endpoint_response(name, form))  # type: ignore[no-untyped-call]  # untyped in authlib's stubs


def _form(request: Asked) -> ProviderRequest:
    return ProviderRequest(request.method, request.of_form())


def _unless_plain(server: ProviderServer, request: Asked, form: ProviderRequest) -> Answer | None:
    """Return the refusal of a request that is no plain form; secrets in a query string end up in logs (RFC 6749 §2.3.1 and 3.2)."""
    fault = ""
    if request.query_string:
        fault = "Parameters belong in the form, not in the query string."
    elif request.media_type != FORM:
        fault = f"The body is {FORM}."
    elif form.parameters.repeated:
        fault = f"Repeated: {', '.join(sorted(form.parameters.repeated))}."
    elif "grant_type" not in form.parameters and request.environ["PATH_INFO"].rstrip("/") == endpoints.TOKEN:
        fault = "The grant_type is missing."
    return server.handle_error_response(form, InvalidRequestError(plain(fault))) if fault else None


def _refused(environ: "WSGIEnvironment", refusal: Refusal) -> Answer:
    journal.tell_refusal(environ, refusal)
    status = refusal.disclosed().entry.page_status
    return _error(environ, status, error_of(refusal), describe(refusal, environ[CORRELATION]))


def _error(environ: "WSGIEnvironment", status: int, code: str, description: str) -> Answer:
    journal.tell_error(environ, code, description)
    return in_json({"error": code, "error_description": description}, status)
