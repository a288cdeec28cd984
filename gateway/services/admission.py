"""The one choke point: nobody gets a session or a token but by `admit` (architecture.md section 4).

It loads the facts, walks the ordered chain of `gateway.domain.admission`, stores the whole trace under the correlation id, and
opens the session. A test walks the syntax trees to prove that nothing else does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.domain.access import Entitlement, Place, decide_entitlement
from gateway.domain.admission import Facts, TraceStep, Verdict, confirms_email, judge, reached_means, refusal_at
from gateway.domain.audit import Event
from gateway.domain.credential import FactorState, factor_state
from gateway.domain.errors import Refusal
from gateway.domain.identity import Assertion, Criterion, IdentityProvider
from gateway.domain.nodes import Lifetimes, Node, chain_epoch, lifetimes_of
from gateway.domain.people import Account
from gateway.domain.relying_party import Means, RelyingParty, Session
from gateway.domain.sign_in import Path, Step
from gateway.domain.values import AccountId, Instant, NodeId, SessionId, hash_token, new_token
from gateway.metrics import figures
from gateway.services import access, linking, newcomers, routing
from gateway.services import people as services_people
from gateway.services.context import Context
from gateway.storage import audit, factors, identity_providers, nodes, people, sessions
from gateway.storage.audit import Trace
from gateway.storage.database import Database
from gateway.storage.sessions import SignedIn

_USUAL = Lifetimes()
_BY_FIRST_FACTOR = frozenset({Path.PASSWORD, Path.FEDERATED})
"""Paths on which somebody shows a first factor, which has to be the one their account names."""
_IN_WORDS = {Criterion.EMAIL: "e-mail address", Criterion.CUSTOM_LOGIN: "custom login", Criterion.EXTERNAL_ID: "external id"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody who asks to be let in, by what."""

    node: NodeId
    """The issuer's node."""
    path: Path
    client: RelyingParty | None = None
    """None where a first factor is proved for another issuer."""
    account: AccountId | None = None
    means: Means | None = None
    provider: IdentityProvider | None = None
    assertion: Assertion | None = None
    tenant: str = ""
    """Slug of the acting tenant that is asked for."""
    preferred: NodeId | None = None
    """The tenant of the last grant of this session and app."""
    may_ask: bool = True
    step_up: bool = False
    """Whether the app wants a second factor, whatever policy says."""
    signed_in: SignedIn | None = None
    """The person of `account`, where they were read just now; None: they are read."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Somebody who may come in, or has something to do first."""

    account: Account
    means: Means
    acting: Place | None
    """Where they act; None where no app asked."""
    due: Step | None
    choices: tuple[Place, ...] = ()
    """The tenants to choose from, where that is due."""
    epoch: int = 0
    """Sum of the epochs of home, issuer and acting tenant with those above them: what an app is granted depends on it (decisions.md 16)."""
    lifetimes: Lifetimes = _USUAL
    """In force at the issuer."""


def admit(context: Context, attempt: Attempt) -> Admitted | Refusal:
    """Walk the chain for an attempt, store its trace, and return who may come in or the refusal with the first code that hits.

    The refusal is returned and not raised, so that the caller's transaction keeps the trace. An assertion's first match is
    written as a link in the same transaction, once nothing refuses.
    """
    with context.database.transaction():
        facts, verdict = walk(context, attempt)
        if not verdict.code and attempt.provider and attempt.assertion and facts.link:
            clash = linking.keep(context, attempt.provider, attempt.assertion, facts.link)
            verdict = replace(verdict, code=clash, due=None) if clash else verdict
        _trace(context, attempt, facts, verdict)
        if verdict.code or facts.account is None or facts.means is None:
            return _refusal(facts, verdict)
        return _admitted(facts, verdict, _welcomed(context, facts, facts.account), facts.means)


def walk(context: Context, attempt: Attempt) -> tuple[Facts, Verdict]:
    """Return what the chain looks at and what it says; for a newcomer an account is made first, in the transaction that is open."""
    facts = load_facts(context, attempt)
    verdict = judge(facts)
    if verdict.code != "E_No_User" or facts.link is None or facts.link.newcomer is None:
        return facts, verdict
    if attempt.provider is None or attempt.assertion is None:
        return facts, verdict
    newcomer = facts.link.newcomer
    context.database.hold_name("newcomer", attempt.provider.id, attempt.assertion.subject)
    if not linking.is_linked(context, attempt.provider, attempt.assertion):
        refusal = newcomers.why_not(context, attempt.provider, newcomer)
        if refusal is not None:
            found = {"newcomer": newcomer.login, "reason": refusal.reason}
            return facts, Verdict(refusal.code, None, refusal_at("match", refusal.code, found))
        newcomers.welcome(context, attempt.provider, attempt.assertion, newcomer)
    known = load_facts(context, attempt)
    known = replace(known, link=replace(known.link, newcomer=newcomer)) if known.link else known
    return known, judge(known)


def find_admitted(context: Context, attempt: Attempt) -> tuple[Admitted, Trace] | None:
    """Return who may come in by a live session with nothing left to do, and the trace, which the caller keeps to `keep_traces` of it.

    None where the chain says anything else: nothing is written then, and `admit` is to be asked, which walks the same chain. So a
    refusal has its trace at once, and what lets in without any doubt costs no commit (ADR 0015).
    """
    facts = load_facts(context, attempt)
    verdict = judge(facts)
    # Who is welcomed is changed by it.
    if not verdict.admitted or facts.account is None or facts.means is None or facts.account.activated_at is None:
        return None
    return _admitted(facts, verdict, facts.account, facts.means), _trace_of(context, attempt, facts, verdict)


def keep_traces(database: Database, traces: Sequence[Trace]) -> None:
    """Store the traces of those who were let in without any doubt."""
    audit.insert_traces(database, traces)
    for trace in traces:
        figures.SIGN_INS.add(trace.path, "admitted")


def open_session(context: Context, node_id: NodeId, admitted: Admitted, *, proved_by: SessionId | None = None) -> tuple[SessionId, str]:
    """Open a session for somebody whom `admit` let in with nothing left to do, in the transaction that is open.

    Returns its public id and the secret for the cookie, which is stored only as a hash. A live session that was the proof
    (`proved_by`) goes on instead, with the means reached and to the end it had, and its former secret is worthless (openid.md 80).
    """
    if admitted.due is not None:
        message = f"{admitted.due} is due first"
        raise AssertionError(message)
    now = context.now()
    secret = new_token(context.entropy, "mgs")
    if proved_by is not None:
        if not sessions.renew_session(context.database, proved_by, admitted.means, now, secret_hash=hash_token(secret)):
            raise Refusal("E_Session_Expired", reason="the session that was the proof has ended")
        detail = {"account": admitted.account.id, "amr": admitted.means.amr}
        context.record(Event(node_id, "session.renewed", "session", proved_by, detail=detail))
        return proved_by, secret
    issuer_chain = nodes.list_chain(context.database, node_id)
    session = Session(
        sid=SessionId(context.new_id()),
        node=node_id,
        account=admitted.account.id,
        means=admitted.means,
        epoch=chain_epoch(issuer_chain) + chain_epoch(nodes.list_chain(context.database, admitted.account.home)),
        created_at=now,
        seen_at=now,
        expires_at=Instant(now + lifetimes_of(issuer_chain).session),
        ended_at=None,
    )
    sessions.insert_session(context.database, session, secret_hash=hash_token(secret))
    context.record(Event(node_id, "session.opened", "session", session.sid, detail={"account": session.account, "amr": session.means.amr}))
    return session.sid, secret


def record_refusal(context: Context, attempt: Attempt, step: str, refusal: Refusal, detail: Mapping[str, object]) -> None:
    """Store the trace of an attempt that was refused at `step` by what the chain does not look at: a password, a code, a protocol."""
    with context.database.transaction():
        account = people.find_account(context.database, attempt.account) if attempt.account is not None else None
        facts = Facts(path=attempt.path, now=context.now(), issuer_chain=(), account=account)
        trace = refusal_at(step, refusal.code, {**detail, "reason": refusal.reason})
        _trace(context, attempt, facts, Verdict(refusal.code, None, trace))


def load_facts(context: Context, attempt: Attempt) -> Facts:
    """Return all that the chain looks at; it writes nothing, so that a question asked beforehand may use it too."""
    issuer_chain = nodes.list_chain(context.database, attempt.node)
    facts = Facts(
        path=attempt.path, now=context.now(), issuer_chain=issuer_chain, client=attempt.client, means=attempt.means, may_ask=attempt.may_ask
    )
    account_id = attempt.account
    if attempt.provider is not None:
        owned = routing.may_use(context, attempt.provider, attempt.node)
        facts = replace(facts, provider=attempt.provider, provider_owned=owned)
        if attempt.assertion is not None:
            link = linking.resolve(context, attempt.provider, attempt.assertion)
            account_id = link.account
            means = reached_means(attempt.provider, attempt.assertion, context.now())
            facts = replace(facts, assertion=attempt.assertion, link=link, means=means)
    if attempt.signed_in is not None:
        return _with_account(context, attempt, facts, attempt.signed_in.account)
    account = people.find_account(context.database, account_id) if account_id is not None else None
    return facts if account is None else _with_account(context, attempt, facts, account)


def _with_account(context: Context, attempt: Attempt, facts: Facts, account: Account) -> Facts:
    home_chain = _chain_of(context, account.home, facts.issuer_chain)
    methods = identity_providers.list_sign_in_methods(context.database, account.id) if attempt.path in _BY_FIRST_FACTOR else []
    entitlement, acting_chain, abroad = _entitlement(context, attempt, account, home_chain, facts.issuer_chain)
    return replace(
        facts,
        account=account,
        home_chain=home_chain,
        home_purged=not home_chain,
        method_names=tuple(method.name for method in methods),
        names_provider=attempt.provider is not None and any(method.provider == attempt.provider.id for method in methods),
        factor=attempt.signed_in.factor if attempt.signed_in is not None else _factor_of(context, account),
        step_up=attempt.step_up,
        entitlement=entitlement,
        acting_chain=acting_chain,
        administers_abroad=abroad,
    )


def _entitlement(
    context: Context, attempt: Attempt, account: Account, home_chain: tuple[Node, ...], issuer_chain: tuple[Node, ...]
) -> tuple[Entitlement | None, tuple[Node, ...], bool]:
    """Return where somebody may act for the app, that node with those above it, and whether they are an administrator there from abroad."""
    if attempt.client is None:
        return None, (), False
    places = access.list_places(context, account, attempt.client, home_chain=home_chain)
    preferred = attempt.preferred or (None if attempt.may_ask else account.home)
    entitlement = decide_entitlement(places, roleless=attempt.client.roleless, asked=attempt.tenant, preferred=preferred)
    acting = entitlement.acting
    if acting is None:
        return entitlement, (), False
    abroad = acting.node not in {node.id for node in routing.owners_of(home_chain)}
    administers_abroad = abroad and access.is_administrator_at(context, account, acting.node)
    return entitlement, _chain_of(context, acting.node, home_chain, issuer_chain), administers_abroad


def _factor_of(context: Context, account: Account) -> FactorState:
    return factor_state(factors.find_factor(context.database, account.id), factors.find_access_code(context.database, account.id))


def _chain_of(context: Context, node_id: NodeId, *known: tuple[Node, ...]) -> tuple[Node, ...]:
    """Return a node and those above it: of the chains that this transaction has read, or read now. Mostly all are one."""
    return next((chain for chain in known if chain and chain[0].id == node_id), None) or nodes.list_chain(context.database, node_id)


def _welcomed(context: Context, facts: Facts, account: Account) -> Account:
    """Return the account with what its own organisation's word settles: it is activated, and its address confirmed.

    The first sign-in by somebody's organisation is their activation (requirements.md section 6, R-110).
    """
    now = context.now()
    confirmed = now if account.pending_email_validation and confirms_email(facts) else account.email_validated_at
    if account.activated_at is not None and confirmed == account.email_validated_at:
        return account
    welcomed = replace(account, activated_at=account.activated_at or now, email_validated_at=confirmed)
    if account.activated_at is None:
        context.publish(Event(account.home, "person.activated", "person", account.id))
    return services_people.store_person(context, account, welcomed)


def _trace(context: Context, attempt: Attempt, facts: Facts, verdict: Verdict) -> None:
    outcome = verdict.code or verdict.due or "admitted"
    context.database.after_commit(lambda: figures.SIGN_INS.add(attempt.path, outcome))
    trace = _trace_of(context, attempt, facts, verdict)
    audit.insert_traces(context.database, [trace])
    if verdict.code:
        refused = next((step for step in verdict.trace if step.outcome == "refused"), TraceStep("binding", "refused", {}))
        event = Event(
            attempt.node,
            "sign_in.refused",
            "person",
            trace.account or "",
            code=verdict.code,
            outcome="refused",
            detail={"step": refused.step},
        )
        context.record(event)


def _trace_of(context: Context, attempt: Attempt, facts: Facts, verdict: Verdict) -> Trace:
    return Trace(
        id=context.new_log_id(),
        correlation_id=context.correlation_id,
        node=attempt.node,
        at=context.now(),
        path=attempt.path,
        code=verdict.code,
        due=verdict.due or "",
        account=facts.account.id if facts.account else None,
        provider=attempt.provider.id if attempt.provider else None,
        client_id=attempt.client.client_id if attempt.client else None,
        chain=verdict.trace,
    )


def _admitted(facts: Facts, verdict: Verdict, account: Account, means: Means) -> Admitted:
    granted = facts.entitlement
    return Admitted(
        account=account,
        means=means,
        acting=granted.acting if granted else None,
        due=verdict.due,
        choices=granted.choices if granted and verdict.due is Step.CHOOSE_TENANT else (),
        epoch=sum(chain_epoch(chain) for chain in (facts.home_chain, facts.issuer_chain, facts.acting_chain)),
        lifetimes=lifetimes_of(facts.issuer_chain),
    )


def _refusal(facts: Facts, verdict: Verdict) -> Refusal:
    """Return the refusal with the values its page shows: what was looked for, by which criterion, and where somebody is entitled."""
    sought = facts.link.looked_for if facts.link else None
    data = {"provider": facts.provider.name if facts.provider else "", "app": facts.client.name if facts.client else ""}
    if sought is not None:
        data |= {"criterion": _IN_WORDS[sought.criterion], "value": sought.value, "claim": sought.claim}
    if facts.link is not None and isinstance(domain := facts.link.detail.get("domain"), str):
        data["domain"] = domain
    if facts.method_names:
        data["expected"] = ", ".join(facts.method_names)
    if facts.entitlement and facts.entitlement.choices:
        data["tenants"] = ", ".join(place.name for place in facts.entitlement.choices)
    if facts.home_chain or facts.issuer_chain:
        data["tenant"] = (facts.home_chain or facts.issuer_chain)[0].slug
    step = next((item for item in verdict.trace if item.outcome == "refused"), None)
    return Refusal(verdict.code, data=data, reason=f"refused at {step.step}" if step else "")
