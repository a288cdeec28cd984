"""Grants of apps with their refresh tokens; each is taken and used by one atomic statement. Codes are sealed grants (ADR 0015)."""

from collections.abc import Sequence
from dataclasses import dataclass

import peewee as pw

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import Grant
from gateway.domain.values import AccountId, ClientId, GrantId, Instant, NodeId, SessionId
from gateway.storage.database import Database, Row, Statement, place, places
from gateway.storage.nodes import COLUMNS as NODE_COLUMNS
from gateway.storage.nodes import node_of
from gateway.storage.people import COLUMNS as ACCOUNT_COLUMNS
from gateway.storage.people import account_of
from gateway.storage.sign_ins import means_from_json, means_to_json
from gateway.storage.tables.apps import AppGrant, KeptCode, RefreshToken, RelyingParty
from gateway.storage.tables.apps import Session as SessionTable
from gateway.storage.tables.nodes import Node as NodeTable
from gateway.storage.tables.nodes import NodeAncestry
from gateway.storage.tables.people import Account as AccountTable

_COLUMNS = (
    AppGrant.id,
    AppGrant.node,
    AppGrant.client_id,
    AppGrant.account,
    AppGrant.session,
    AppGrant.acting,
    AppGrant.scope,
    AppGrant.resource,
    AppGrant.redirect_uri,
    AppGrant.nonce,
    AppGrant.means,
    AppGrant.epoch,
    AppGrant.app_epoch,
    AppGrant.created_at,
    AppGrant.expires_at,
    AppGrant.ended_at,
)


def _epoch_of(node: pw.Field) -> pw.Query:
    """Return the query of the sum of the epochs of the node that an outer query names, and of those above it."""
    return (
        NodeTable.select(pw.fn.SUM(NodeTable.epoch))
        .join_from(NodeTable, NodeAncestry, on=(NodeAncestry.ancestor == NodeTable.id))
        .where(NodeAncestry.descendant == node)
    )


_STANDING = Statement(
    AppGrant.select(
        *_COLUMNS,
        _epoch_of(AccountTable.home),
        _epoch_of(AppGrant.node),
        _epoch_of(AppGrant.acting),
        RelyingParty.client_id.is_null(False),
        *ACCOUNT_COLUMNS,
    )
    .join_from(AppGrant, AccountTable, on=(AccountTable.id == AppGrant.account))
    .join_from(
        AppGrant,
        RelyingParty,
        pw.JOIN.LEFT_OUTER,
        on=(
            (RelyingParty.client_id == AppGrant.client_id)
            & (RelyingParty.node == AppGrant.node)
            & (RelyingParty.epoch == AppGrant.app_epoch)
            & RelyingParty.disabled_at.is_null()
            & RelyingParty.deleted_at.is_null()
        ),
    )
    .where(AppGrant.id == place("id"))
)
_ACTING = NodeTable.alias("acting")
_CODE_STANDING = Statement(
    SessionTable.select(
        SessionTable.node,
        SessionTable.ended_at,
        _epoch_of(AccountTable.home),
        _epoch_of(SessionTable.node),
        _epoch_of(_ACTING.id),
        RelyingParty.client_id.is_null(False),
        *(getattr(_ACTING, column.name) for column in NODE_COLUMNS),
        *ACCOUNT_COLUMNS,
    )
    .join_from(SessionTable, AccountTable, on=(AccountTable.id == SessionTable.account))
    .join_from(SessionTable, _ACTING, on=(_ACTING.id == place("acting")))
    .join_from(
        SessionTable,
        RelyingParty,
        pw.JOIN.LEFT_OUTER,
        on=(
            (RelyingParty.client_id == place("client_id"))
            & (RelyingParty.node == SessionTable.node)
            & RelyingParty.disabled_at.is_null()
            & RelyingParty.deleted_at.is_null()
            & (RelyingParty.epoch == place("app_epoch"))
        ),
    )
    .where(SessionTable.sid == place("sid")),
    # Whoever ends the session waits until the grant is there, and then ends that too and tells its app.
    hold=True,
)
_GRANTED = Statement(
    AppGrant.select(*_COLUMNS, *ACCOUNT_COLUMNS)
    .join_from(AppGrant, AccountTable, on=(AccountTable.id == AppGrant.account))
    .where(AppGrant.id == place("id"))
)
_INSERT = Statement(AppGrant.insert(places(AppGrant)).on_conflict_ignore())
_LAST_ACTING = Statement(
    AppGrant.select(AppGrant.acting)
    .where((AppGrant.session == place("session")) & (AppGrant.client_id == place("client_id")))
    .order_by(AppGrant.created_at.desc())
    .limit(1)
)
_KEEP_CODE = Statement(KeptCode.insert(places(KeptCode)))
_KEPT_CODE = Statement(KeptCode.select(KeptCode.sealed).where(KeptCode.handle_hash == place("handle_hash")))
_INSERT_TOKEN = Statement(RefreshToken.insert(places(RefreshToken)).on_conflict_ignore())
_TOKEN = Statement(
    RefreshToken.select(RefreshToken.app_grant, RefreshToken.expires_at, RefreshToken.rotated_at, RefreshToken.extra_child).where(
        RefreshToken.token_hash == place("token_hash")
    ),
    # Of several who bring it at once, each sees what became of it by the one before.
    hold=True,
)
_ROTATE = Statement(
    RefreshToken.update({RefreshToken.rotated_at: place("now")}).where(
        (RefreshToken.token_hash == place("token_hash")) & RefreshToken.rotated_at.is_null()
    )
)
_EXTRA_CHILD = Statement(
    RefreshToken.update({RefreshToken.extra_child: 1}).where(
        (RefreshToken.token_hash == place("token_hash")) & (RefreshToken.extra_child == 0) & (RefreshToken.rotated_at >= place("since"))
    )
)
_ENDING = {AppGrant.ended_at: place("now"), AppGrant.end_reason: place("reason")}
_LIVE = AppGrant.ended_at.is_null()
_END = Statement(AppGrant.update(_ENDING).where((AppGrant.id == place("id")) & _LIVE))
_END_OF_SESSION = Statement(
    AppGrant.update(_ENDING).where((AppGrant.session == place("session")) & _LIVE & ~AppGrant.scope.contains("offline_access"))
)
# By the sessions of the account: an index of grants by account would cost each sign-on more than it saves whoever signs out.
_OF_ACCOUNT = AppGrant.session.in_(SessionTable.select(SessionTable.sid).where(SessionTable.account == place("account")))
_END_OF_ACCOUNT = Statement(AppGrant.update(_ENDING).where(_OF_ACCOUNT & _LIVE))
_SUBTREE = NodeAncestry.select(NodeAncestry.descendant).where(NodeAncestry.ancestor == place("node"))
_AUDIENCE = (
    AppGrant.select(AppGrant.node, AppGrant.client_id, AppGrant.account, AppGrant.session)
    .join(RelyingParty, on=(RelyingParty.client_id == AppGrant.client_id))
    .distinct()
)
_TELLABLE = _LIVE & (RelyingParty.backchannel_logout_uri != "") & RelyingParty.deleted_at.is_null()
_AUDIENCE_OF_ACCOUNT = Statement(_AUDIENCE.where(_OF_ACCOUNT & _TELLABLE))
_AUDIENCE_OF_SESSION = Statement(_AUDIENCE.where((AppGrant.session == place("session")) & _TELLABLE))
_AUDIENCE_OF_NODE = Statement(
    _AUDIENCE.join(AccountTable, on=(AccountTable.id == AppGrant.account)).where(
        (AccountTable.home.in_(_SUBTREE) | AppGrant.node.in_(_SUBTREE) | AppGrant.acting.in_(_SUBTREE)) & _TELLABLE
    )
)


@dataclass(frozen=True, slots=True)
class Standing:
    """A grant with all that it lives and dies with, as it is now."""

    grant: Grant
    account: Account
    epoch: int
    """The sum of the epochs that the grant depends on; in a grant that lives it is the grant's own."""
    app_open: bool
    """Whether its app is still registered there, and was not switched off since it was granted."""


@dataclass(frozen=True, slots=True)
class CodeStanding:
    """All that a code lives and dies with, as it is now."""

    node: NodeId
    """The issuer of the session."""
    session_ended_at: Instant | None
    epoch: int
    """The sum of the epochs that the grant will depend on; for a code that lives it is the code's own."""
    app_open: bool
    """Whether its app is still registered there and was not switched off since the code was made."""
    acting: Node
    account: Account


@dataclass(frozen=True, slots=True)
class StoredRefreshToken:
    """A refresh token's place in its family."""

    grant: GrantId
    expires_at: Instant
    rotated_at: Instant | None
    extra_child: bool


@dataclass(frozen=True, slots=True)
class Listener:
    """An app that has to be told that somebody is signed out (OpenID Connect Back-Channel Logout §2)."""

    node: NodeId
    client_id: ClientId
    account: AccountId
    session: SessionId


def find_standing(database: Database, grant_id: GrantId) -> Standing | None:
    """Return a grant, ended ones too, with what it depends on; None if it or its account is gone. One statement: apps ask often."""
    row = database.row(_STANDING, id=grant_id)
    if row is None:
        return None
    own = len(_COLUMNS)
    *epochs, app_open = row[own : own + 4]
    # A node that is gone has no epoch, and counts for nothing.
    return Standing(_grant(row[:own]), account_of(row[own + 4 :]), epoch=sum(epoch or 0 for epoch in epochs), app_open=bool(app_open))


def find_granted(database: Database, grant_id: GrantId) -> tuple[Grant, Account] | None:
    """Return a grant, ended ones too, with its account as it is now; None without either. Whether it lives is for the caller to find."""
    row = database.row(_GRANTED, id=grant_id)
    own = len(_COLUMNS)
    return (_grant(row[:own]), account_of(row[own:])) if row is not None else None


def find_last_acting(database: Database, session: SessionId, client_id: ClientId) -> NodeId | None:
    """Return the tenant of the last grant of this session and app (decisions.md 10)."""
    row = database.row(_LAST_ACTING, session=session, client_id=client_id)
    return NodeId(row[0]) if row else None


def find_code_standing(
    database: Database, session: SessionId, *, acting: NodeId, client_id: ClientId, app_epoch: int
) -> CodeStanding | None:
    """Return what a code of a session depends on, ended sessions too; None if session, account or the tenant acted in is gone."""
    row = database.row(_CODE_STANDING, sid=session, acting=acting, client_id=client_id, app_epoch=app_epoch)
    if row is None:
        return None
    node, ended_at, *epochs, app_open = row[:6]
    own = 6 + len(NODE_COLUMNS)
    return CodeStanding(
        node=node,
        session_ended_at=ended_at,
        epoch=sum(epoch or 0 for epoch in epochs),
        app_open=bool(app_open),
        acting=node_of(tuple(row[6:own])),
        account=account_of(row[own:]),
    )


def take_grant(database: Database, grant: Grant) -> bool:
    """Store the grant that a code stands for; False if it is there already: of parallel calls one alone gets True (openid.md 20)."""
    touched = database.write(
        _INSERT,
        id=grant.id,
        node=grant.node,
        client_id=grant.client_id,
        account=grant.account,
        session=grant.session,
        acting=grant.acting,
        scope=" ".join(grant.scope),
        resource=" ".join(grant.resource),
        redirect_uri=grant.redirect_uri,
        nonce=grant.nonce,
        means=means_to_json(grant.means),
        epoch=grant.epoch,
        app_epoch=grant.app_epoch,
        created_at=grant.created_at,
        expires_at=grant.expires_at,
        ended_at=grant.ended_at,
        end_reason="" if grant.ended_at is None else "code refused",
    )
    return touched == 1


def keep_code(database: Database, handle_hash: str, sealed: str, expires_at: Instant) -> None:
    """Keep a code that is too long for its app, which gets a handle instead."""
    database.write(_KEEP_CODE, handle_hash=handle_hash, sealed=sealed, expires_at=expires_at)


def find_kept_code(database: Database, handle_hash: str) -> str | None:
    """Return the code that a handle stands for."""
    row = database.row(_KEPT_CODE, handle_hash=handle_hash)
    return row[0] if row else None


def insert_refresh_token(
    database: Database, token_hash: str, grant_id: GrantId, *, parent_hash: str | None, now: Instant, expires_at: Instant
) -> None:
    """Add a refresh token to a grant's family; one that is there already stays as it is."""
    database.write(
        _INSERT_TOKEN,
        token_hash=token_hash,
        app_grant=grant_id,
        parent_hash=parent_hash,
        created_at=now,
        expires_at=expires_at,
        rotated_at=None,
        extra_child=0,
    )


def find_refresh_token(database: Database, token_hash: str) -> StoredRefreshToken | None:
    """Return a refresh token, rotated ones too."""
    row = database.row(_TOKEN, token_hash=token_hash)
    return StoredRefreshToken(row[0], row[1], row[2], bool(row[3])) if row else None


def rotate_refresh_token(database: Database, token_hash: str, now: Instant) -> bool:
    """Mark a token as rotated; return False if it was rotated before."""
    return database.write(_ROTATE, token_hash=token_hash, now=now) == 1


def claim_extra_child(database: Database, token_hash: str, *, since: Instant) -> bool:
    """Allow the one extra child of a token rotated at `since` or later; return whether it was still free (decisions.md 33)."""
    return database.write(_EXTRA_CHILD, token_hash=token_hash, since=since) == 1


def end_grant(database: Database, grant_id: GrantId, reason: str, now: Instant) -> bool:
    """End a grant: its codes, access and refresh tokens are dead."""
    return database.write(_END, id=grant_id, reason=reason, now=now) == 1


def end_grants_of_session(database: Database, session: SessionId, reason: str, now: Instant) -> int:
    """End a session's grants, but for those with offline access, which outlive it (Back-Channel Logout §2.7)."""
    return database.write(_END_OF_SESSION, session=session, reason=reason, now=now)


def end_grants_of_account(database: Database, account_id: AccountId, reason: str, now: Instant) -> int:
    """End every grant of an account."""
    return database.write(_END_OF_ACCOUNT, account=account_id, reason=reason, now=now)


def list_listeners_of_account(database: Database, account_id: AccountId) -> Sequence[Listener]:
    """Return the apps to tell that this account is out; ask before its grants end."""
    return [Listener(*row) for row in database.rows(_AUDIENCE_OF_ACCOUNT, account=account_id)]


def list_listeners_of_session(database: Database, session: SessionId) -> Sequence[Listener]:
    """Return the apps to tell that this session is over; ask before its grants end."""
    return [Listener(*row) for row in database.rows(_AUDIENCE_OF_SESSION, session=session)]


def list_listeners_of_node(database: Database, node_id: NodeId) -> Sequence[Listener]:
    """Return the apps to tell that the people of a subtree are out."""
    return [Listener(*row) for row in database.rows(_AUDIENCE_OF_NODE, node=node_id)]


def _grant(row: Row) -> Grant:
    (grant_id, node, client_id, account, session, acting, scope, resource, redirect_uri, nonce, means, *rest) = row
    epoch, app_epoch, created_at, expires_at, ended_at = rest
    return Grant(
        id=grant_id,
        node=node,
        client_id=client_id,
        account=account,
        session=session,
        acting=acting,
        scope=tuple(scope.split()),
        resource=tuple(resource.split()),
        redirect_uri=redirect_uri,
        nonce=nonce,
        means=means_from_json(means),
        epoch=epoch,
        app_epoch=app_epoch,
        created_at=created_at,
        expires_at=expires_at,
        ended_at=ended_at,
    )
