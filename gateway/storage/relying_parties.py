"""Relying parties and their secrets."""

import dataclasses
import json
from functools import lru_cache

from gateway.domain.relying_party import AuthMethod, RelyingParty
from gateway.domain.values import ClientId, Instant, NodeId
from gateway.storage.database import Database, Duplicate, Row, Statement, place, places
from gateway.storage.tables.apps import ClientAssertion, ClientSecret
from gateway.storage.tables.apps import RelyingParty as PartyTable

_FIELDS = tuple(field.name for field in dataclasses.fields(RelyingParty))
_LISTS = ("redirect_uris", "post_logout_redirect_uris", "grants", "scopes", "resources")
_FLAGS = ("roleless", "first_party", "pkce_required", "second_factor_unsupported")
_COLUMNS = tuple(getattr(PartyTable, name) for name in _FIELDS)

_FIND = Statement(
    PartyTable.select(*_COLUMNS).where(
        (PartyTable.node == place("node")) & (PartyTable.client_id == place("client_id")) & PartyTable.deleted_at.is_null()
    )
)
_BY_ID = Statement(PartyTable.select(*_COLUMNS).where((PartyTable.client_id == place("client_id")) & PartyTable.deleted_at.is_null()))
_OF_NODE = Statement(
    PartyTable.select(*_COLUMNS)
    .where((PartyTable.node == place("node")) & PartyTable.deleted_at.is_null())
    .order_by(PartyTable.name, PartyTable.client_id)
)
_INSERT = Statement(PartyTable.insert(places(PartyTable)))
_CHANGE = Statement(
    PartyTable.update(
        {
            getattr(PartyTable, name): place(name)
            for name in _FIELDS
            if name not in {"client_id", "node", "created_at", "disabled_at", "epoch"}
        }
    ).where((PartyTable.client_id == place("client_id")) & PartyTable.deleted_at.is_null())
)
_DISABLE = Statement(
    PartyTable.update({PartyTable.disabled_at: place("at"), PartyTable.epoch: PartyTable.epoch + place("ended")}).where(
        PartyTable.client_id == place("client_id")
    )
)
_DELETE = Statement(
    PartyTable.update({PartyTable.deleted_at: place("at"), PartyTable.disabled_at: place("at")}).where(
        PartyTable.client_id == place("client_id")
    )
)
_INSERT_SECRET = Statement(ClientSecret.insert(places(ClientSecret)))
_SECRET = Statement(
    ClientSecret.select(ClientSecret.expires_at).where(
        (ClientSecret.client_id == place("client_id")) & (ClientSecret.hash == place("hash"))
    )
)
_EXPIRE_SECRETS = Statement(
    ClientSecret.update({ClientSecret.expires_at: place("at")}).where(
        (ClientSecret.client_id == place("client_id")) & (ClientSecret.expires_at.is_null() | (ClientSecret.expires_at > place("at")))
    )
)
_INSERT_ASSERTION = Statement(ClientAssertion.insert(places(ClientAssertion)))
_FORGET_ASSERTIONS = Statement(ClientAssertion.delete().where(ClientAssertion.expires_at <= place("now")))


def find_relying_party(database: Database, node_id: NodeId, client_id: str) -> RelyingParty | None:
    """Return the app registered at this node; another node's app is not found."""
    return database.remembered(_FIND, _one, node=node_id, client_id=client_id)


def find_relying_party_anywhere(database: Database, client_id: ClientId) -> RelyingParty | None:
    """Return an app by an id that we stored ourselves."""
    return database.remembered(_BY_ID, _one, client_id=client_id)


def list_relying_parties(database: Database, node_id: NodeId) -> list[RelyingParty]:
    """Return the apps registered at a node."""
    return [_party(row) for row in database.rows(_OF_NODE, node=node_id)]


def insert_relying_party(database: Database, party: RelyingParty) -> None:
    """Add an app."""
    database.write(_INSERT, **_values(party), deleted_at=None)


def change_relying_party(database: Database, party: RelyingParty) -> None:
    """Store what an administrator changed; id, node and creation stay."""
    database.write(_CHANGE, **_values(party))


def set_disabled(database: Database, client_id: ClientId, at: Instant | None) -> None:
    """Switch an app off, which ends all it was granted (its epoch grows), or on with None."""
    database.write(_DISABLE, client_id=client_id, at=at, ended=int(at is not None))


def delete_relying_party(database: Database, client_id: ClientId, at: Instant) -> None:
    """Remove an app from sight; its rows stay for the audit trail."""
    database.write(_DELETE, client_id=client_id, at=at)


def insert_secret(database: Database, client_id: ClientId, secret_hash: str, now: Instant) -> None:
    """Add a secret, valid beside those that live."""
    database.write(_INSERT_SECRET, hash=secret_hash, client_id=client_id, created_at=now, expires_at=None)


def expire_secrets(database: Database, client_id: ClientId, at: Instant) -> None:
    """Let every secret of an app end at `at`, unless it ends before."""
    database.write(_EXPIRE_SECRETS, client_id=client_id, at=at)


def has_secret(database: Database, client_id: ClientId, secret_hash: str, now: Instant) -> bool:
    """Return whether a live secret of the app has this hash; looked up by hash, so the time tells nothing about it."""
    ends = database.remembered(_SECRET, lambda rows: rows[0], client_id=client_id, hash=secret_hash)
    return ends is not None and (ends[0] is None or ends[0] > now)


def use_assertion(database: Database, client_id: ClientId, jti_hash: str, *, now: Instant, expires_at: Instant) -> bool:
    """Remember an assertion until it expires; return False if it was used before: of parallel calls one alone gets True."""
    database.write(_FORGET_ASSERTIONS, now=now)
    try:
        database.write(_INSERT_ASSERTION, client_id=client_id, jti_hash=jti_hash, expires_at=expires_at)
    except Duplicate:
        return False
    return True


def _values(party: RelyingParty) -> dict[str, object]:
    return {name: getattr(party, name) for name in _FIELDS} | {name: json.dumps(getattr(party, name)) for name in _LISTS}


def _one(rows: list[Row]) -> RelyingParty:
    return _party(rows[0])


@lru_cache(maxsize=1024)
def _party(row: Row) -> RelyingParty:
    """Return the app of a row; the same row makes the same app, and every sign-on reads its app four times."""
    stored = dict(zip(_FIELDS, row, strict=True))
    stored |= {name: tuple(json.loads(stored[name])) for name in _LISTS} | {name: bool(stored[name]) for name in _FLAGS}
    return RelyingParty(**stored | {"auth_method": AuthMethod(stored["auth_method"])})
