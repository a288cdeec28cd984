"""A person as a connection needs it in order to write it: the account and all that its document is made of besides, by one query."""

from typing import NamedTuple

import peewee as pw

from gateway.domain.people import Account
from gateway.domain.values import AccountId, ConnectionId, Instant, NodeId
from gateway.storage.database import Database, Statement, place
from gateway.storage.groups import groups_of
from gateway.storage.identity_providers import SignInMethod
from gateway.storage.people import COLUMNS, account_of, hold_account
from gateway.storage.person_rows import IN_SIGHT, LOCKED, PersonRow
from gateway.storage.tables.factors import TotpFactor
from gateway.storage.tables.federation import AccountProvider, IdentityProvider
from gateway.storage.tables.people import Account as AccountTable
from gateway.storage.tables.provisioning import ExternalId

_METHOD = (
    AccountProvider.provider,
    AccountProvider.position,
    AccountProvider.federated_login,
    IdentityProvider.idp_key,
    IdentityProvider.name,
)
_FIRST_METHOD = len(COLUMNS)
_BESIDE = _FIRST_METHOD + len(_METHOD)
_IN_SIGHT = Statement(
    AccountTable.select(
        *COLUMNS,
        *_METHOD,
        IdentityProvider.matching,
        ExternalId.value,
        TotpFactor.account.is_null(False),
        LOCKED,
        groups_of(AccountTable.id),
    )
    .join_from(
        AccountTable,
        ExternalId,
        pw.JOIN.LEFT_OUTER,
        on=((ExternalId.account == AccountTable.id) & (ExternalId.connection == place("connection"))),
    )
    .join_from(AccountTable, AccountProvider, pw.JOIN.LEFT_OUTER, on=(AccountProvider.account == AccountTable.id))
    .join_from(AccountProvider, IdentityProvider, pw.JOIN.LEFT_OUTER, on=(IdentityProvider.id == AccountProvider.provider))
    .join_from(AccountTable, TotpFactor, pw.JOIN.LEFT_OUTER, on=(TotpFactor.account == AccountTable.id))
    .where((AccountTable.id == place("id")) & IN_SIGHT)
    .order_by(AccountProvider.position)
)
_YES = Instant(1)


class Beside(NamedTuple):
    """What the document of a person is made of besides the account."""

    methods: tuple[SignInMethod, ...] = ()
    """The sign-in method first."""
    provider_matching: str | None = None
    """The criterion of the first one's provider."""
    external_id: str | None = None
    """By which the connection's directory knows the person."""
    enrolled: bool = False
    locked: bool = False
    groups: str | None = None
    """The groups in sight, for `storage.groups.groups_json`."""


def find_in_sight(
    database: Database, node: NodeId, connection: ConnectionId, account_id: str, now: Instant
) -> tuple[Account, Beside] | None:
    """Return a person in the sight of a connection of `node`, or None; within a transaction nobody else changes it meanwhile."""
    # Before it is read: what a statement joins to a row that it waited for is as it was before the wait.
    hold_account(database, AccountId(account_id))
    rows = database.rows(_IN_SIGHT, id=account_id, node=node, connection=connection, now=now)
    if not rows:
        return None
    first = rows[0]
    methods = tuple(SignInMethod(*row[_FIRST_METHOD:_BESIDE]) for row in rows if row[_FIRST_METHOD] is not None)
    return account_of(first[:_FIRST_METHOD]), Beside(methods, *first[_BESIDE:])


def row_of(account: Account, beside: Beside) -> PersonRow:
    """Return the row that would be read of a person if the account were stored as it is here."""
    first = beside.methods[0] if beside.methods else None
    return PersonRow(
        account.id,
        account.document,
        account.version,
        account.created_at,
        account.updated_at,
        account.home,
        beside.external_id,
        account.enabled,
        account.disable_after,
        _whether(account.activated_at),
        _whether(account.email_validated_at),
        _whether(account.admin_locked_at),
        account.must_change_password,
        account.mfa_required,
        account.federated_only,
        account.matching,
        account.language,
        account.company_contacts,
        account.managed_by,
        first.key if first else None,
        beside.provider_matching,
        first.federated_login if first else None,
        beside.enrolled,
        beside.locked,
        beside.groups,
    )


def _whether(instant: Instant | None) -> Instant | None:
    return None if instant is None else _YES
