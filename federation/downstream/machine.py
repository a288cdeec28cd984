"""What the endpoints for programs share: JSON in every case, forms only, never to be stored."""

import functools
from collections.abc import Callable
from typing import cast

from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Response, request

from federation.downstream import parameters
from federation.downstream.ready import in_json
from federation.downstream.requests import ProviderRequest
from federation.downstream.server import ProviderServer
from federation.downstream.throttle import TooManyFailures
from federation.errors import describe, error_of, plain
from gateway.domain.audit import Channel
from gateway.domain.errors import Refusal
from gateway.http import journal, requests, tenancy
from gateway.storage.database import DatabaseUnavailable

View = Callable[[], Response]


def answered_in_json(view: View) -> View:
    """Answer every refusal of a view with an OAuth error in JSON; programs read no pages."""

    @functools.wraps(view)
    def answer() -> Response:
        # Faults of ours are answered by the app's own handler, which then sends a problem document and no page.
        request.environ["HTTP_ACCEPT"] = "application/json"
        try:
            return view()
        except Refusal as refusal:
            journal.tell_refusal(request.environ, refusal)
            status = refusal.disclosed().entry.page_status
            return error(status, error_of(refusal), describe(refusal, requests.correlation_id()))
        except TooManyFailures as failures:
            response = error(429, "temporarily_unavailable", "Too many failed attempts to authenticate.")
            response.headers["Retry-After"] = str(failures.seconds)
            return response
        except DatabaseUnavailable as failure:
            journal.tell_refusal(request.environ, Refusal("E_Unavailable", reason=str(failure)))
            return error(503, "temporarily_unavailable", "The server cannot answer now.")

    return answer


def error(status: int, code: str, description: str) -> Response:
    """Return an OAuth error."""
    journal.tell_error(request.environ, code, description)
    return in_json({"error": code, "error_description": description}, status)


@answered_in_json
def token() -> Response:
    """The token endpoint (RFC 6749 §3.2)."""
    server, asked = _server(), _form()
    return _refused(server, asked) or cast(Response, server.create_token_response(asked))


@answered_in_json
def introspect() -> Response:
    """The introspection endpoint (RFC 7662)."""
    server, asked = _server(), _form()
    return _refused(server, asked) or cast(Response, server.create_endpoint_response("introspection", asked))  # type: ignore[no-untyped-call]  # untyped in authlib's stubs


@answered_in_json
def revoke() -> Response:
    """The revocation endpoint (RFC 7009)."""
    server, asked = _server(), _form()
    return _refused(server, asked) or cast(Response, server.create_endpoint_response("revocation", asked))  # type: ignore[no-untyped-call]  # untyped in authlib's stubs


def _server() -> ProviderServer:
    return ProviderServer(requests.context(Channel.APP), tenancy.current_node())


def _form() -> ProviderRequest:
    return ProviderRequest(parameters.of_form())


def _refused(server: ProviderServer, asked: ProviderRequest) -> Response | None:
    """Return the refusal of a request that is no plain form; secrets in a query string end up in logs (RFC 6749 §2.3.1 and 3.2)."""
    fault = ""
    if request.query_string:
        fault = "Parameters belong in the form, not in the query string."
    elif request.mimetype != parameters.FORM:
        fault = f"The body is {parameters.FORM}."
    elif asked.parameters.repeated:
        fault = f"Repeated: {', '.join(sorted(asked.parameters.repeated))}."
    elif "grant_type" not in asked.parameters and request.path.endswith("/token"):
        fault = "The grant_type is missing."
    return server.handle_error_response(asked, InvalidRequestError(plain(fault))) if fault else None
