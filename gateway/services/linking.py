"""Gathering what `decide_link` decides by, and keeping the link it made."""

from gateway.domain.audit import Event
from gateway.domain.identity import (
    Assertion,
    Candidate,
    Criterion,
    EmailTrust,
    IdentityProvider,
    LinkDecision,
    decide_link,
    looked_for,
    same_login,
)
from gateway.domain.people import local_and_domain
from gateway.domain.values import AccountId
from gateway.services import access
from gateway.services.context import Context
from gateway.storage import identity_providers, nodes, people
from gateway.storage.database import Duplicate
from gateway.storage.identity_providers import Found

ROUTING = "routing"


def resolve(context: Context, provider: IdentityProvider, assertion: Assertion) -> LinkDecision:
    """Return which account the assertion stands for, without writing anything."""
    linked = identity_providers.find_linked_account(context.database, provider, assertion.issuer, assertion.subject)
    if linked is not None:
        return decide_link(provider, assertion, linked, [])
    owned = provider.jit and _is_owned(context, provider, assertion.text("email"))
    return decide_link(provider, assertion, None, list_candidates(context, provider, assertion), email_domain_owned=owned)


def is_linked(context: Context, provider: IdentityProvider, assertion: Assertion) -> bool:
    """Return whether the assertion's subject is bound to an account already, so that its other claims decide nothing."""
    return identity_providers.find_linked_account(context.database, provider, assertion.issuer, assertion.subject) is not None


def list_candidates(context: Context, provider: IdentityProvider, assertion: Assertion) -> list[Candidate]:
    """Return every account in the provider's sight that some criterion finds by the assertion's claims."""
    tied = identity_providers.list_tied_connections(context.database, provider.id)
    candidates = []
    for criterion in Criterion:
        value = looked_for(provider, assertion, criterion).value
        candidates += [
            _candidate(context, provider, criterion, found, managed_by_tied=found.managed_by in tied)
            for found in identity_providers.list_found(context.database, provider, criterion, value)
            if criterion is not Criterion.CUSTOM_LOGIN or _equal(context, provider, found, value)
        ]
    return candidates


def keep(context: Context, provider: IdentityProvider, assertion: Assertion, decision: LinkDecision) -> str:
    """Write the link of an admitted person in the transaction that is open; return the code of a clash, empty if there is none.

    A clash can only come from a second sign-in at the same moment, which bound the subject or the account first.
    """
    if decision.account is None:
        return ""
    if not decision.new:
        identity_providers.use_link(context.database, provider, assertion.issuer, assertion.subject, context.now())
        return ""
    try:
        identity_providers.insert_link(context.database, provider, assertion.issuer, assertion.subject, decision.account, now=context.now())
    except Duplicate:
        return "E_Already_Linked"
    detail = {"provider": provider.key, "issuer": assertion.issuer, "subject": assertion.subject}
    context.publish(Event(provider.node, "person.linked", "person", decision.account, detail=detail))
    return ""


def relink(context: Context, provider: IdentityProvider, account_id: AccountId) -> bool:
    """Forget an account's link at a provider, so that the next proved sign-in makes a new one; return whether there was one."""
    with context.database.transaction():
        gone = identity_providers.delete_link(context.database, provider.id, account_id)
        if gone:
            context.publish(Event(provider.node, "person.unlinked", "person", account_id, detail={"provider": provider.key}))
    return gone


def _candidate(context: Context, provider: IdentityProvider, criterion: Criterion, found: Found, *, managed_by_tied: bool) -> Candidate:
    account = people.find_account(context.database, found.account)
    methods = identity_providers.list_sign_in_methods(context.database, found.account)
    return Candidate(
        account=found.account,
        criterion=criterion,
        own_criterion=found.matching,
        linked_subject=identity_providers.find_linked_subject(context.database, provider.id, found.account),
        managed_by_tied_connection=managed_by_tied,
        self_registered_unproved=found.self_registered and not _proved_by_owner(criterion, found),
        email_domain_proved=_domain_proved(context, provider, found.email_key),
        administrator=account is not None and access.is_administrator(context, account),
        names_provider=any(method.provider == provider.id for method in methods),
    )


def _proved_by_owner(criterion: Criterion, found: Found) -> bool:
    """Return whether somebody who registered themselves proved what the criterion compares: a validated address, not a login typed freely.

    Else anybody could register under a colleague's login and wait for that colleague's first sign-in (openid.md 60).
    """
    owns = criterion is Criterion.EMAIL or found.login_key == found.email_key
    return owns and found.email_validated_at is not None


def _equal(context: Context, provider: IdentityProvider, found: Found, value: str) -> bool:
    """Return whether the account's login for this provider equals the claim under the provider's rule of case."""
    account = people.find_account(context.database, found.account)
    methods = identity_providers.list_sign_in_methods(context.database, found.account)
    own = next((method.federated_login for method in methods if method.provider == provider.id and method.federated_login), "")
    return account is not None and same_login(provider, own or account.login, value)


def _domain_proved(context: Context, provider: IdentityProvider, email_key: str) -> bool:
    """Return whether the provider's node proved the address's domain by DNS and trusts the provider for it (decisions.md 12)."""
    return provider.email_trust is EmailTrust.DOMAINS and _is_owned(context, provider, email_key)


def _is_owned(context: Context, provider: IdentityProvider, email: str) -> bool:
    """Return whether the provider's node proved the domain of an address."""
    domain = local_and_domain(email)[1]
    owning = nodes.find_owning_domain(context.database, domain, ROUTING) if domain else None
    return owning is not None and owning.node == provider.node
