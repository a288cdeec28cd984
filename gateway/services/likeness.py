"""Accounts that were nearly meant, each with the reason why it was not taken (decisions.md 27)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.domain.identity import Criterion, IdentityProvider
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import Account, Status, effective_status
from gateway.domain.values import AccountId, NodeId, comparison_key
from gateway.services.attempts import Walk
from gateway.services.context import Context
from gateway.storage import candidates, identity_providers, nodes, people
from gateway.storage.identity_providers import SignInMethod

_MOST = 10


@dataclass(frozen=True, slots=True)
class Lookalike:
    """An account like the one that was looked for."""

    account: Account
    tenant: str
    """Slug of its home."""
    status: Status
    likeness: str
    """In what it is like the one looked for: `same login`, `same e-mail address`, `same local part` or `named by the chain`."""
    reasons: tuple[str, ...]
    """Why it did not match, or what it has to do with the refusal."""


def look(context: Context, walk: Walk, *, scope: NodeId | None) -> list[Lookalike]:
    """Return the accounts that a refusal names and those like the one looked for, within a node and all below it (None: everywhere)."""
    named = [account for account in _named(context, walk) if scope is None or nodes.is_within(context.database, account.home, scope)]
    found = {account.id: _lookalike(context, walk, account, "named by the chain") for account in named}
    if walk.value() and walk.code in _NOBODY_TAKEN:
        for account in candidates.list_like(context.database, walk.value(), scope=scope, limit=_MOST):
            found.setdefault(account.id, _lookalike(context, walk, account, _likeness(account, walk.value())))
    return list(found.values())[:_MOST]


_NOBODY_TAKEN = frozenset({"E_No_User", "E_Ambiguous_User", "E_Invalid_Credentials"})
"""Codes that say nobody was recognised; with any other one the person was."""


def _named(context: Context, walk: Walk) -> list[Account]:
    refused = walk.refused()
    several = refused.get("accounts")
    ids = [refused.get("account"), *(several if isinstance(several, list | tuple) else ())]
    found = [people.find_account(context.database, AccountId(item)) for item in ids if isinstance(item, str) and item]
    return [account for account in found if account is not None]


def _lookalike(context: Context, walk: Walk, account: Account, likeness: str) -> Lookalike:
    chain = nodes.list_chain(context.database, account.home)
    alive = bool(chain) and all(node.disabled_at is None and node.deleted_at is None for node in chain)
    return Lookalike(
        account=account,
        tenant=chain[0].slug if chain else "",
        status=effective_status(account, tenant_enabled=alive, now=context.now()),
        likeness=likeness,
        reasons=tuple(_reasons(context, walk, account, chain)) or ("it would match now: it was made or changed afterwards",),
    )


def _likeness(account: Account, value: str) -> str:
    key = comparison_key(value)
    if comparison_key(account.login) == key:
        return "same login"
    return "same e-mail address" if comparison_key(account.email) == key else "same local part"


def _reasons(context: Context, walk: Walk, account: Account, chain: Sequence[Node]) -> Iterator[str]:
    if account.deleted_at is not None:
        yield f"deleted on {_day(account.deleted_at)}; deleted accounts never match"
    if walk.provider is not None and walk.provider_node is not None:
        if not _in_sight(walk.provider_node, chain):
            home = chain[0].slug if chain else "a purged tenant"
            yield f"it lives in {home}, and {walk.provider.key} vouches only for people of {walk.provider_node.slug}"
        yield from _reasons_of_provider(context, walk, walk.provider, account)
    elif walk.node is not None and account.namespace != walk.node.namespace:
        yield f"its sign-in name belongs to {chain[0].slug if chain else 'a purged tenant'}, not to {walk.node.slug}"
    elif walk.value() and comparison_key(account.login) != comparison_key(walk.value()):
        yield f"its login is {account.login}"
    elif account.federated_only:
        yield "it is Federated Only: it has no password"


def _reasons_of_provider(context: Context, walk: Walk, provider: IdentityProvider, account: Account) -> Iterator[str]:
    if account.self_registered and account.email_validated_at is None:
        yield "it registered itself and never followed the mailed link"
    yield from _unequal(context, walk, provider, account)
    subject = identity_providers.find_linked_subject(context.database, provider.id, account.id)
    if subject is not None:
        yield f"it is bound to the subject {subject} at {provider.key}"
    if walk.code == "E_Ambiguous_User":
        yield "it matches, and so does another"


def _unequal(context: Context, walk: Walk, provider: IdentityProvider, account: Account) -> Iterator[str]:
    """Say where the account's value and the claim's part, under the criterion that counts for this account (decisions.md 11)."""
    criterion = Criterion(account.matching or provider.matching)
    value, sought = walk.value(), walk.sought().get("criterion")
    whose = "its own" if account.matching else f"{provider.key}'s"
    if account.matching and account.matching != sought:
        yield f"its own criterion is {_words(criterion)}"
    ours = _compared(context, provider, account, criterion)
    if ours is None or not value or criterion != sought:
        return
    if comparison_key(ours) != comparison_key(value):
        yield f"by {whose} criterion {_words(criterion)} it is {ours or 'without a value'}, not {value}"
    elif provider.exact_case and criterion is Criterion.CUSTOM_LOGIN and ours != value:
        yield f"it differs in case ({ours}), and {provider.key} compares exactly"


def _compared(context: Context, provider: IdentityProvider, account: Account, criterion: Criterion) -> str | None:
    """Return the value of the account that a criterion compares; None where it lies in a connection's ids."""
    if criterion is Criterion.EMAIL:
        return account.email
    if criterion is Criterion.EXTERNAL_ID:
        return None
    methods: Sequence[SignInMethod] = identity_providers.list_sign_in_methods(context.database, account.id)
    own = next((method.federated_login for method in methods if method.provider == provider.id and method.federated_login), "")
    return own or account.login


def _in_sight(owner: Node, chain: Sequence[Node]) -> bool:
    """Return whether a provider of `owner` may vouch for somebody of this home: of the node itself, or of its units (decisions.md 8)."""
    for node in chain:
        if node.id == owner.id:
            return True
        if node.kind is not NodeKind.UNIT:
            return False
    return False


def _words(criterion: Criterion) -> str:
    return {Criterion.EMAIL: "e-mail address", Criterion.CUSTOM_LOGIN: "custom login", Criterion.EXTERNAL_ID: "external id"}[criterion]


def _day(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1000, UTC).date().isoformat()
