"""Identity providers, the accounts that name them, and the links between subjects and accounts."""

import dataclasses
import json
from dataclasses import dataclass

from gateway.domain.identity import AuthMethod, Criterion, EmailTrust, IdentityProvider, Vendor, guest_login_start
from gateway.domain.nodes import NodeKind
from gateway.domain.values import AccountId, Instant, NodeId, ProviderId, comparison_key
from gateway.storage.database import Database, Duplicate, Row, Statement, place, places
from gateway.storage.person_rows import forget_ready_of_provider, make_ready
from gateway.storage.tables.federation import AccountProvider as AccountProviderTable
from gateway.storage.tables.federation import IdentityProvider as ProviderTable
from gateway.storage.tables.federation import Link, UpstreamLeg, UpstreamLogout
from gateway.storage.tables.nodes import Domain
from gateway.storage.tables.nodes import Node as NodeTable
from gateway.storage.tables.people import Account
from gateway.storage.tables.provisioning import ExternalId, ScimConnection

_FIELDS = tuple(field.name for field in dataclasses.fields(IdentityProvider))
_COLUMNS = tuple(ProviderTable.idp_key if name == "key" else getattr(ProviderTable, name) for name in _FIELDS)

_BY_ID = Statement(ProviderTable.select(*_COLUMNS).where(ProviderTable.id == place("id")))
_HOLD = Statement(ProviderTable.select(ProviderTable.id).where(ProviderTable.id == place("id")), hold=True)
_BY_KEY = Statement(ProviderTable.select(*_COLUMNS).where((ProviderTable.node == place("node")) & (ProviderTable.idp_key == place("key"))))
_OF_NODE = Statement(ProviderTable.select(*_COLUMNS).where(ProviderTable.node == place("node")).order_by(ProviderTable.idp_key))
_SECRET = Statement(ProviderTable.select(ProviderTable.client_secret).where(ProviderTable.id == place("id")))
_INSERT = Statement(ProviderTable.insert(places(ProviderTable)))
_CHANGE = Statement(
    ProviderTable.update(
        {
            getattr(ProviderTable, name): place(name)
            for name in _FIELDS
            if name not in {"id", "node", "key", "issuer", "vendor", "created_at"}
        }
    ).where(ProviderTable.id == place("id"))
)
_CHANGE_SECRET = Statement(
    ProviderTable.update({ProviderTable.client_secret: place("client_secret")}).where(ProviderTable.id == place("id"))
)
_DELETE = Statement(ProviderTable.delete().where(ProviderTable.id == place("id")))
_DELETE_LEGS = Statement(UpstreamLeg.delete().where(UpstreamLeg.provider == place("id")))
_DELETE_LINKS_OF_PROVIDER = Statement(Link.delete().where(Link.provider == place("id")))
_DELETE_METHODS_OF_PROVIDER = Statement(AccountProviderTable.delete().where(AccountProviderTable.provider == place("id")))
_DELETE_LOGOUTS = Statement(UpstreamLogout.delete().where(UpstreamLogout.provider == place("id")))
_FORGET_LOGOUTS = Statement(UpstreamLogout.delete().where(UpstreamLogout.expires_at <= place("now")))
_INSERT_LOGOUT = Statement(UpstreamLogout.insert(places(UpstreamLogout)))
_UNTIE_DOMAINS = Statement(Domain.update({Domain.provider: None}).where(Domain.provider == place("id")))
_UNTIE_CONNECTIONS = Statement(ScimConnection.update({ScimConnection.provider: None}).where(ScimConnection.provider == place("id")))
_LINKED = Statement(
    Link.select(Link.account).where(
        (Link.node == place("node"))
        & (Link.provider == place("provider"))
        & (Link.issuer == place("issuer"))
        & (Link.subject == place("subject"))
    )
)
_SUBJECT = Statement(Link.select(Link.subject).where((Link.provider == place("provider")) & (Link.account == place("account"))))
_MADE = Statement(
    Link.select(Link.account).where((Link.provider == place("provider")) & (Link.account == place("account")) & (Link.made_account == 1))
)
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

# A provider binds the people of its node and of that node's units, never those of a customer below a partner (decisions.md 8).
_IN_SIGHT = Account.home.in_(
    NodeTable.select(NodeTable.id).where(
        (NodeTable.id == place("node")) | ((NodeTable.parent == place("node")) & (NodeTable.kind == NodeKind.UNIT.value))
    )
)
_LIVE = Account.deleted_at.is_null()
_CANDIDATE = (
    Account.id,
    Account.matching,
    Account.self_registered,
    Account.email_validated_at,
    Account.managed_by,
    Account.email_key,
    Account.login_key,
)
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
_WITHOUT_FEDERATED_LOGIN = Account.id.not_in(
    AccountProviderTable.select(AccountProviderTable.account).where(
        (AccountProviderTable.provider == place("provider")) & AccountProviderTable.federated_login_key.is_null(False)
    )
)
_BY_LOGIN = Statement(
    Account.select(*_CANDIDATE).where((Account.login_key == place("value")) & _IN_SIGHT & _LIVE & _WITHOUT_FEDERATED_LOGIN)
)
_BY_START_OF_LOGIN = Statement(
    Account.select(*_CANDIDATE).where(
        Account.login_key.between(place("first"), place("last")) & _IN_SIGHT & _LIVE & _WITHOUT_FEDERATED_LOGIN
    )
)
_BY_EXTERNAL_ID = Statement(
    Account.select(*_CANDIDATE)
    .join(ExternalId, on=(ExternalId.account == Account.id))
    .join(ScimConnection, on=(ScimConnection.id == ExternalId.connection))
    .where((ExternalId.value == place("value")) & (ScimConnection.provider == place("provider")) & _IN_SIGHT & _LIVE)
)
_FEDERATED_ONLY = Statement(
    Account.select(Account.id, Account.login).where(_IN_SIGHT & _LIVE & (Account.federated_only == 1)).order_by(Account.login_key)
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
    login_key: str


def find_provider(database: Database, provider_id: ProviderId) -> IdentityProvider | None:
    """Return an identity provider."""
    row = database.row(_BY_ID, id=provider_id)
    return _provider(row) if row else None


def hold_provider(database: Database, provider_id: ProviderId) -> None:
    """Hold a provider: for whoever changes it."""
    database.hold(_HOLD, id=provider_id)


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
    database.write(_INSERT, **_values(provider), idp_key=provider.key, client_secret=wrapped_secret)


def change_provider(database: Database, provider: IdentityProvider) -> None:
    """Store what may change of a provider; its key, issuer and vendor do not."""
    forget_ready_of_provider(database, provider.id)
    database.write(_CHANGE, **_values(provider))


def change_secret(database: Database, provider_id: ProviderId, wrapped_secret: str) -> None:
    """Store another client secret."""
    database.write(_CHANGE_SECRET, id=provider_id, client_secret=wrapped_secret)


def delete_provider(database: Database, provider_id: ProviderId) -> None:
    """Remove a provider with its links, the sign-in methods that name it, and whatever else points to it."""
    forget_ready_of_provider(database, provider_id)
    pointing = (_DELETE_LEGS, _DELETE_LOGOUTS, _DELETE_LINKS_OF_PROVIDER, _DELETE_METHODS_OF_PROVIDER, _UNTIE_DOMAINS, _UNTIE_CONNECTIONS)
    for statement in (*pointing, _DELETE):
        database.write(statement, id=provider_id)


def use_logout_token(database: Database, provider_id: ProviderId, token_hash: str, *, now: Instant, expires_at: Instant) -> bool:
    """Remember a provider's logout token until it expires; return False if it was used before."""
    database.write(_FORGET_LOGOUTS, now=now)
    try:
        database.write(_INSERT_LOGOUT, provider=provider_id, token_hash=token_hash, expires_at=expires_at)
    except Duplicate:
        return False
    return True


def list_federated_only(database: Database, node_id: NodeId) -> list[tuple[AccountId, str]]:
    """Return id and login of the people in sight of a node's providers who have no password by rule."""
    return [(AccountId(row[0]), row[1]) for row in database.rows(_FEDERATED_ONLY, node=node_id)]


def find_linked_account(database: Database, provider: IdentityProvider, issuer: str, subject: str) -> AccountId | None:
    """Return the account bound to (node, provider, issuer, subject)."""
    row = database.row(_LINKED, node=provider.node, provider=provider.id, issuer=issuer, subject=subject)
    return AccountId(row[0]) if row else None


def find_linked_subject(database: Database, provider_id: ProviderId, account_id: AccountId) -> str | None:
    """Return the subject an account is bound to at a provider."""
    row = database.row(_SUBJECT, provider=provider_id, account=account_id)
    return row[0] if row else None


def insert_link(
    database: Database,
    provider: IdentityProvider,
    issuer: str,
    subject: str,
    account_id: AccountId,
    *,
    now: Instant,
    made_account: bool = False,
) -> None:
    """Bind a subject to an account; `made_account`: which was made for it. Raises Duplicate if either is bound at this provider."""
    database.write(
        _INSERT_LINK,
        node=provider.node,
        provider=provider.id,
        issuer=issuer,
        subject=subject,
        account=account_id,
        created_at=now,
        used_at=now,
        made_account=int(made_account),
    )


def is_newcomer(database: Database, provider_id: ProviderId, account_id: AccountId) -> bool:
    """Return whether an account was made at the first sign-in by a provider."""
    return database.row(_MADE, provider=provider_id, account=account_id) is not None


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
    make_ready(database, account_id, None)
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
        rows += _rows_of_guests(database, provider, value)
    return [Found(AccountId(row[0]), row[1], bool(row[2]), *row[3:]) for row in rows]


def _rows_of_guests(database: Database, provider: IdentityProvider, value: str) -> list[Row]:
    """Return the accounts whose login Entra made of a guest's address."""
    start = comparison_key(guest_login_start(value)) if provider.vendor is Vendor.ENTRA else ""
    if not start:
        return []
    # "@" ends the start, and "A" comes behind it: the range holds what begins so and nothing else.
    return database.rows(_BY_START_OF_LOGIN, node=provider.node, provider=provider.id, first=start, last=start.removesuffix("@") + "A")


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
            "jit": bool(stored["jit"]),
            "auth_method": AuthMethod(stored["auth_method"]),
            "algorithms": tuple(json.loads(stored["algorithms"])),
            "issuer_tenants": tuple(json.loads(stored["issuer_tenants"])),
        }
    )


def _values(provider: IdentityProvider) -> dict[str, object]:
    values = {name: getattr(provider, name) for name in _FIELDS if name != "key"}
    lists = ("mfa_amr", "mfa_acr", "algorithms", "issuer_tenants")
    return values | {name: json.dumps(getattr(provider, name)) for name in lists}
