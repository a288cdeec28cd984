"""Signing keys of nodes: made when needed, wrapped at rest, held in memory as objects, rotated with overlap."""

import json
from functools import lru_cache, partial
from typing import cast

from gateway.domain.audit import Event
from gateway.domain.values import DAY_MS, HOUR_MS, MINUTE_MS, Instant, NodeId
from gateway.services import nodes
from gateway.services.context import Context
from gateway.services.house import WORKER, House
from gateway.services.routines import Routine
from gateway.storage import keys
from gateway.storage.keys import StoredKey
from gateway.tokens.keyring import UnwrapFailed
from gateway.tokens.signing import KeyCache, SigningAlgorithm, SigningKey, generate_key, load_key
from gateway.tokens.verification import KeySet, import_key_set

ALGORITHMS: tuple[SigningAlgorithm, ...] = ("RS256", "ES256")
STATEMENT_ALGORITHM: SigningAlgorithm = "ES256"
"""By which statements are signed that are no tokens, such as the heads of the audit trail."""
LEAD_MS = 10 * MINUTE_MS
"""How long a new key is published before it signs: twice as long as verifiers may keep our key set (openid.md 37)."""
SHORTEST_LIFE_MS = DAY_MS
"""However short a policy says: verifiers fetch our key set now and then, not all day."""
EVERY_MS = HOUR_MS
"""How often it is looked for keys that are due."""
_PURPOSE = "signing key"
_CACHE = KeyCache()


def ensure_keys(context: Context, node_id: NodeId) -> None:
    """Make the keys a node lacks; called when its first app is registered (decisions.md 29). Made outside the transaction: RSA is slow."""
    for alg in ALGORITHMS:
        if keys.find_signing_key(context.database, node_id, alg, context.now()) is None:
            _add(context, node_id, alg, active_from=context.now())


def rotate_keys(context: Context, node_id: NodeId) -> list[str]:
    """Make a new key for each algorithm and return the new ids.

    A new key is published at once and signs after `LEAD_MS`; the old ones sign until then, and stay published until what they
    signed has ended.
    """
    return [_turn(context, node_id, alg) for alg in ALGORITHMS]


def rotate_due(house: House) -> bool:
    """Turn one key that is as old as its node's policy `signing_key` allows; return whether there was one: then there may be more."""
    context = house.context(WORKER)
    for node_id, alg, begun in keys.list_ages(context.database):
        # The successor is made so early that it signs on the day.
        age = max(nodes.lifetimes(context, node_id).signing_key, SHORTEST_LIFE_MS) - LEAD_MS
        if begun + age <= context.now():
            _turn(context, node_id, cast("SigningAlgorithm", alg))
            return True
    return False


def get_signing_key(context: Context, node_id: NodeId, alg: str) -> SigningKey:
    """Return the key that signs now; made at once where the node has none."""
    stored = keys.find_signing_key(context.database, node_id, alg, context.now())
    if stored is None:
        stored = _add(context, node_id, cast("SigningAlgorithm", alg), active_from=context.now())
    # By the public half and not by kid: a kid names one key within one database, and a process may open several.
    return _CACHE.get(stored.public_jwk, lambda: _load(context, stored))


def list_public_keys(context: Context, node_id: NodeId) -> list[dict[str, str]]:
    """Return the node's published public keys as JWKs (RFC 7517)."""
    return [json.loads(key.public_jwk) for key in keys.list_published_keys(context.database, node_id, context.now())]


def verification_keys(context: Context, node_id: NodeId) -> KeySet:
    """Return the node's published keys, ready to verify what came back to us."""
    return _key_set(tuple(key.public_jwk for key in keys.list_published_keys(context.database, node_id, context.now())))


def keys_of_statements(context: Context, node_id: NodeId) -> KeySet:
    """Return the keys that ever signed a node's own statements, to verify what must hold for years.

    Their public halves come out of the wrapped private ones: whoever may write the database but has no secret key cannot put in another.
    """
    own = []
    for stored in keys.list_every_key(context.database, node_id, STATEMENT_ALGORITHM):
        try:
            own.append(json.dumps(dict(_CACHE.get(stored.public_jwk, partial(_load, context, stored)).public)))
        except (UnwrapFailed, ValueError):
            # What does not unwrap is not ours; whatever names it is then signed by nobody we know.
            continue
    return _key_set(tuple(own))


@lru_cache(maxsize=256)
def _key_set(jwks: tuple[str, ...]) -> KeySet:
    return import_key_set({"keys": [json.loads(jwk) for jwk in jwks]})


def _turn(context: Context, node_id: NodeId, alg: SigningAlgorithm) -> str:
    lives = nodes.lifetimes(context, node_id)
    begins = Instant(context.now() + LEAD_MS)
    gone = Instant(begins + 2 * max(lives.id_token, lives.access_token))
    key = _new_key(context, node_id, alg, active_from=begins)
    with context.database.transaction():
        keys.insert_key(context.database, key)
        keys.retire_other_keys(context.database, key, published_until=gone)
        context.publish(Event(node_id, "keys.rotated", "key", key.kid, detail={"alg": alg}))
    return key.kid


def _add(context: Context, node_id: NodeId, alg: SigningAlgorithm, *, active_from: Instant) -> StoredKey:
    key = _new_key(context, node_id, alg, active_from=active_from)
    with context.database.transaction():
        # Somebody else may have made one while this one was made; one is enough.
        context.database.hold_name("signing key", node_id, alg)
        first = keys.find_signing_key(context.database, node_id, alg, context.now())
        if first is None:
            keys.insert_key(context.database, key)
    return first or key


def _new_key(context: Context, node_id: NodeId, alg: SigningAlgorithm, *, active_from: Instant) -> StoredKey:
    kid = context.new_id()
    pem, public = generate_key(alg, kid)
    return StoredKey(
        kid=kid,
        node=node_id,
        alg=alg,
        private_key=context.keyring.wrap(pem, purpose=_PURPOSE, owner=kid),
        public_jwk=json.dumps(public),
        created_at=context.now(),
        active_from=active_from,
        retired_at=None,
        published_until=None,
    )


def _load(context: Context, stored: StoredKey) -> SigningKey:
    pem = context.keyring.unwrap(stored.private_key, purpose=_PURPOSE, owner=stored.kid)
    return load_key(pem, stored.kid, cast("SigningAlgorithm", stored.alg))


ROUTINE = Routine("key rotation", rotate_due, every=EVERY_MS)
"""What the worker does of it."""
