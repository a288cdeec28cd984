"""A sign-in on its way: every step changes the stored attempt and nothing else, and the dispatcher reads what is next.

Doors call `begin`, `get`, the proofs and `finish`. Whoever is refused after a proof finds the refusal stored here, so that its page can be
shown again and the app told; only the neutral answer of the password path is raised. Everything is traced under the id of the sign-in.
"""

import base64
from dataclasses import dataclass, replace

from gateway.domain.access import Place
from gateway.domain.errors import Disclosure, Refusal
from gateway.domain.identity import Assertion, IdentityProvider
from gateway.domain.limits import NAMES, PASSWORDS, SIGN_INS
from gateway.domain.locks import told_time
from gateway.domain.nodes import Node
from gateway.domain.people import typed_login
from gateway.domain.relying_party import AuthorizationRequest, Level, Means, RelyingParty
from gateway.domain.sign_in import Path, Proof, SignIn, Step, StoredRefusal, UpstreamLeg, wants_second_factor, with_leg
from gateway.domain.values import Instant, ProviderId, SignInId, hash_token, new_token
from gateway.services import admission, credentials, nodes, sessions
from gateway.services.admission import Admitted, Attempt
from gateway.services.context import Context
from gateway.storage import identity_providers, people, relying_parties, sign_ins

_TOLD_AFTER_A_RIGHT_PASSWORD = "E_Temp_Password_Expired"
"""The code of the password check itself that only somebody with the right password gets."""
_STEP_OF_CODE = {
    "E_No_User": "match",
    "E_Federated_Only": "method",
    "E_User_Disabled": "enabled",
    "E_Account_Expired": "expiry",
    "E_Locked_Out": "lock",
}
"""At which step of the chain a password is refused before it is judged; else where the first factor is checked."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A new sign-in, and the secret for the cookie that binds it to the browser."""

    sign_in: SignIn
    secret: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A sign-in after a step."""

    sign_in: SignIn
    session_secret: str
    """Not empty: a session was opened, and the door sets its cookie."""


def begin(context: Context, node: Node, request: AuthorizationRequest, *, parent: SignInId | None = None) -> Begun:
    """Begin a sign-in at an issuer for an app's request, or, with `parent`, for a sign-in at another issuer.

    The app's `login_hint` is taken as the name typed, unless the app wants an account chosen; nobody trusts it.

    Raises Refusal `E_Rate_Limited` where too many come from one address: each is a row, and nobody has proved anything yet.
    """
    now = context.now()
    context.limits.require_from(SIGN_INS, context.address, now)
    secret = new_token(context.entropy, "mgt")
    sign_in = SignIn(
        id=SignInId(context.new_id()),
        node=node.id,
        parent=parent,
        request=request,
        correlation_id=context.correlation_id,
        login="" if "select_account" in request.prompt else typed_login(request.login_hint),
        proof=None,
        tenant=request.tenant,
        due="",
        session=None,
        created_at=now,
        expires_at=Instant(now + nodes.lifetimes(context, node.id).sign_in),
        finished_at=None,
        legs=_legs_before(context, request, parent),
    )
    with context.database.transaction():
        sign_ins.insert_sign_in(context.database, sign_in, browser_hash=hash_token(secret))
    return Begun(sign_in, secret)


def get(context: Context, node: Node, sign_in_id: str, secret: str) -> SignIn:
    """Return the sign-in of this issuer whose cookie the browser holds.

    Raises Refusal: `E_State_Invalid` if it is unknown, another browser's or finished; `E_Session_Expired` if it took too long.
    """
    sign_in = get_for_return(context, node, sign_in_id, secret)
    if sign_in.expires_at <= context.now():
        raise Refusal("E_Session_Expired", reason="the sign-in took too long")
    return sign_in


def get_for_return(context: Context, node: Node, sign_in_id: str, secret: str) -> SignIn:
    """Return the sign-in as `get` does, but one that took too long as well: its app can still be told, or its request begun anew."""
    sign_in = sign_ins.find_sign_in(context.database, SignInId(sign_in_id), hash_token(secret)) if secret else None
    if sign_in is None or sign_in.node != node.id:
        raise Refusal("E_State_Invalid", reason="no such sign-in in this browser")
    if sign_in.finished_at is not None:
        raise Refusal("E_State_Invalid", reason="the sign-in is finished")
    return sign_in


def identify(context: Context, node: Node, sign_in: SignIn, login: str) -> SignIn:  # noqa: ARG001 -- where a name leads is asked of `routing`
    """Store the name typed; where it leads says `gateway.services.routing`, by its domain alone.

    Raises Refusal `E_Rate_Limited` where too many come from one address.
    """
    context.limits.require_from(NAMES, context.address, context.now())
    return _store(context, replace(sign_in, login=typed_login(login), proof=None, due="", refusal=None))


def want_password(context: Context, sign_in: SignIn) -> SignIn:
    """Remember that the person wants to sign in with a password, whatever provider the domain names; offered to every name alike."""
    return _store(context, replace(sign_in, password_wanted=True))


def begin_leg(context: Context, sign_in: SignIn, provider: IdentityProvider) -> tuple[str, UpstreamLeg]:
    """Begin the way to a provider; return the state for it, which is stored only as a hash, and what to remember until the answer.

    Raises Refusal `E_Loop_Detected` for one way too many within a minute: providers that lead to one another, or back here.
    """
    legs = with_leg(sign_in.legs, context.now())
    state = new_token(context.entropy, "mgu")
    leg = UpstreamLeg(sign_in=sign_in.id, provider=provider.id, nonce=_random(context), verifier=_random(context), started_at=context.now())
    with context.database.transaction():
        sign_ins.insert_leg(context.database, leg, state_hash=hash_token(state), legs=legs)
    return state, leg


def take_leg(context: Context, state: str) -> UpstreamLeg:
    """Return what was remembered under a state, once. Raises Refusal `E_State_Invalid` for an unknown or used one."""
    with context.database.transaction():
        leg = sign_ins.take_leg(context.database, hash_token(state))
    if leg is None:
        raise Refusal("E_State_Invalid", reason="unknown or used state")
    return leg


def prove_federated(context: Context, node: Node, sign_in: SignIn, provider: IdentityProvider, assertion: Assertion) -> Progress:
    """Take a verified assertion as the first factor; whatever admission refuses is stored and not raised."""
    attempt = Attempt(node=node.id, path=Path.FEDERATED, provider=provider, assertion=assertion, tenant=sign_in.tenant)
    anew = replace(sign_in, proof=None, due="")
    return _told(context, anew, _admit(context, node, anew, attempt))


def prove_password(context: Context, node: Node, sign_in: SignIn, login: str, password: str, *, device: str = "") -> Progress:
    """Check a password as the first factor. `device` is the secret of the device cookie.

    Raises Refusal `E_Invalid_Credentials`, the neutral answer, for everything that only the trail may know; its `data` hold the `time` at
    which a lock ends, on a known device alone. What stands in the way of somebody whose password was right is stored. And
    `E_Rate_Limited`, before anything is checked, where too many wrong ones came from one address.
    """
    guess = context.limits.guess_from(context.database, PASSWORDS, context.address, context.now())
    named = identify(context, node, sign_in, login)
    traced = context.traced_as(sign_in.correlation_id)
    # Taken before the check, which takes its time: what is set meanwhile makes the password that was checked a former one.
    means = Means(level=Level.ONE_FACTOR, amr=("pwd",), auth_time=context.now())
    checked = credentials.check_password(traced, node, named.login, password, device=device)
    account = checked.account.id if checked.account else None
    attempt = Attempt(node=node.id, path=Path.PASSWORD, account=account, means=means, tenant=sign_in.tenant)
    if not checked.code:
        context.limits.forgive(context.database, guess)
        return _told_or_neutral(_admit(context, node, named, attempt))
    refusal = Refusal(checked.code, reason="refused by the password check")
    detail = {"login": named.login, "code": checked.code}
    admission.record_refusal(traced, attempt, _STEP_OF_CODE.get(checked.code, "protocol"), refusal, detail)
    if checked.code == _TOLD_AFTER_A_RIGHT_PASSWORD:
        return Progress(refuse(context, named, refusal), "")
    told = {"time": told_time(checked.locked_until)} if checked.locked_until else {}
    raise Refusal("E_Invalid_Credentials", data=told, reason=checked.code)


def advance(context: Context, node: Node, sign_in: SignIn, *, means: Means | None = None) -> Progress:
    """Ask admission again for a sign-in whose first factor is proved: after a step that was due, or when a proof came from another issuer.

    `means` replaces the proof's: stronger ones, after a second factor. Raises Refusal `E_State_Invalid` where nothing is proved yet.
    """
    if sign_in.proof is None:
        raise Refusal("E_State_Invalid", reason="no first factor is proved")
    proved = means or sign_in.proof.means
    attempt = Attempt(
        node=node.id,
        path=sign_in.proof.path,
        account=sign_in.proof.account,
        means=proved,
        provider=identity_providers.find_provider(context.database, ProviderId(proved.provider)) if proved.provider else None,
        tenant=sign_in.tenant,
    )
    return _told(context, sign_in, _admit(context, node, sign_in, attempt))


def choose_tenant(context: Context, node: Node, sign_in: SignIn, slug: str) -> Progress:
    """Act in the tenant of this slug; one that the person may not act in is refused by admission like one that an app asked for."""
    return advance(context, node, replace(sign_in, tenant=slug[:63]))


def list_choices(context: Context, node: Node, sign_in: SignIn) -> tuple[Place, ...]:
    """Return the tenants the person may act in for the app, where a choice is due or another tenant was asked for."""
    if sign_in.proof is None:
        return ()
    attempt = Attempt(
        node=node.id,
        path=sign_in.proof.path,
        client=find_app(context, node, sign_in),
        account=sign_in.proof.account,
        means=sign_in.proof.means,
    )
    granted = admission.load_facts(context, attempt).entitlement
    if granted is None or granted.acting is None:
        return granted.choices if granted else ()
    return granted.choices or (granted.acting,)


def change_password(context: Context, node: Node, sign_in: SignIn, new_password: str) -> Progress:
    """Store the password a person must choose, and go on. Raises Refusal with every rule it breaks."""
    # Any other act that is due, such as a second factor, stands between somebody with a stolen password and a new one.
    if sign_in.proof is None or sign_in.due != Step.CHANGE_PASSWORD or sign_in.refusal is not None:
        raise Refusal("E_State_Invalid", reason="no change of password is due")
    account = people.find_account(context.database, sign_in.proof.account)
    if account is None:
        raise Refusal("E_State_Invalid", reason="the account is gone")
    credentials.set_password(context.traced_as(sign_in.correlation_id), account, new_password)
    return advance(context, node, replace(sign_in, proof=replace(sign_in.proof, proved_at=context.now())))


def refuse(context: Context, sign_in: SignIn, refusal: Refusal) -> SignIn:
    """Store a refusal with the sign-in, and with the one at another issuer for which it is made: that one's page shows it.

    A code that nobody may learn is stored as the one that people see instead.
    """
    shown = refusal.disclosed()
    stored = StoredRefusal(shown.code, {name: str(value) for name, value in shown.data.items()})
    with context.database.transaction():
        if sign_in.parent is not None:
            parent = sign_ins.find_parent(context.database, sign_in.parent)
            if parent is not None and parent.session is None:
                sign_ins.change_sign_in(context.database, replace(parent, refusal=stored))
        return _store(context, replace(sign_in, refusal=stored))


def restart(context: Context, node: Node, sign_in: SignIn) -> SignIn:  # noqa: ARG001 -- every step names the issuer it is taken at
    """Begin again with another account: name, proof and refusal go, and the app's hints with them.

    A provider is asked to let the person choose, since it would send the same one back at once.
    """
    request = sign_in.request
    if request is not None:
        prompt = tuple(dict.fromkeys((*request.prompt, "select_account")))
        request = replace(request, login_hint="", domain_hint="", idp_hint="", prompt=prompt)
    tenant = request.tenant if request is not None else ""
    return _store(
        context,
        replace(sign_in, request=request, login="", proof=None, due="", tenant=tenant, session=None, refusal=None, password_wanted=False),
    )


def finish(context: Context, sign_in: SignIn) -> bool:
    """Finish a sign-in; True for exactly one caller, who may answer the app."""
    with context.database.transaction():
        return sign_ins.finish_sign_in(context.database, sign_in.id, context.now())


def _legs_before(context: Context, request: AuthorizationRequest, parent: SignInId | None) -> tuple[Instant, ...]:
    """Return the legs by which a request came here.

    Where the app is an issuer of this house that has us for its identity provider, the state of the request is that of its leg.
    """
    if parent is not None:
        before = sign_ins.find_parent(context.database, parent)
    else:
        before = sign_ins.find_sign_in_of_leg(context.database, hash_token(request.state)) if request.state else None
    return before.legs if before is not None else ()


def _admit(context: Context, node: Node, sign_in: SignIn, attempt: Attempt) -> Progress | Refusal:
    """Ask admission, and store what came of it in the same transaction: a refusal, what is due first, or the session.

    A refusal that nobody may be told is returned and not stored; its trace is.
    """
    traced = context.traced_as(sign_in.correlation_id)
    with context.database.transaction():
        lapsed = _why_lapsed(context, sign_in, attempt)
        if lapsed:
            step = "provider" if lapsed.code == "E_Idp_Unknown" else "protocol"
            admission.record_refusal(traced, attempt, step, lapsed, {})
            return Progress(refuse(context, replace(sign_in, proof=None, due=""), lapsed), "")
        if sign_in.parent is None:
            client = find_app(context, node, sign_in)
            if client is None:
                return Progress(refuse(context, sign_in, Refusal("E_Client_Unknown", reason="the app was deleted meanwhile")), "")
            step_up = sign_in.request is not None and wants_second_factor(sign_in.request, context.urls.public_url)
            attempt = replace(attempt, client=client, step_up=step_up)
        outcome = admission.admit(traced, attempt)
        if isinstance(outcome, Admitted):
            return _admitted(traced, node, sign_in, attempt, outcome)
        if outcome.entry.disclosure is Disclosure.NOBODY:
            return outcome
        return Progress(refuse(context, _known(traced, sign_in, attempt, outcome), outcome), "")


def _why_lapsed(context: Context, sign_in: SignIn, attempt: Attempt) -> Refusal | None:
    """Return the refusal of what was proved and counts no more; None if it does.

    A proof waits for codes, choices and new passwords, and other things happen meanwhile: the person signs out, or an administrator
    ends all that is theirs, because a password or a device is in wrong hands. Those hands must not go on from here.
    """
    proof = sign_in.proof if attempt.assertion is None else None
    if proof is not None and proof.session is not None and sessions.find_live_by_sid(context, proof.session) is None:
        return Refusal("E_Session_Expired", reason="the session that was the proof has ended")
    if attempt.account is None or attempt.means is None:
        return None
    if attempt.means.provider and attempt.provider is None:
        return Refusal("E_Idp_Unknown", reason=f"the provider {attempt.means.provider} was deleted after this was proved")
    proved_at = proof.proved_at if proof is not None else attempt.means.auth_time
    ended_at = people.find_sessions_ended_at(context.database, attempt.account)
    if ended_at is not None and ended_at > proved_at:
        return Refusal("E_Session_Expired", reason="all that was open of the account was ended after this was proved")
    return None


def _known(context: Context, sign_in: SignIn, attempt: Attempt, refusal: Refusal) -> SignIn:
    """Return the sign-in with its proof where only the tenant that was asked for is wrong, so that another one may be chosen."""
    facts = admission.load_facts(context, attempt) if refusal.code == "E_Not_Entitled" else None
    if facts is None or facts.account is None or facts.means is None:
        return sign_in
    session = sign_in.proof.session if sign_in.proof is not None and attempt.assertion is None else None
    return replace(sign_in, proof=Proof(facts.account.id, attempt.path, facts.means, context.now(), session))


def _told(context: Context, sign_in: SignIn, progress: Progress | Refusal) -> Progress:
    """Return the progress, with what people see of a refusal stored."""
    if isinstance(progress, Progress):
        return progress
    return Progress(refuse(context, sign_in, progress), "")


def _admitted(context: Context, node: Node, sign_in: SignIn, attempt: Attempt, outcome: Admitted) -> Progress:
    # A second factor is set up only soon after the first was proved, so that moment is kept through the steps between them.
    before = sign_in.proof if attempt.assertion is None else None
    proved_at, proved_by = (before.proved_at, before.session) if before else (context.now(), None)
    changed = replace(
        sign_in,
        proof=Proof(outcome.account.id, attempt.path, outcome.means, proved_at, proved_by),
        tenant=outcome.acting.slug if outcome.acting else sign_in.tenant,
        due=outcome.due or "",
        session=None,
        refusal=None,
    )
    secret = ""
    if outcome.due is None and sign_in.parent is None:
        sid, secret = admission.open_session(context, node.id, outcome, proved_by=proved_by)
        changed = replace(changed, session=sid)
    return Progress(_store(context, changed), secret)


def _told_or_neutral(progress: Progress | Refusal) -> Progress:
    """Raise the neutral answer where even a right password tells nobody the code (class C of the catalogue)."""
    if isinstance(progress, Refusal):
        raise progress.disclosed()
    return progress


def find_app(context: Context, node: Node, sign_in: SignIn) -> RelyingParty | None:
    """Return the app that waits for a sign-in of this issuer; None where it is made for another issuer, or the app was deleted."""
    if sign_in.request is None or sign_in.parent is not None:
        return None
    return relying_parties.find_relying_party(context.database, node.id, sign_in.request.client_id)


def _store(context: Context, sign_in: SignIn) -> SignIn:
    """Store a sign-in's new state, or refuse: it was finished meanwhile, and what this step did is undone with its transaction."""
    with context.database.transaction():
        if not sign_ins.change_sign_in(context.database, sign_in):
            raise Refusal("E_State_Invalid", reason="the sign-in was finished meanwhile")
    return sign_in


def _random(context: Context) -> str:
    """Return 256 random bits as text that may stand in a URL: a nonce, or a PKCE verifier (RFC 7636 §4.1)."""
    return base64.urlsafe_b64encode(context.entropy(32)).rstrip(b"=").decode()
