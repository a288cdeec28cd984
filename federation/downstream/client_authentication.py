"""Knowing an app again: by secret (Basic or form), by signed assertion, or by its id alone where it can keep no secret."""

import base64
import binascii
import logging
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError

from federation.downstream.asked import Asked
from federation.downstream.assertions import ASSERTION_TYPE, AssertionRefused, claimed_client, verify_assertion
from federation.downstream.parameters import Parameters
from federation.downstream.throttle import TooManyFailures
from gateway.domain.relying_party import AuthMethod, RelyingParty
from gateway.services import relying_parties
from gateway.services.context import Context

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Presented:
    """What a request shows of its app."""

    method: AuthMethod
    client_id: str
    secret: str = ""


def authenticate(asked: Asked, parameters: Parameters) -> RelyingParty:
    """Return the app that proved itself by the one method it is registered for.

    Raises InvalidClientError, with the same text whatever failed; InvalidRequestError for two proofs at once (RFC 6749 §2.3); and
    TooManyFailures, before anything is looked up, for a caller that kept failing (openid.md 25).
    """
    context, presented = asked.context, _presented(asked, parameters)
    failures = asked.memory.failures
    failures.require_few(context, presented.client_id)
    party = relying_parties.find(context, asked.node.id, presented.client_id)
    if party is None or party.auth_method is not presented.method:
        _refuse(context, presented, "unknown app, or one that proves itself by another method")
    if presented.method in {AuthMethod.BASIC, AuthMethod.POST} and not relying_parties.verify_secret(context, party, presented.secret):
        failures.count(context, presented.client_id)
        _refuse(context, presented, "wrong secret")
    if presented.method is AuthMethod.PRIVATE_KEY_JWT:
        try:
            verify_assertion(asked, party, presented.secret)
        except AssertionRefused as refusal:
            failures.count(context, presented.client_id)
            _refuse(context, presented, refusal.reason)
    return party


def _presented(asked: Asked, parameters: Parameters) -> _Presented:
    basic = _basic(asked.authorization)
    posted = "client_secret" in parameters
    asserted = "client_assertion" in parameters or "client_assertion_type" in parameters
    if (basic is not None) + posted + asserted > 1:
        raise InvalidRequestError("More than one client authentication method.")
    named = parameters.get("client_id", "")
    if basic is not None:
        if named and named != basic.client_id:
            raise InvalidRequestError("The client_id is not that of the Authorization header.")
        return basic
    if asserted:
        return _by_assertion(parameters, named)
    if not named:
        raise_invalid_client()
    return _Presented(AuthMethod.POST if posted else AuthMethod.NONE, named, parameters.get("client_secret", ""))


def _by_assertion(parameters: Parameters, named: str) -> _Presented:
    assertion = parameters.get("client_assertion", "")
    if parameters.get("client_assertion_type") != ASSERTION_TYPE or not assertion:
        raise_invalid_client()
    client_id = claimed_client(assertion)
    if not client_id or (named and named != client_id):
        raise_invalid_client()
    return _Presented(AuthMethod.PRIVATE_KEY_JWT, client_id, assertion)


def _basic(authorization: str) -> _Presented | None:
    """Return id and secret of the Authorization header, form-decoded (RFC 6749 §2.3.1); None without a Basic one."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, colon, secret = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise_invalid_client()
    if not colon:
        raise_invalid_client()
    return _Presented(AuthMethod.BASIC, unquote_plus(client_id), unquote_plus(secret))


def _refuse(context: Context, presented: _Presented, reason: str) -> NoReturn:
    fields = {"client_id": presented.client_id[:64], "method": presented.method, "correlation_id": context.correlation_id}
    _LOG.warning("an app did not prove itself: %s", reason, extra={"fields": fields})
    raise_invalid_client()


def raise_invalid_client() -> NoReturn:
    """Refuse an app that did not prove itself: 401 with the challenge that RFC 6749 §5.2 asks for."""
    raise InvalidClientError("Client authentication failed.", status_code=401)


__all__ = ["TooManyFailures", "authenticate", "raise_invalid_client"]
