"""What a connection reads of people: one row with all that an answer needs, so that a read is one query."""

from typing import NamedTuple, cast

import peewee as pw

from gateway.domain.people import AccountType
from gateway.domain.values import AccountId, ConnectionId, Instant, NodeId, ProviderId
from gateway.storage.database import Database, Statement, place
from gateway.storage.groups import groups_of
from gateway.storage.tables.factors import TotpFactor
from gateway.storage.tables.federation import AccountProvider, IdentityProvider
from gateway.storage.tables.nodes import NodeAncestry
from gateway.storage.tables.people import Account, CredentialLock
from gateway.storage.tables.provisioning import ExternalId
from gateway.storage.text_list import Among


class Ready(NamedTuple):
    """One person whose document was made ready when it was written, as far as it could be."""

    id: AccountId
    document: str
    spliced: str | None
    """What `domain.document.spliced` made; None: it has to be made of a `PersonRow`."""
    groups: str | None
    """The groups in sight, for `storage.groups.groups_json`."""


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


LOCKED = pw.fn.EXISTS(
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
    LOCKED,
    groups_of(Account.id),
)

IN_SIGHT = (
    Account.deleted_at.is_null()
    # Written out and not bound, as the index `account_sight` has them: only so does the engine see that it holds whoever is in sight.
    & (Account.type == pw.SQL(f"'{AccountType.HUMAN.value}'"))
    # A pending self-registration owns no name and is nobody yet (decisions.md 2).
    & ((Account.self_registered == pw.SQL("0")) | Account.email_validated_at.is_null(False))
    & Among(Account.home, NodeAncestry.select(NodeAncestry.descendant).where(NodeAncestry.ancestor == place("node")))
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


def ready_columns() -> tuple[pw.Node, ...]:
    """Return the columns of `Ready`; they take the places `node`, `connection` and `now`.

    Only the connection that manages a person had it made ready, for its own home's people; what a lock says is known only now.
    """
    mine = (Account.managed_by == place("connection")) & (Account.home == place("node")) & ~LOCKED
    return (Account.id, Account.document, pw.Case(None, [(mine, Account.spliced)]), groups_of(Account.id))


_READY = Statement(Account.select(*ready_columns()).where((Account.id == place("id")) & IN_SIGHT))
_MAKE_READY = Statement(Account.update({Account.spliced: place("spliced")}).where(Account.id == place("id")))
_OF_PROVIDER = AccountProvider.select(AccountProvider.account).where(AccountProvider.provider == place("provider"))
_FORGET_OF_PROVIDER = Statement(Account.update({Account.spliced: None}).where(Account.id.in_(_OF_PROVIDER)))
_BY_ID = Statement(rows_query().where((Account.id == place("id")) & IN_SIGHT))


def find_person_row(database: Database, node: NodeId, connection: ConnectionId, account_id: str, now: Instant) -> PersonRow | None:
    """Return a person in the sight of a connection of `node`, or None."""
    row = database.row(_BY_ID, id=account_id, node=node, connection=connection, now=now)
    return PersonRow._make(row) if row else None


def find_ready(database: Database, node: NodeId, connection: ConnectionId, account_id: str, now: Instant) -> Ready | None:
    """Return the same person as far as it is ready, or None."""
    row = database.row(_READY, id=account_id, node=node, connection=connection, now=now)
    return Ready._make(row) if row else None


def make_ready(database: Database, account_id: AccountId, spliced: str | None) -> None:
    """Keep what is spliced into a person's document; None: something of it changed, and it is made when it is read."""
    database.write(_MAKE_READY, id=account_id, spliced=spliced)


def forget_ready_of_provider(database: Database, provider: ProviderId) -> None:
    """Forget what was made ready of all who sign in through a provider, because the provider changed."""
    database.write(_FORGET_OF_PROVIDER, provider=provider)
