"""Identity providers, the accounts that name them, and the links between subjects and accounts."""

import dataclasses
import json
from dataclasses import dataclass

from gateway.domain.identity import Criterion, EmailTrust, IdentityProvider, Vendor
from gateway.domain.values import AccountId, Instant, NodeId, ProviderId, comparison_key
from gateway.storage.database import Database, Row, Statement, place, places
from gateway.storage.tables.federation import AccountProvider as AccountProviderTable
from gateway.storage.tables.federation import IdentityProvider as ProviderTable
from gateway.storage.tables.federation import Link
from gateway.storage.tables.nodes import NodeAncestry
from gateway.storage.tables.people import Account
from gateway.storage.tables.provisioning import ExternalId, ScimConnection

_FIELDS = tuple(field.name for field in dataclasses.fields(IdentityProvider))
_COLUMNS = tuple(ProviderTable.idp_key if name == "key" else getattr(ProviderTable, name) for name in _FIELDS)

_BY_ID = Statement(ProviderTable.select(*_COLUMNS).where(ProviderTable.id == place("id")))
_BY_KEY = Statement(ProviderTable.select(*_COLUMNS).where((ProviderTable.node == place("node")) & (ProviderTable.idp_key == place("key"))))
_OF_NODE = Statement(ProviderTable.select(*_COLUMNS).where(ProviderTable.node == place("node")).order_by(ProviderTable.idp_key))
_SECRET = Statement(ProviderTable.select(ProviderTable.client_secret).where(ProviderTable.id == place("id")))
_INSERT = Statement(ProviderTable.insert(places(ProviderTable)))
_CHANGE = Statement(
    ProviderTable.update(
        {
            ProviderTable.name: place("name"),
            ProviderTable.matching: place("matching"),
            ProviderTable.claim: place("claim"),
            ProviderTable.email_trust: place("email_trust"),
            ProviderTable.mfa_amr: place("mfa_amr"),
            ProviderTable.mfa_acr: place("mfa_acr"),
            ProviderTable.link_only: place("link_only"),
            ProviderTable.active: place("active"),
        }
    ).where(ProviderTable.id == place("id"))
)
_LINKED = Statement(
    Link.select(Link.account).where(
        (Link.node == place("node"))
        & (Link.provider == place("provider"))
        & (Link.issuer == place("issuer"))
        & (Link.subject == place("subject"))
    )
)
_SUBJECT = Statement(Link.select(Link.subject).where((Link.provider == place("provider")) & (Link.account == place("account"))))
_INSERT_LINK = Statement(Link.insert(places(Link)))
_USE_LINK = Statement(
    Link.update({Link.used_at: place("used_at")}).where(
        (Link.node == place("node"))
        & (Link.provider == place("provider"))
        & (Link.issuer == place("issuer"))
        & (Link.subject == place("subject"))
    )
)
_DELETE_LINK = Statement(Link.delete().where((Link.provider == place("provider")) & (Link.account == place("account"))))
_DELETE_LINKS = Statement(Link.delete().where(Link.account == place("account")))
_METHODS = Statement(
    AccountProviderTable.select(
        AccountProviderTable.provider,
        AccountProviderTable.position,
        AccountProviderTable.federated_login,
        ProviderTable.idp_key,
        ProviderTable.name,
    )
    .join(ProviderTable, on=(ProviderTable.id == AccountProviderTable.provider))
    .where(AccountProviderTable.account == place("account"))
    .order_by(AccountProviderTable.position)
)
_INSERT_METHOD = Statement(AccountProviderTable.insert(places(AccountProviderTable)))
_DELETE_METHODS = Statement(AccountProviderTable.delete().where(AccountProviderTable.account == place("account")))

_IN_SIGHT = Account.home.in_(NodeAncestry.select(NodeAncestry.descendant).where(NodeAncestry.ancestor == place("node")))
_LIVE = Account.deleted_at.is_null()
_CANDIDATE = (Account.id, Account.matching, Account.self_registered, Account.email_validated_at, Account.managed_by, Account.email_key)
_BY_EMAIL = Statement(Account.select(*_CANDIDATE).where((Account.email_key == place("value")) & _IN_SIGHT & _LIVE))
_BY_FEDERATED_LOGIN = Statement(
    Account.select(*_CANDIDATE)
    .join(AccountProviderTable, on=(AccountProviderTable.account == Account.id))
    .where(
        (AccountProviderTable.provider == place("provider"))
        & (AccountProviderTable.federated_login_key == place("value"))
        & _IN_SIGHT
        & _LIVE
    )
)
_BY_LOGIN = Statement(
    Account.select(*_CANDIDATE).where(
        (Account.login_key == place("value"))
        & _IN_SIGHT
        & _LIVE
        & Account.id.not_in(
            AccountProviderTable.select(AccountProviderTable.account).where(
                (AccountProviderTable.provider == place("provider")) & AccountProviderTable.federated_login_key.is_null(False)
            )
        )
    )
)
_BY_EXTERNAL_ID = Statement(
    Account.select(*_CANDIDATE)
    .join(ExternalId, on=(ExternalId.account == Account.id))
    .join(ScimConnection, on=(ScimConnection.id == ExternalId.connection))
    .where((ExternalId.value == place("value")) & (ScimConnection.provider == place("provider")) & _IN_SIGHT & _LIVE)
)
_TIED = Statement(ScimConnection.select(ScimConnection.id).where(ScimConnection.provider == place("provider")))


@dataclass(frozen=True, slots=True)
class SignInMethod:
    """A provider that an account names; the first is its sign-in method."""

    provider: ProviderId
    position: int
    federated_login: str
    key: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """An account that a criterion found."""

    account: AccountId
    matching: str
    self_registered: bool
    email_validated_at: Instant | None
    managed_by: str | None
    email_key: str


def find_provider(database: Database, provider_id: ProviderId) -> IdentityProvider | None:
    """Return an identity provider."""
    row = database.row(_BY_ID, id=provider_id)
    return _provider(row) if row else None


def find_provider_by_key(database: Database, node_id: NodeId, key: str) -> IdentityProvider | None:
    """Return the provider of that key at this node."""
    row = database.row(_BY_KEY, node=node_id, key=key)
    return _provider(row) if row else None


def list_providers(database: Database, node_id: NodeId) -> list[IdentityProvider]:
    """Return a node's providers, inactive ones too."""
    return [_provider(row) for row in database.rows(_OF_NODE, node=node_id)]


def get_wrapped_secret(database: Database, provider_id: ProviderId) -> str:
    """Return the provider's client secret as it is stored: wrapped."""
    row = database.row(_SECRET, id=provider_id)
    return str(row[0]) if row else ""


def insert_provider(database: Database, provider: IdentityProvider, *, wrapped_secret: str) -> None:
    """Add a provider. Raises Duplicate if the node has one of that key."""
    database.write(_INSERT, **_values(provider), idp_key=provider.key, client_secret=wrapped_secret, tested_at=None)


def change_provider(database: Database, provider: IdentityProvider) -> None:
    """Store what may change of a provider; its issuer and vendor do not."""
    database.write(_CHANGE, **_values(provider))


def find_linked_account(database: Database, provider: IdentityProvider, issuer: str, subject: str) -> AccountId | None:
    """Return the account bound to (node, provider, issuer, subject)."""
    row = database.row(_LINKED, node=provider.node, provider=provider.id, issuer=issuer, subject=subject)
    return AccountId(row[0]) if row else None


def find_linked_subject(database: Database, provider_id: ProviderId, account_id: AccountId) -> str | None:
    """Return the subject an account is bound to at a provider."""
    row = database.row(_SUBJECT, provider=provider_id, account=account_id)
    return row[0] if row else None


def insert_link(database: Database, provider: IdentityProvider, issuer: str, subject: str, account_id: AccountId, now: Instant) -> None:
    """Bind a subject to an account. Raises Duplicate if either is bound at this provider."""
    database.write(
        _INSERT_LINK,
        node=provider.node,
        provider=provider.id,
        issuer=issuer,
        subject=subject,
        account=account_id,
        created_at=now,
        used_at=now,
    )


def use_link(database: Database, provider: IdentityProvider, issuer: str, subject: str, now: Instant) -> None:
    """Note that a link was used."""
    database.write(_USE_LINK, node=provider.node, provider=provider.id, issuer=issuer, subject=subject, used_at=now)


def delete_link(database: Database, provider_id: ProviderId, account_id: AccountId) -> bool:
    """Unbind an account at a provider; return whether it was bound."""
    return database.write(_DELETE_LINK, provider=provider_id, account=account_id) == 1


def delete_links(database: Database, account_id: AccountId) -> None:
    """Unbind an account everywhere."""
    database.write(_DELETE_LINKS, account=account_id)


def list_sign_in_methods(database: Database, account_id: AccountId) -> list[SignInMethod]:
    """Return the providers an account names, its sign-in method first."""
    return [SignInMethod(*row) for row in database.rows(_METHODS, account=account_id)]


def replace_sign_in_methods(database: Database, account_id: AccountId, methods: list[SignInMethod]) -> None:
    """Store the providers an account names. Raises Duplicate if a federated login is taken at its provider."""
    database.write(_DELETE_METHODS, account=account_id)
    for method in methods:
        database.write(
            _INSERT_METHOD,
            account=account_id,
            provider=method.provider,
            position=method.position,
            federated_login=method.federated_login,
            federated_login_key=comparison_key(method.federated_login) or None,
        )


def list_found(database: Database, provider: IdentityProvider, criterion: Criterion, value: str) -> list[Found]:
    """Return the live accounts in the provider's sight that `criterion` finds by `value` (decisions.md 8, 11)."""
    if not value:
        return []
    values = {"node": provider.node, "provider": provider.id}
    if criterion is Criterion.EXTERNAL_ID:
        rows = database.rows(_BY_EXTERNAL_ID, **values, value=value)
    elif criterion is Criterion.EMAIL:
        rows = database.rows(_BY_EMAIL, node=provider.node, value=comparison_key(value))
    else:
        values["value"] = comparison_key(value)
        rows = database.rows(_BY_FEDERATED_LOGIN, **values) + database.rows(_BY_LOGIN, **values)
    return [Found(AccountId(row[0]), row[1], bool(row[2]), row[3], row[4], row[5]) for row in rows]


def list_tied_connections(database: Database, provider_id: ProviderId) -> frozenset[str]:
    """Return the ids of the SCIM connections tied to a provider."""
    return frozenset(row[0] for row in database.rows(_TIED, provider=provider_id))


def _provider(row: Row) -> IdentityProvider:
    stored = dict(zip(_FIELDS, row, strict=True))
    return IdentityProvider(
        **stored
        | {
            "vendor": Vendor(stored["vendor"]),
            "matching": Criterion(stored["matching"]),
            "exact_case": bool(stored["exact_case"]),
            "email_trust": EmailTrust(stored["email_trust"]),
            "link_only": bool(stored["link_only"]),
            "mfa_amr": tuple(json.loads(stored["mfa_amr"])),
            "mfa_acr": tuple(json.loads(stored["mfa_acr"])),
            "active": bool(stored["active"]),
        }
    )


def _values(provider: IdentityProvider) -> dict[str, object]:
    values = {name: getattr(provider, name) for name in _FIELDS if name != "key"}
    return values | {"mfa_amr": json.dumps(provider.mfa_amr), "mfa_acr": json.dumps(provider.mfa_acr)}
