"""What a connection reads of people: one row with all that an answer needs, so that a read is one query."""

from typing import NamedTuple, cast

import peewee as pw

from gateway.domain.people import AccountType
from gateway.domain.values import AccountId, ConnectionId, Instant, NodeId
from gateway.storage.database import Database, Row, Statement, place
from gateway.storage.groups import groups_of
from gateway.storage.tables.factors import TotpFactor
from gateway.storage.tables.federation import AccountProvider, IdentityProvider
from gateway.storage.tables.nodes import NodeAncestry
from gateway.storage.tables.people import Account, CredentialLock
from gateway.storage.tables.provisioning import ExternalId


class PersonRow(NamedTuple):
    """One person. A tuple, because a page makes a thousand of them; truth values are 0 and 1, as the engine gives them."""

    id: AccountId
    document: str
    version: int
    created_at: Instant
    updated_at: Instant
    home: NodeId
    external_id: str | None
    enabled: bool
    disable_after: Instant | None
    activated_at: Instant | None
    """Not when but whether, as the next two: people of a page are mostly alike in `facts`, and times would tell them apart."""
    email_validated_at: Instant | None
    admin_locked_at: Instant | None
    must_change_password: bool
    mfa_required: bool
    federated_only: bool
    matching: str
    language: str
    company_contacts: str
    managed_by: ConnectionId | None
    provider_key: str | None
    provider_matching: str | None
    federated_login: str | None
    enrolled: bool
    locked: bool
    groups: str | None
    """The groups in sight, for `storage.groups.groups_json`."""

    @property
    def facts(self) -> tuple[object, ...]:
        """Return all that our extension is made of besides the home."""
        return cast(tuple[object, ...], self[_FACTS])

    @property
    def deleted_at(self) -> Instant | None:
        """Return None: deleted people are out of sight."""
        return None

    @property
    def pending_email_validation(self) -> bool:
        """Return False: who registered and never proved an address is out of sight."""
        return False


_FACTS = slice(PersonRow._fields.index("enabled"), PersonRow._fields.index("groups"))


def _whether(column: pw.Field) -> pw.Node:
    """Return 1 where a column has a value."""
    return pw.Case(None, [(column.is_null(False), 1)])


_LOCKED = pw.fn.EXISTS(
    CredentialLock.select(pw.SQL("1")).where(
        (CredentialLock.account == Account.id) & ((CredentialLock.standing == 1) | (CredentialLock.locked_until > place("now")))
    )
)
_COLUMNS = (
    Account.id,
    Account.document,
    Account.version,
    Account.created_at,
    Account.updated_at,
    Account.home,
    ExternalId.value,
    Account.enabled_by_admin * Account.active_by_scim,
    Account.disable_after,
    _whether(Account.activated_at),
    _whether(Account.email_validated_at),
    _whether(Account.admin_locked_at),
    Account.must_change_password,
    Account.mfa_required,
    Account.federated_only,
    Account.matching,
    Account.language,
    Account.company_contacts,
    Account.managed_by,
    IdentityProvider.idp_key,
    IdentityProvider.matching,
    AccountProvider.federated_login,
    TotpFactor.account.is_null(False),
    _LOCKED,
    groups_of(Account.id),
)

IN_SIGHT = (
    Account.deleted_at.is_null()
    # Written out and not bound, as the index `account_sight` has them: only so does the engine see that it holds whoever is in sight.
    & (Account.type == pw.SQL(f"'{AccountType.HUMAN.value}'"))
    # A pending self-registration owns no name and is nobody yet (decisions.md 2).
    & ((Account.self_registered == pw.SQL("0")) | Account.email_validated_at.is_null(False))
    & Account.home.in_(NodeAncestry.select(NodeAncestry.descendant).where(NodeAncestry.ancestor == place("node")))
)
"""Living people homed in a node or below it (decisions.md 35)."""


def rows_query() -> pw.Query:
    """Return the query of person rows; it takes the places `node`, `connection` and `now`."""
    return (
        Account.select(*_COLUMNS)
        .join_from(
            Account,
            ExternalId,
            pw.JOIN.LEFT_OUTER,
            on=((ExternalId.account == Account.id) & (ExternalId.connection == place("connection"))),
        )
        .join_from(
            Account,
            AccountProvider,
            pw.JOIN.LEFT_OUTER,
            on=((AccountProvider.account == Account.id) & (AccountProvider.position == 0)),
        )
        .join_from(AccountProvider, IdentityProvider, pw.JOIN.LEFT_OUTER, on=(IdentityProvider.id == AccountProvider.provider))
        .join_from(Account, TotpFactor, pw.JOIN.LEFT_OUTER, on=(TotpFactor.account == Account.id))
    )


_BY_ID = Statement(rows_query().where((Account.id == place("id")) & IN_SIGHT))


def find_person_row(database: Database, node: NodeId, connection: ConnectionId, account_id: str, now: Instant) -> PersonRow | None:
    """Return a person in the sight of a connection of `node`, or None."""
    row = database.row(_BY_ID, id=account_id, node=node, connection=connection, now=now)
    return person_row(row) if row else None


def person_row(row: Row) -> PersonRow:
    """Return the person of a row of the query."""
    return PersonRow._make(row)
