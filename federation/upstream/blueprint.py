"""The way to an identity provider and back."""

from typing import cast

from flask import Blueprint, Response, current_app, jsonify, make_response, redirect, request
from flask.blueprints import BlueprintSetupState

from federation.upstream import login, logout
from federation.upstream.login import Answer
from federation.upstream.metadata import Published
from federation.upstream.party import Party
from gateway.domain.audit import Channel
from gateway.domain.errors import Refusal
from gateway.domain.identity import IdentityProvider
from gateway.domain.nodes import Node
from gateway.domain.relying_party import RelyingParty
from gateway.domain.sign_in import Path, SignIn, UpstreamLeg
from gateway.http import cookies, endpoints, journal, requests
from gateway.http.tenancy import current_node
from gateway.metrics import figures
from gateway.services import admission, identity_providers, relying_parties, sessions, sign_in
from gateway.services.admission import Attempt
from gateway.services.context import Context
from gateway.services.house import House

door = Blueprint("upstream", __name__)

_EXTENSION = "moongate.upstream"
_PARAMETERS = ("state", "code", "iss", "error", "error_description")
_MAX_PARAMETER = 8192
"""Longest parameter of an answer that is looked at: some providers' codes are a few thousand characters."""
_STEPS = {"E_Idp_Unknown": "provider", "E_Idp_Disabled": "provider", "E_Idp_Link_Only": "provider", "E_Claim_Missing": "claims"}
"""At which step of the chain a code of this door stops it; all others at `protocol`."""
_PROVIDERS_FAULT = frozenset({"E_Idp_Unreachable", "E_Idp_Config", "E_Token_Invalid"})
"""Codes that say that the provider, or what we know of it, is broken; all others are about the person."""


@door.record
def _keep_published(state: BlueprintSetupState) -> None:
    """Give each app its own memory of what providers publish."""
    house: House = state.app.extensions[requests.EXTENSION]
    state.app.extensions[_EXTENSION] = Published(house.fetcher, house.clock)


@door.get("/federation/<key>/start")
def start(key: str) -> Response:
    """Send the browser of a sign-in (`id`) to the provider."""
    node, context = current_node(), requests.context(Channel.SIGN_IN)
    sign_in_id = request.args.get("id", "")
    try:
        attempt = sign_in.get(context, node, sign_in_id, cookies.sign_in_secret(node, sign_in_id))
    except Refusal as refusal:
        raise _recorded(context, node, key, refusal) from refusal
    context, provider = context.traced_as(attempt.correlation_id), None
    try:
        provider = identity_providers.get_provider(context, node, key)
        return _go(login.begin(_party(context, node, provider), attempt))
    except Refusal as refusal:
        return _refused(context, node, attempt, provider, refusal)


@door.post("/federation/<key>/callback")
def callback_by_form(key: str) -> Response:
    """Turn an answer that was posted from the provider's site into our own GET: cross-site POSTs bring no cookies (decisions.md 22)."""
    requests.require_form()
    given = {name: request.form[name] for name in _PARAMETERS if request.form.get(name)}
    return _go(endpoints.below(current_node(), endpoints.federation_callback(key), **given))


@door.get("/federation/<key>/callback")
def callback(key: str) -> Response:
    """Take the provider's answer, verify all of it, and let admission decide; whatever comes of it, the dispatcher shows."""
    node, context = current_node(), requests.context(Channel.SIGN_IN)
    answer, leg, attempt, provider = _arrived_back(context, node, key)
    context = context.traced_as(attempt.correlation_id)
    try:
        assertion = login.finish(_party(context, node, provider), attempt, leg, answer)
    except Refusal as refusal:
        return _refused(context, node, attempt, provider, refusal)
    figures.PROVIDER_SUCCESS.note(context.now(), node.slug, provider.key)
    progress = sign_in.prove_federated(context, node, attempt, provider, assertion)
    response = _to_dispatcher(node, attempt)
    if progress.session_secret and progress.sign_in.proof is not None:
        sessions.end_of_somebody_else(context, node, cookies.session_secret(node), progress.sign_in.proof.account)
        cookies.set_session(response, node, progress.session_secret)
    return response


@door.post("/federation/<key>/backchannel-logout")
def backchannel_logout(key: str) -> Response:
    """Take a logout token from the provider itself; the answer does not tell whether the person is known (§2.8)."""
    requests.require_form()
    node, context = current_node(), requests.context(Channel.SIGN_IN)
    try:
        provider = identity_providers.get_provider(context, node, key)
        logout.take(_party(context, node, provider), request.form.get("logout_token", ""))
    except Refusal as refusal:
        journal.tell_refusal(request.environ, refusal)
        told = {"error": "invalid_request", "error_description": f"{refusal.code}. Correlation {context.correlation_id}"}
        return make_response(jsonify(told), 400)
    return make_response("", 200)


def _arrived_back(context: Context, node: Node, key: str) -> tuple[Answer, UpstreamLeg, SignIn, IdentityProvider]:
    """Return the answer with the leg and the sign-in it belongs to, or refuse before anything of it goes anywhere.

    The state must be ours and unused, of this browser, of this provider, and not too old (openid.md 38, 39, 41).
    """
    try:
        answer = _read_answer()
        leg = sign_in.take_leg(context, answer.state)
        attempt = sign_in.get(context, node, leg.sign_in, cookies.sign_in_secret(node, leg.sign_in))
        provider = identity_providers.get_provider(context, node, key)
        _require_made_for(leg, provider)
    except Refusal as refusal:
        raise _recorded(context, node, key, refusal) from refusal
    return answer, leg, attempt, provider


def _require_made_for(leg: UpstreamLeg, provider: IdentityProvider) -> None:
    if provider.id != leg.provider:
        raise Refusal("E_State_Invalid", reason="the state was made for another provider")


def _read_answer() -> Answer:
    for name in _PARAMETERS:
        values = request.args.getlist(name)
        if len(values) > 1 or any(len(value) > _MAX_PARAMETER for value in values):
            raise Refusal("E_State_Invalid", reason=f"{name} comes more than once, or is too long")
    given = {name: request.args.get(name, "") for name in _PARAMETERS}
    if not given["state"]:
        raise Refusal("E_State_Invalid", reason="no state")
    return Answer(given["state"], given["code"], given["iss"], given["error"], given["error_description"])


def _party(context: Context, node: Node, provider: IdentityProvider) -> Party:
    published = cast(Published, current_app.extensions[_EXTENSION])
    return Party(context, requests.house().fetcher, published, node, provider)


def _recorded(context: Context, node: Node, key: str, refusal: Refusal) -> Refusal:
    """Store the trace of somebody who came without a sign-in of this browser, and return the refusal."""
    journal.tell_refusal(request.environ, refusal)
    attempt = Attempt(node=node.id, path=Path.FEDERATED)
    admission.record_refusal(context, attempt, _STEPS.get(refusal.code, "protocol"), refusal, {"key": key[:64]})
    return refusal


def _refused(context: Context, node: Node, attempt: SignIn, provider: IdentityProvider | None, refusal: Refusal) -> Response:
    """Store a refusal with its trace and go to the dispatcher, which shows it with a way on."""
    journal.tell_refusal(request.environ, refusal)
    if provider is not None and refusal.code in _PROVIDERS_FAULT:
        figures.PROVIDER_FAILURE.note(context.now(), node.slug, provider.key)
    refused = Attempt(node=node.id, path=Path.FEDERATED, provider=provider, client=_client_of(context, node, attempt))
    detail = {"provider": provider.key, "issuer": provider.issuer} if provider else {}
    admission.record_refusal(context, refused, _STEPS.get(refusal.code, "protocol"), refusal, detail)
    sign_in.refuse(context, attempt, refusal)
    return _to_dispatcher(node, attempt)


def _client_of(context: Context, node: Node, attempt: SignIn) -> RelyingParty | None:
    """Return the app that waits for the sign-in, for the trace; None where it waits at another issuer, or is gone."""
    if attempt.request is None or attempt.parent is not None:
        return None
    try:
        return relying_parties.get_relying_party(context, node.id, attempt.request.client_id)
    except Refusal:
        return None


def _to_dispatcher(node: Node, attempt: SignIn) -> Response:
    return _go(endpoints.below(node, endpoints.SIGN_IN, id=attempt.id))


def _go(url: str) -> Response:
    return cast(Response, redirect(url, 303))
