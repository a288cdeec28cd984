"""The authorization endpoint: a code at once for whoever is signed in well enough, else a sign-in that comes back here."""

from dataclasses import replace
from typing import TYPE_CHECKING

from flask import Response, request

from federation.downstream import answers
from federation.downstream.answers import Unanswerable, destination_of
from federation.downstream.asked import receive
from federation.downstream.authorization_request import find_destination, read_request
from federation.downstream.ready import Answer
from gateway.domain.audit import Channel
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.relying_party import AuthorizationRequest, RelyingParty, Session
from gateway.domain.sign_in import Path, Proof, SignIn, Step
from gateway.domain.values import MINUTE_MS, SECOND_MS, Instant
from gateway.http import cookies, endpoints, requests, tenancy
from gateway.services import grants, relying_parties, sessions
from gateway.services import sign_in as sign_ins
from gateway.services.admission import Admitted
from gateway.services.context import Context

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_CLOCKS_MS = MINUTE_MS
"""How far the clock of a provider that authenticated somebody may differ from ours."""


def authorize() -> Response:
    """Answer an authorization request (OIDC Core §3.1.2), by GET or POST."""
    received = receive(request.environ, Channel.SIGN_IN)
    node, context, parameters = received.node, received.context, received.of_query_or_form()
    party, destination = find_destination(received, parameters)
    try:
        asked = read_request(received, party, parameters)
    except Unanswerable as error:
        return answers.with_error(destination, error.error, error.description)
    session = sessions.find_live_session(context, node, cookies.session_secret(node))
    if session is None or not is_good_enough(session, asked, context.now()):
        if "none" in asked.prompt:
            return answers.with_error(destination, "login_required", "Nobody is signed in who would do.")
        return _to_sign_in(node, sign_ins.begin(context, node, asked))
    return _for_session(context, node, party, asked, session)


def find_code(environ: "WSGIEnvironment") -> Answer | None:
    """Return the redirect with a code, where a live session has it at once and nothing stands in the way.

    None for everything else: nothing was written then, and `authorize` is to be asked, which decides by the same functions.
    """
    try:
        received = receive(environ, Channel.SIGN_IN)
        node, context, parameters = received.node, received.context, received.of_query_or_form()
        secret = cookies.session_secret_in(environ.get("HTTP_COOKIE", ""), node)
        if not secret or parameters.get("response_mode", "query") != "query":
            return None
        party, destination = find_destination(received, parameters)
        asked = read_request(received, party, parameters)
        signed_in = sessions.find_signed_in(context, node, secret)
        if signed_in is None or not is_good_enough(signed_in.session, asked, context.now()):
            return None
        found = grants.find_code(context, node, party, asked, signed_in)
    except Exception:  # noqa: BLE001 -- whatever it is, the view meets it again and has a page for it
        return None
    if found is None:
        return None
    code, trace = found
    received.memory.traces.add(trace, context.now())
    return answers.leading_to_code(destination, code)


def continue_() -> Response:
    """Answer the app whose sign-in is finished: its session was opened, and the sign-in is taken once."""
    node, context = tenancy.current_node(), requests.context(Channel.SIGN_IN)
    sign_in = sign_ins.get(context, node, request.args.get("id", ""), cookies.sign_in_secret(node, request.args.get("id", "")))
    context = context.traced_as(sign_in.correlation_id)
    party = _waiting(context, node, sign_in)
    session = sessions.find_live_session(context, node, cookies.session_secret(node))
    if session is None or not _is_result(session, sign_in):
        if sign_in.session is not None:
            # Ended, or another person's: without a new beginning the dispatcher would send the browser here again, and again.
            sign_ins.restart(context, node, sign_in)
        return answers.see_other(endpoints.below(node, endpoints.SIGN_IN, id=sign_in.id))
    if not sign_ins.finish(context, sign_in):
        raise Refusal("E_State_Invalid", reason="the sign-in was finished meanwhile")
    response = _finished(context, node, party, sign_in, session)
    cookies.clear_sign_in(response, node, sign_in.id)
    return response


def return_() -> Response:
    """Take what stands in the way back to the app: the refusal of a sign-in, or that the person turned round."""
    node, context = tenancy.current_node(), requests.context(Channel.SIGN_IN)
    unverified_id = request.args.get("id", "")
    sign_in = sign_ins.get_for_return(context, node, unverified_id, cookies.sign_in_secret(node, unverified_id))
    _waiting(context, node, sign_in)
    destination = destination_of(node, _request_of(sign_in))
    if not sign_ins.finish(context, sign_in):
        raise Refusal("E_State_Invalid", reason="the sign-in was finished meanwhile")
    if sign_in.refusal is not None:
        response = answers.with_refusal(destination, sign_in.refusal.code, sign_in.correlation_id)
    elif sign_in.expires_at <= context.now():
        response = answers.with_refusal(destination, "E_Session_Expired", sign_in.correlation_id)
    else:
        response = answers.with_error(destination, "access_denied", "The person went back without signing in.")
    cookies.clear_sign_in(response, node, sign_in.id)
    return response


def is_good_enough(session: Session, asked: AuthorizationRequest, now: Instant) -> bool:
    """Return whether a live session answers a request without a new sign-in (OIDC Core §3.1.2.1, openid.md 14, 16)."""
    if {"login", "select_account"} & set(asked.prompt):
        return False
    # Equal counts as too old, so that max_age=0 always asks.
    if asked.max_age is not None and now - session.means.auth_time >= asked.max_age * SECOND_MS:
        return False
    return not asked.hinted_subject or asked.hinted_subject == session.account


def _is_result(session: Session, sign_in: SignIn) -> bool:
    """Return whether a session is the one this sign-in opened, or that of the same person who finished in another tab meanwhile."""
    if sign_in.session is None or sign_in.proof is None:
        return False
    return session.sid == sign_in.session or session.account == sign_in.proof.account


def _for_session(context: Context, node: Node, party: RelyingParty, asked: AuthorizationRequest, session: Session) -> Response:
    destination = destination_of(node, asked)
    try:
        outcome = grants.authorize(context, node, party, asked, session, tenant=asked.tenant)
    except Refusal as refusal:
        if "none" in asked.prompt:
            return answers.with_refusal(destination, refusal.code, context.correlation_id)
        return _with_session_proof(context, node, asked, session)
    if isinstance(outcome, str):
        return answers.with_code(destination, outcome)
    if "none" in asked.prompt:
        return answers.with_error(destination, *_due(outcome))
    return _with_session_proof(context, node, asked, session)


def _with_session_proof(context: Context, node: Node, asked: AuthorizationRequest, session: Session) -> Response:
    """Begin a sign-in in which the session is the proof: its pages show the refusal, or ask for what is due, and no password again.

    The session goes on to the end it had, under another secret.
    """
    begun = sign_ins.begin(context, node, asked)
    proof = Proof(session.account, Path.SESSION, session.means, session.created_at, session.sid)
    progress = sign_ins.advance(context, node, replace(begun.sign_in, proof=proof))
    response = _to_sign_in(node, begun)
    if progress.session_secret:
        cookies.set_session(response, node, progress.session_secret)
    return response


def _finished(context: Context, node: Node, party: RelyingParty, sign_in: SignIn, session: Session) -> Response:
    asked = _request_of(sign_in)
    destination = destination_of(node, asked)
    if asked.hinted_subject and asked.hinted_subject != session.account:
        return answers.with_error(destination, "login_required", "Another person signed in than the id_token_hint says.")
    if not _is_fresh(sign_in, asked, session):
        return answers.with_error(destination, "login_required", "The identity provider did not ask the person anew.")
    try:
        outcome = grants.authorize(context, node, party, asked, session, tenant=sign_in.tenant or asked.tenant)
    except Refusal as refusal:
        return answers.with_refusal(destination, refusal.code, context.correlation_id)
    return answers.with_code(destination, outcome) if isinstance(outcome, str) else answers.with_error(destination, *_due(outcome))


def _is_fresh(sign_in: SignIn, asked: AuthorizationRequest, session: Session) -> bool:
    """Return whether the person was asked as lately as the app demands; a provider may have passed on an old sign-in (openid.md 14)."""
    if asked.max_age is None and "login" not in asked.prompt:
        return True
    allowed = 0 if "login" in asked.prompt else (asked.max_age or 0) * SECOND_MS
    leeway = _CLOCKS_MS if session.means.provider else 0
    return session.means.auth_time + allowed + leeway >= sign_in.created_at


def _due(outcome: Admitted) -> tuple[str, str]:
    if outcome.due is Step.CHOOSE_TENANT:
        return "account_selection_required", "The person has to choose a tenant."
    return "interaction_required", "The person has something to do first."


def _request_of(sign_in: SignIn) -> AuthorizationRequest:
    if sign_in.request is None or sign_in.parent is not None:
        raise Refusal("E_State_Invalid", reason="no app waits for this sign-in")
    return sign_in.request


def _waiting(context: Context, node: Node, sign_in: SignIn) -> RelyingParty:
    """Return the app that waits, still registered with the address it waits at, or refuse."""
    asked = _request_of(sign_in)
    party = relying_parties.find(context, node.id, asked.client_id)
    if party is None:
        raise Refusal("E_Client_Unknown", reason="the app was removed or switched off meanwhile")
    if not relying_parties.matches_redirect_uri(party, asked.redirect_uri):
        raise Refusal("E_Redirect_Uri_Invalid", data={"app": party.name}, reason="the redirect URI was removed meanwhile")
    return party


def _to_sign_in(node: Node, begun: sign_ins.Begun) -> Response:
    response = answers.see_other(endpoints.below(node, endpoints.SIGN_IN, id=begun.sign_in.id))
    cookies.set_sign_in(response, node, begun.sign_in.id, begun.secret)
    return response
