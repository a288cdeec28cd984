"""What would happen if somebody signed in now: the same chain, without effects (decisions.md 27).

No password is asked for and none is checked, nothing is fetched, no link and no session is made. That it was asked is audited: the answer
tells much about a person.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from gateway.domain.admission import Verdict, judge, refusal_at
from gateway.domain.audit import Event
from gateway.domain.errors import Refusal
from gateway.domain.identity import Assertion, IdentityProvider
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import Level, Means, RelyingParty
from gateway.domain.sign_in import Path
from gateway.domain.values import NodeId
from gateway.domain.vendors import FACTS
from gateway.services import admission, explain
from gateway.services.admission import Attempt
from gateway.services.context import Context
from gateway.services.explain import Explanation
from gateway.storage import identity_providers, nodes, people, relying_parties
from gateway.storage.audit import Trace


@dataclass(frozen=True, slots=True)
class Question:
    """Where somebody would sign in, and at which app."""

    node: Node
    client_id: str = ""
    """Empty: only whether they would be known and let in, not whether they may use an app."""


def ask_by_login(context: Context, question: Question, login: str, *, scope: NodeId | None) -> Explanation:
    """Return what would happen to the person of a login who proves a first factor by the means their account has."""
    client, issuer = _client(context, question)
    account = people.find_account_by_name(context.database, question.node.namespace, login)
    attempt = Attempt(issuer, Path.PASSWORD, client=client, tenant=_tenant(question, issuer))
    if account is None:
        verdict = Verdict("E_No_User", None, refusal_at("match", "E_No_User", {"login": login}))
        return _answer(context, question, attempt, verdict, account, scope=scope)
    means, provider = _usual_means(context, account)
    path = Path.FEDERATED if means.level is Level.FEDERATED else Path.PASSWORD
    attempt = Attempt(issuer, path, client=client, account=account.id, means=means, provider=provider, tenant=_tenant(question, issuer))
    return _judged(context, question, attempt, scope=scope)


def ask_by_claims(
    context: Context, question: Question, provider: IdentityProvider, claims: Mapping[str, object], *, scope: NodeId | None
) -> Explanation:
    """Return what would happen if a provider vouched for these claims: taken as verified, because only the chain is asked about."""
    client, issuer = _client(context, question)
    attempt = Attempt(issuer, Path.FEDERATED, client=client, provider=provider, tenant=_tenant(question, issuer))
    names = FACTS[provider.vendor].bound_claims
    missing = next((name for name in names if not _text(claims, name)), None)
    if missing is not None:
        found: dict[str, object] = {"claim": missing, "claims": sorted(claims)}
        verdict = Verdict("E_Claim_Missing", None, refusal_at("claims", "E_Claim_Missing", found))
        return _answer(context, question, attempt, verdict, None, scope=scope)
    assertion = Assertion(
        issuer=_text(claims, "iss") or provider.issuer,
        subject="/".join(_text(claims, name) for name in names),
        claims=claims,
        amr=tuple(value for value in _list(claims, "amr") if isinstance(value, str)),
        acr=_text(claims, "acr"),
    )
    return _judged(context, question, replace(attempt, assertion=assertion), scope=scope)


class _UndoneError(Exception):
    """Ends a transaction whose effects nobody wants."""


def _judged(context: Context, question: Question, attempt: Attempt, *, scope: NodeId | None) -> Explanation:
    facts = admission.load_facts(context, attempt)
    verdict = judge(facts)
    if facts.link is not None and facts.link.newcomer is not None:
        # An account would be made: it is, for a moment that nobody sees, and unmade with all that came with it.
        with suppress(_UndoneError), context.database.transaction():
            facts, verdict = admission.walk(context, attempt)
            raise _UndoneError
    return _answer(context, question, attempt, verdict, facts.account, scope=scope)


def _answer(
    context: Context, question: Question, attempt: Attempt, verdict: Verdict, account: Account | None, *, scope: NodeId | None
) -> Explanation:
    """Explain a verdict like a stored one, and leave the mark that it was asked."""
    trace = Trace(
        id="",
        correlation_id=context.correlation_id,
        node=attempt.node,
        at=context.now(),
        path=attempt.path,
        code=verdict.code,
        due=verdict.due or "",
        account=account.id if account else None,
        provider=attempt.provider.id if attempt.provider else None,
        client_id=attempt.client.client_id if attempt.client else None,
        chain=verdict.trace,
    )
    asked = {"path": attempt.path, "provider": attempt.provider.key if attempt.provider else "", "client": question.client_id}
    with context.database.transaction():
        context.record(Event(question.node.id, "what_if.asked", "person", account.id if account else "", code=verdict.code, detail=asked))
    return explain.explained(context, context.correlation_id, [trace], scope=scope)


def _client(context: Context, question: Question) -> tuple[RelyingParty | None, NodeId]:
    """Return the app, registered at the node or above it, with the node whose issuer it uses; without one the node itself."""
    if not question.client_id:
        return None, question.node.id
    for node in nodes.list_chain(context.database, question.node.id):
        party = relying_parties.find_relying_party(context.database, node.id, question.client_id)
        if party is not None:
            return party, node.id
    raise Refusal("E_Client_Unknown", field="client", data={"value": question.client_id})


def _tenant(question: Question, issuer: NodeId) -> str:
    """Return the acting tenant asked for: the node, where the app belongs to one above it."""
    return question.node.slug if issuer != question.node.id else ""


def _usual_means(context: Context, account: Account) -> tuple[Means, IdentityProvider | None]:
    """Return how the account signs in: by its own provider or, Federated Only without one, by its home's; else by password."""
    methods = identity_providers.list_sign_in_methods(context.database, account.id)
    provider = identity_providers.find_provider(context.database, methods[0].provider) if methods else None
    if provider is None and account.federated_only:
        provider = next((item for item in identity_providers.list_providers(context.database, account.home) if item.active), None)
    if provider is not None or account.federated_only:
        return Means(Level.FEDERATED, ("fed",), context.now(), provider.id if provider else "any"), provider
    return Means(Level.ONE_FACTOR, ("pwd",), context.now()), None


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _list(claims: Mapping[str, object], name: str) -> list[object]:
    value = claims.get(name)
    return value if isinstance(value, list) else []
