"""People: accounts, the names by which they sign in, memberships, and what searches of a SCIM client read."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import orjson

from gateway.domain.people import Account, AccountType
from gateway.domain.schema import ENTERPRISE_URN, JsonObject
from gateway.domain.values import AccountId, ConnectionId, Instant, NamespaceId, NodeId, comparison_key
from gateway.storage.database import Database, Row, Statement, place, places
from gateway.storage.person_rows import make_ready
from gateway.storage.tables.people import Account as AccountTable
from gateway.storage.tables.people import Membership as MembershipTable
from gateway.storage.tables.people import SignInName
from gateway.storage.tables.provisioning import ExternalId, ScimValue

_FIELDS = tuple(field.name for field in dataclasses.fields(Account))
COLUMNS = tuple(getattr(AccountTable, name) for name in _FIELDS)
_of = attrgetter(*_FIELDS)
_COMPARED = ("login", "email", "display_name", "given_name", "family_name", "job_title")
"""Fields that have a column of their own for the key by which they are compared."""
_TYPE = _FIELDS.index("type")
_FLAGS = tuple(
    _FIELDS.index(name)
    for name in ("enabled_by_admin", "active_by_scim", "must_change_password", "mfa_required", "federated_only", "self_registered")
)

_BY_ID = Statement(AccountTable.select(*COLUMNS).where(AccountTable.id == place("id")), hold=True)
_BY_NAME = Statement(
    AccountTable.select(*COLUMNS)
    .join(SignInName, on=(SignInName.account == AccountTable.id))
    .where((SignInName.namespace == place("namespace")) & (SignInName.name_key == place("name_key"))),
    hold=True,
)
_DELETED_BY_NAME = Statement(
    AccountTable.select(*COLUMNS)
    .where((AccountTable.namespace == place("namespace")) & (AccountTable.deleted_login == place("name_key")))
    .order_by(AccountTable.deleted_at.desc())
    .limit(1)
)
_OF_NODE = Statement(
    AccountTable.select(*COLUMNS)
    .where((AccountTable.home == place("node")) & AccountTable.deleted_at.is_null())
    .order_by(AccountTable.login_key)
)
_EMAIL_TAKEN = Statement(
    AccountTable.select(AccountTable.id)
    .where(
        (AccountTable.email_key == place("email_key"))
        & (AccountTable.namespace == place("namespace"))
        & AccountTable.managed_by.is_null()
        & AccountTable.deleted_at.is_null()
    )
    .limit(1)
)
_INSERT = Statement(AccountTable.insert(places(AccountTable)))
_CHANGE: dict[frozenset[str], Statement] = {}
"""Updates by the names of the columns they write: an index whose columns are not named is left alone."""
_MOST_CHANGES = 500
_FIND_ENDED = Statement(AccountTable.select(AccountTable.sessions_ended_at).where(AccountTable.id == place("id")), hold=True)
_SET_ENDED = Statement(AccountTable.update({AccountTable.sessions_ended_at: place("at")}).where(AccountTable.id == place("id")))
_INSERT_NAME = Statement(SignInName.insert(places(SignInName)))
_DELETE_HOME_NAME = Statement(SignInName.delete().where((SignInName.account == place("account")) & (SignInName.kind == "home")))
_DELETE_NAMES = Statement(SignInName.delete().where(SignInName.account == place("account")))
_INSERT_VALUE = Statement(ScimValue.insert(places(ScimValue)))
_DELETE_VALUES = Statement(ScimValue.delete().where(ScimValue.account == place("account")))
_EXTERNAL_ID = Statement(
    ExternalId.select(ExternalId.value).where((ExternalId.connection == place("connection")) & (ExternalId.account == place("account")))
)
_DELETE_EXTERNAL_ID = Statement(
    ExternalId.delete().where((ExternalId.connection == place("connection")) & (ExternalId.account == place("account")))
)
_DELETE_EXTERNAL_IDS = Statement(ExternalId.delete().where(ExternalId.account == place("account")))
_INSERT_EXTERNAL_ID = Statement(ExternalId.insert(places(ExternalId)))
_MEMBERSHIPS = Statement(MembershipTable.select().where(MembershipTable.account == place("account")).order_by(MembershipTable.created_at))
_INSERT_MEMBERSHIP = Statement(MembershipTable.insert(places(MembershipTable)))
_ACCEPT_MEMBERSHIP = Statement(
    MembershipTable.update({MembershipTable.state: "accepted", MembershipTable.accepted_at: place("at")}).where(
        (MembershipTable.account == place("account")) & (MembershipTable.node == place("node"))
    )
)
_DELETE_MEMBERSHIP = Statement(
    MembershipTable.delete().where((MembershipTable.account == place("account")) & (MembershipTable.node == place("node")))
)


@dataclass(frozen=True, slots=True)
class Membership:
    """A tie of an account to a further node."""

    account: AccountId
    node: NodeId
    state: str
    """`proposed` or `accepted`."""
    proposed_by: str
    created_at: Instant
    accepted_at: Instant | None


@dataclass(frozen=True, slots=True)
class SearchedValue:
    """One value of a multi-valued attribute, as filters look for it."""

    attribute: str
    element: int
    sub_attribute: str
    value_key: str


def find_account(database: Database, account_id: AccountId) -> Account | None:
    """Return the account, deleted ones too, until they are purged. For ids that we stored ourselves; a door asks in a node's sight."""
    row = database.row(_BY_ID, id=account_id)
    return account_of(row) if row else None


def hold_account(database: Database, account_id: AccountId) -> None:
    """Hold an account, and with it all that hangs on it: whoever changes any of that holds the account first."""
    database.hold(_BY_ID, id=account_id)


def find_account_by_name(database: Database, namespace: NamespaceId, name: str) -> Account | None:
    """Return the account that signs in by this name in this namespace."""
    row = database.row(_BY_NAME, namespace=namespace, name_key=comparison_key(name))
    return account_of(row) if row else None


def find_deleted_account(database: Database, namespace: NamespaceId, name: str) -> Account | None:
    """Return the account deleted last that had this login."""
    row = database.row(_DELETED_BY_NAME, namespace=namespace, name_key=comparison_key(name))
    return account_of(row) if row else None


def list_accounts(database: Database, node_id: NodeId) -> list[Account]:
    """Return the accounts homed in a node, by login."""
    return [account_of(row) for row in database.rows(_OF_NODE, node=node_id)]


def find_sessions_ended_at(database: Database, account_id: AccountId) -> Instant | None:
    """Return when all that was open of an account was last ended; None: never.

    It is no field of the account: whoever stores an account read before would set it back.
    """
    row = database.row(_FIND_ENDED, id=account_id)
    return Instant(row[0]) if row and row[0] is not None else None


def set_sessions_ended_at(database: Database, account_id: AccountId, now: Instant) -> None:
    """Note that all that was open of an account ends now."""
    database.write(_SET_ENDED, id=account_id, at=now)


def is_email_taken(database: Database, namespace: NamespaceId, email_key: str) -> bool:
    """Return whether a hand-made account of the namespace has this e-mail address; nobody else takes it in this transaction's time."""
    database.hold_name("e-mail", namespace, email_key)
    return database.row(_EMAIL_TAKEN, namespace=namespace, email_key=email_key) is not None


def stored_json(document: JsonObject, account_id: str) -> str:
    """Return the JSON text that an account keeps of its document: compact, `schemas` first, as `splice` needs it, and then the id."""
    return orjson.dumps({"schemas": document["schemas"], "id": account_id, **document}).decode()


def insert_account(database: Database, account: Account, *, spliced: str | None = None) -> None:
    """Add an account, with what was made ready of it, and its home name. Raises Duplicate if the login is taken in its namespace."""
    database.write(_INSERT, **_values(account), deleted_login="", sessions_ended_at=None, spliced=spliced)
    if not account.pending_email_validation:
        insert_name(database, account.namespace, account.login, account.id, "home")


def change_account(
    database: Database, account: Account, *, expected_version: int, before: Account | None = None, spliced: str | None = None
) -> bool:
    """Store an account, with what was made ready of it, if its version is still the expected one; return whether it was.

    With the account as it was `before`, only the columns that differ are written, and only their indexes.
    Raises Duplicate if a new login is taken in its namespace.
    """
    values = _values(account) | {"deleted_login": ""} if before is None else _differing(account, before)
    return _change(database, values | {"id": account.id, "spliced": spliced}, expected_version)


def _change(database: Database, values: dict[str, object], expected_version: int) -> bool:
    names = frozenset(values) - {"id"}
    statement = _CHANGE.get(names)
    if statement is None:
        columns = {getattr(AccountTable, name): place(name) for name in sorted(names)}
        statement = Statement(
            AccountTable.update(columns).where((AccountTable.id == place("id")) & (AccountTable.version == place("expected")))
        )
        if len(_CHANGE) < _MOST_CHANGES:
            _CHANGE[names] = statement
    return database.write(statement, **values, expected=expected_version) == 1


def change_home_name(database: Database, account: Account) -> None:
    """Let the account sign in by its present login instead of the former one. Raises Duplicate if it is taken."""
    database.write(_DELETE_HOME_NAME, account=account.id)
    insert_name(database, account.namespace, account.login, account.id, "home")


def insert_name(database: Database, namespace: NamespaceId, name: str, account_id: AccountId, kind: str) -> None:
    """Add a sign-in name. Raises Duplicate if it is taken."""
    database.write(_INSERT_NAME, namespace=namespace, name_key=comparison_key(name), account=account_id, kind=kind)


def bury_account(database: Database, account: Account, *, expected_version: int) -> bool:
    """Store a deleted account and free its names, its ids and what searches find (decisions.md 15)."""
    if not _change(database, _values(account) | {"deleted_login": comparison_key(account.login), "spliced": None}, expected_version):
        return False
    for statement in (_DELETE_NAMES, _DELETE_VALUES, _DELETE_EXTERNAL_IDS):
        database.write(statement, account=account.id)
    return True


def replace_values(database: Database, account: Account, values: Iterable[SearchedValue]) -> None:
    """Store what filters on multi-valued attributes find of an account."""
    database.write(_DELETE_VALUES, account=account.id)
    insert_values(database, account, values)


def insert_values(database: Database, account: Account, values: Iterable[SearchedValue]) -> None:
    """Store what filters on multi-valued attributes find of a new account."""
    database.write_many(
        _INSERT_VALUE,
        [
            {
                "account": account.id,
                "home": account.home,
                "attribute": value.attribute,
                "element": value.element,
                "sub_attribute": value.sub_attribute,
                "value_key": value.value_key,
            }
            for value in values
        ],
    )


def find_external_id(database: Database, connection: ConnectionId, account_id: AccountId) -> str | None:
    """Return the id by which a connection's directory knows the account."""
    row = database.row(_EXTERNAL_ID, connection=connection, account=account_id)
    return row[0] if row else None


def insert_external_id(database: Database, connection: ConnectionId, account_id: AccountId, value: str) -> None:
    """Store a connection's id of a new account. Raises Duplicate if the connection uses it for another one."""
    database.write(_INSERT_EXTERNAL_ID, connection=connection, account=account_id, value=value)


def replace_external_id(database: Database, connection: ConnectionId, account_id: AccountId, value: str | None) -> None:
    """Store a connection's id of an account. Raises Duplicate if the connection uses it for another one."""
    make_ready(database, account_id, None)
    database.write(_DELETE_EXTERNAL_ID, connection=connection, account=account_id)
    if value:
        database.write(_INSERT_EXTERNAL_ID, connection=connection, account=account_id, value=value)


def list_memberships(database: Database, account_id: AccountId) -> Sequence[Membership]:
    """Return an account's memberships, proposed ones too."""
    return [Membership(*row) for row in database.rows(_MEMBERSHIPS, account=account_id)]


def insert_membership(database: Database, membership: Membership) -> None:
    """Add a membership. Raises Duplicate if the account has one there."""
    database.write(_INSERT_MEMBERSHIP, **{field.name: getattr(membership, field.name) for field in dataclasses.fields(membership)})


def accept_membership(database: Database, account_id: AccountId, node_id: NodeId, now: Instant) -> bool:
    """Accept a proposed membership; return whether there was one."""
    return database.write(_ACCEPT_MEMBERSHIP, account=account_id, node=node_id, at=now) == 1


def delete_membership(database: Database, account_id: AccountId, node_id: NodeId) -> bool:
    """Remove a membership; return whether there was one."""
    return database.write(_DELETE_MEMBERSHIP, account=account_id, node=node_id) == 1


def account_of(row: Row) -> Account:
    """Return the account of a row of `COLUMNS`."""
    values = list(row)
    values[_TYPE] = AccountType(values[_TYPE])
    for flag in _FLAGS:
        values[flag] = bool(values[flag])
    return Account(*values)


def _values(account: Account) -> dict[str, object]:
    values = dict(zip(_FIELDS, _of(account), strict=True))
    return values | _keys(values) | _enterprise_values(account.document)


def _differing(account: Account, before: Account) -> dict[str, object]:
    """Return the columns that differ from those of the account as it was."""
    fields = zip(_FIELDS, _of(account), _of(before), strict=True)
    values: dict[str, object] = {name: value for name, value, former in fields if value != former}
    values |= _keys(values)
    if "document" in values:
        former = _enterprise_values(before.document)
        values.update(item for item in _enterprise_values(account.document).items() if former[item[0]] != item[1])
    return values


def _keys(values: dict[str, Any]) -> dict[str, object]:
    return {f"{name}_key": comparison_key(values[name]) for name in _COMPARED if name in values}


def _enterprise_values(document: str) -> dict[str, object]:
    """Return what filters find of the enterprise extension, which has no columns of its own."""
    extension = orjson.loads(document).get(ENTERPRISE_URN, {}) if ENTERPRISE_URN in document else {}
    manager = extension.get("manager", {})
    return {
        "employee_number_key": comparison_key(extension.get("employeeNumber", "")),
        "department_key": comparison_key(extension.get("department", "")),
        "manager": manager.get("value", ""),
    }
