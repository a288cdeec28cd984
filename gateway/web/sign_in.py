"""The dispatcher of a sign-in, `GET <issuer>/sign-in?id=...`, and the pages of the first factor.

    /sign-in               reads the stored attempt and shows the page of its step, or leads on
    POST /sign-in          the name                   POST /sign-in/password      name and password
    /sign-in/provider      a provider's button        /sign-in/password           the password page, whatever the domain says
    POST /sign-in/restart  another account            POST /sign-in/again         after the sign-in took too long
    /sign-in/take          from another issuer        /sign-in/return             and back with the proof (decisions.md 20)

Neighbours: `federation.downstream` begins an attempt and takes it when it is finished; `federation.upstream` proves one at a provider.
"""

from dataclasses import replace

from flask import Blueprint, Response, request

from gateway.domain.audit import Channel
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.people import typed_login
from gateway.domain.sign_in import Path, SignIn, Step, next_step
from gateway.http import cookies, journal, requests
from gateway.http.endpoints import AUTHORIZE_CONTINUE, AUTHORIZE_RETURN, SIGN_IN, SIGN_IN_RETURN, SIGN_IN_TAKE, below, federation_start
from gateway.http.forms import require_own_form
from gateway.http.tenancy import current_node
from gateway.services import admission, hand_over, routing, sessions
from gateway.services import sign_in as sign_ins
from gateway.web import errors, steps
from gateway.web.steps import Attempt, current, go_on, leave_for, page, page_for, posted, see_other

door = Blueprint("sign_in", __name__)


@door.get(SIGN_IN)
def dispatch() -> Response:
    """Show what the stored attempt needs next, or lead to where it goes on."""
    attempt = current()
    step = next_step(attempt.sign_in)
    return steps.PAGES[step](attempt)


@door.post(SIGN_IN)
def take_name() -> Response:
    """Take the name typed."""
    attempt = posted()
    login = request.form.get("login", "")
    by_password = request.form.get("method") == "password"
    if not login.strip() and not by_password:
        return page(attempt, "identify.html", _first(attempt) | {"missing": True}, status=422)
    sign_in = sign_ins.identify(attempt.context, attempt.node, attempt.sign_in, login)
    if by_password:
        sign_ins.want_password(attempt.context, sign_in)
    return go_on(attempt)


@door.get(f"{SIGN_IN}/password")
def want_password() -> Response:
    """Lead to the password page, whatever provider the name's domain names; the link is shown to every name alike."""
    attempt = current()
    sign_ins.want_password(attempt.context, attempt.sign_in)
    return see_other(below(attempt.node, SIGN_IN, id=attempt.sign_in.id))


@door.post(f"{SIGN_IN}/password")
def take_password() -> Response:
    """Check a password; what the page answers tells nothing about the name."""
    attempt = posted()
    login = request.form.get("login", "")
    named = replace(attempt, sign_in=sign_ins.identify(attempt.context, attempt.node, attempt.sign_in, login))
    # Another issuer proves names of its domains. Which that is depends on the domain alone, so leading there tells nothing.
    if routing.find_route(attempt.context, attempt.node, _without_hints(named)).node.id != attempt.node.id:
        return go_on(named)
    password, device = request.form.get("password", ""), cookies.device_secret(attempt.node)
    try:
        progress = sign_ins.prove_password(attempt.context, attempt.node, named.sign_in, login, password, device=device)
    except Refusal as refusal:
        if refusal.code != "E_Invalid_Credentials":
            raise
        return page(named, "password.html", _first(named) | {"refusal": refusal}, status=refusal.entry.page_status)
    return go_on(named, progress)


@door.get(f"{SIGN_IN}/provider")
def take_provider() -> Response:
    """Lead to the provider whose button was chosen, at the issuer of its owner."""
    attempt = current()
    try:
        provider = routing.require_provider(attempt.context, attempt.node, request.args.get("idp", ""))
    except Refusal as refusal:
        return _refused(attempt, refusal)
    if provider.node == attempt.node.id:
        return see_other(below(attempt.node, federation_start(provider.key), id=attempt.sign_in.id))
    route = routing.route_to(attempt.context, attempt.node, provider)
    return _lead_to_issuer(attempt, route.node, idp_hint=provider.key)


@door.post(f"{SIGN_IN}/restart")
def restart() -> Response:
    """Begin again with another account."""
    attempt = posted()
    sign_ins.restart(attempt.context, attempt.node, attempt.sign_in)
    return go_on(attempt)


@door.post(f"{SIGN_IN}/again")
def again() -> Response:
    """Begin anew for the same app what took too long."""
    requests.require_form()
    node, context = current_node(), requests.context(Channel.SIGN_IN)
    sign_in_id = request.form.get("id", "")
    secret = cookies.sign_in_secret(node, sign_in_id)
    require_own_form(secret)
    late = sign_ins.get_for_return(context, node, sign_in_id, secret)
    if late.request is None or late.parent is not None:
        raise Refusal("E_State_Invalid", reason="made for another issuer, which begins anew itself")
    begun = sign_ins.begin(context, node, late.request)
    answer = see_other(below(node, SIGN_IN, id=begun.sign_in.id, via=steps.AFTER_FORM))
    cookies.clear_sign_in(answer, node, late.id)
    cookies.set_sign_in(answer, node, begun.sign_in.id, begun.secret)
    return answer


@door.get(SIGN_IN_TAKE)
def take_over() -> Response:
    """Take over a sign-in from another issuer: its handle is used up, and the attempt bound to this browser."""
    node = current_node()
    sign_in_id = request.args.get("id", "")
    secret = hand_over.take_over(requests.context(Channel.SIGN_IN), node, sign_in_id, request.args.get("handle", ""))
    begun = sign_ins.get(requests.context(Channel.SIGN_IN), node, sign_in_id, secret)
    answer = see_other(below(node, SIGN_IN, id=begun.id))
    cookies.set_sign_in(answer, node, begun.id, secret)
    return answer


@door.get(SIGN_IN_RETURN)
def take_back() -> Response:
    """Take back the proof that another issuer made; only this browser's attempt may take it."""
    attempt = current()
    progress = hand_over.take_back(attempt.context, attempt.node, attempt.sign_in, request.args.get("handle", ""))
    return go_on(attempt, progress)


@door.errorhandler(Refusal)
def refuse(refusal: Refusal) -> Response:
    """Show a refusal that no attempt keeps; who came too late may begin anew for the same app."""
    if refusal.code != "E_Session_Expired":
        return errors.page(refusal)
    node, sign_in_id = current_node(), request.values.get("id", "")
    secret = cookies.sign_in_secret(node, sign_in_id)
    late = sign_ins.get_for_return(requests.context(Channel.SIGN_IN), node, sign_in_id, secret)
    app = below(node, AUTHORIZE_RETURN, id=late.id) if late.parent is None else ""
    attempt = Attempt(requests.context(Channel.SIGN_IN), node, late, secret)
    shown = errors.values(refusal) | {"again": late.parent is None, "return_url": app}
    return page(attempt, "error.html", shown, status=refusal.entry.page_status)


@page_for(Step.IDENTIFY)
@page_for(Step.CHOOSE_METHOD)
def first_factor(attempt: Attempt) -> Response:
    """Lead to where the name's domain says, or show one page that is the same for every name of that domain."""
    try:
        route = routing.find_route(attempt.context, attempt.node, attempt.sign_in)
        if route.provider is not None:
            routing.require_usable(route.provider)
    except Refusal as refusal:
        return _refused(attempt, refusal)
    if route.node.id != attempt.node.id:
        return _lead_to_issuer(attempt, route.node)
    if route.provider is not None:
        url = below(attempt.node, federation_start(route.provider.key), id=attempt.sign_in.id)
        return leave_for(attempt, url, title=f"Going on to {route.provider.name}", label=route.provider.name, password_link=True)
    by_name = next_step(attempt.sign_in) is Step.IDENTIFY and not attempt.sign_in.password_wanted
    return page(attempt, "identify.html" if by_name else "password.html", _first(attempt))


@page_for(Step.RETURN_PROOF)
def return_proof(attempt: Attempt) -> Response:
    """Take the proof back to the issuer that asked for it."""
    asker, parent, handle = hand_over.give_back(attempt.context, attempt.sign_in)
    url = below(asker, SIGN_IN_RETURN, id=parent, handle=handle)
    return leave_for(attempt, url, title="Signing you in", label=asker.name)


@page_for(Step.REFUSED)
def refused(attempt: Attempt) -> Response:
    """Show why somebody was refused, with another account and the app as ways on; at the issuer that the app asked."""
    asker = hand_over.find_asker(attempt.context, attempt.sign_in)
    if asker is not None:
        return leave_for(attempt, below(asker[0], SIGN_IN, id=asker[1]), title="Signing you in", label=asker[0].name)
    stored = attempt.sign_in.refusal
    refusal = Refusal(stored.code, data=stored.data) if stored else Refusal("E_Internal")
    ways = {
        "other_account": True,
        "return_url": below(attempt.node, AUTHORIZE_RETURN, id=attempt.sign_in.id),
        "tenants": sign_ins.list_choices(attempt.context, attempt.node, attempt.sign_in),
    }
    shown = errors.values(refusal, correlation_id=attempt.sign_in.correlation_id) | ways
    return page(attempt, "error.html", shown, status=refusal.entry.page_status)


@page_for(Step.FINISHED)
def finished(attempt: Attempt) -> Response:
    """Lead back to the app, by the provider's door, which takes the attempt once.

    A browser that lost the session, or whose session was ended meanwhile, would be sent to and fro for ever: it is told to start again.
    The same person's session of another tab is as good: it took the place of this one's in the cookie.
    """
    session, proof = sessions.find_live_session(attempt.context, attempt.node, cookies.session_secret(attempt.node)), attempt.sign_in.proof
    if session is None or proof is None or session.account != proof.account:
        sign_ins.refuse(
            attempt.context, attempt.sign_in, Refusal("E_Session_Expired", reason="the session is not this browser's, or ended")
        )
        return see_other(below(attempt.node, SIGN_IN, id=attempt.sign_in.id))
    app = sign_ins.find_app(attempt.context, attempt.node, attempt.sign_in)
    url = below(attempt.node, AUTHORIZE_CONTINUE, id=attempt.sign_in.id)
    return leave_for(attempt, url, title="You are signed in", label=app.name if app else "the application")


def _lead_to_issuer(attempt: Attempt, target: Node, *, idp_hint: str = "") -> Response:
    begun = hand_over.hand_over(attempt.context, attempt.sign_in, target, idp_hint=idp_hint)
    url = below(target, SIGN_IN_TAKE, id=begun.sign_in.id, handle=begun.secret)
    return leave_for(attempt, url, title=f"Going on to {target.name}", label=target.name)


def _refused(attempt: Attempt, refusal: Refusal) -> Response:
    """Store a refusal that came before any proof, with its trace, and show it."""
    tried = admission.Attempt(
        node=attempt.node.id, path=Path.FEDERATED, client=sign_ins.find_app(attempt.context, attempt.node, attempt.sign_in)
    )
    journal.tell_refusal(request.environ, refusal)
    admission.record_refusal(attempt.context, tried, "provider", refusal, dict(refusal.data))
    sign_ins.refuse(attempt.context, attempt.sign_in, refusal)
    return see_other(below(attempt.node, SIGN_IN, id=attempt.sign_in.id))


def _without_hints(attempt: Attempt) -> SignIn:
    """Return the attempt as its name alone routes it, by password."""
    request_ = attempt.sign_in.request
    hints = replace(request_, idp_hint="") if request_ is not None else None
    return replace(attempt.sign_in, request=hints, password_wanted=True)


def _first(attempt: Attempt) -> dict[str, object]:
    """Return what both pages of the first factor show: the name typed, the app's name, and the node's providers."""
    app = sign_ins.find_app(attempt.context, attempt.node, attempt.sign_in)
    hint = attempt.sign_in.request.login_hint if attempt.sign_in.request else ""
    return {
        "app": app.name if app else "",
        "login": attempt.sign_in.login or typed_login(hint),
        "providers": routing.list_buttons(attempt.context, attempt.node),
    }
