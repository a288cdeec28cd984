"""RP-initiated logout: silent only for the very session that the hint was given in, else the person is asked (openid.md 85)."""

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Response, render_template, request

from federation.downstream.answers import see_other
from federation.downstream.asked import receive
from federation.downstream.bearer import ALGORITHMS
from federation.downstream.parameters import Parameters
from gateway.domain.audit import Channel
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.relying_party import RelyingParty, Session
from gateway.domain.values import hash_token
from gateway.http import cookies, headers, requests, tenancy
from gateway.services import keys, relying_parties, sessions
from gateway.services.context import Context
from gateway.tokens.claims import TokenRejected, VerifiedClaims
from gateway.tokens.verification import verify_hint


@dataclass(frozen=True, slots=True)
class _Wish:
    """A logout request as far as it can be believed."""

    hint: VerifiedClaims | None
    app: RelyingParty | None
    destination: str
    """Where the browser goes afterwards; empty: our own page."""


def logout() -> Response:
    """End the browser's session at this issuer (RP-Initiated Logout §2), by GET or POST."""
    node, context = tenancy.current_node(), requests.context(Channel.SIGN_IN)
    received = receive(request.environ, Channel.SIGN_IN).of_query_or_form()
    if received.repeated:
        raise Refusal("E_Request_Invalid", reason="a parameter came twice")
    wish = _read(context, node, received)
    secret = cookies.session_secret(node)
    session = sessions.find_live_session(context, node, secret)
    if session is None:
        return _done(node, wish)
    if request.method == "POST" and received.get("confirm", "") == _confirmation(secret):
        return _end(context, node, session, wish)
    if wish.hint is not None and wish.hint.subject == session.account and wish.hint.claims.get("sid") == session.sid:
        return _end(context, node, session, wish)
    return _ask(received, wish, secret)


def _read(context: Context, node: Node, received: Parameters) -> _Wish:
    """Return what the request says; a hint that proves nothing leaves a request without hint and without way back (§4)."""
    hint = _hint(context, node, received.get("id_token_hint", ""))
    named = received.get("client_id", "")
    if "id_token_hint" in received and hint is None:
        return _Wish(None, None, "")
    client_id = named or (hint.audience[0] if hint else "")
    if hint is not None and client_id not in hint.audience:
        raise Refusal("E_Request_Invalid", reason="the id_token_hint was given to another app than client_id names")
    app = relying_parties.find(context, node.id, client_id) if client_id else None
    return _Wish(hint, app, _destination(app, hint, received))


def _hint(context: Context, node: Node, unverified_hint: str) -> VerifiedClaims | None:
    if not unverified_hint:
        return None
    try:
        return verify_hint(
            unverified_hint, issuer=node.issuer, keys=keys.verification_keys(context, node.id), algorithms=ALGORITHMS, now=context.now()
        )
    except TokenRejected:
        return None


def _destination(app: RelyingParty | None, hint: VerifiedClaims | None, received: Parameters) -> str:
    """Return the way back with its state: an address registered to the letter, and only for an app that a hint vouches for (§3)."""
    uri = received.get("post_logout_redirect_uri", "")
    if app is None or hint is None or uri not in app.post_logout_redirect_uris:
        return ""
    state = received.get("state", "")
    return uri + ("&" if "?" in uri else "?") + urlencode({"state": state}) if state else uri


def _end(context: Context, node: Node, session: Session, wish: _Wish) -> Response:
    sessions.end_session(context, session, "signed out")
    response = _done(node, wish)
    cookies.clear_session(response, node)
    return response


def _done(node: Node, wish: _Wish) -> Response:
    if wish.destination:
        return see_other(wish.destination)
    return Response(render_template("logout.html", node=node, done=True), mimetype="text/html")


def _ask(received: Parameters, wish: _Wish, secret: str) -> Response:
    """Ask the person; the form carries the request on, and a proof that this browser's session was asked."""
    if wish.destination:
        headers.allow_form_to(wish.destination)
    names = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")
    fields = {name: received[name] for name in names if name in received} | {"confirm": _confirmation(secret)}
    app = wish.app.name if wish.app is not None else ""
    page = render_template("logout.html", node=tenancy.current_node(), done=False, fields=fields, app=app)
    return Response(page, mimetype="text/html")


def _confirmation(session_secret: str) -> str:
    """Return what only a page shown to this session holds: another site can neither read nor guess it."""
    return hash_token(f"logout|{session_secret}")
