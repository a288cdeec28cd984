"""Signing keys of nodes: made when needed, wrapped at rest, held in memory as objects, rotated with overlap."""

import json
from typing import cast

from gateway.domain.audit import Event
from gateway.domain.values import Instant, NodeId
from gateway.services import nodes
from gateway.services.context import Context
from gateway.storage import keys
from gateway.storage.keys import StoredKey
from gateway.tokens.signing import KeyCache, SigningAlgorithm, SigningKey, generate_key, load_key

ALGORITHMS: tuple[SigningAlgorithm, ...] = ("RS256", "ES256")
_PURPOSE = "signing key"
_CACHE = KeyCache()


def ensure_keys(context: Context, node_id: NodeId) -> None:
    """Make the keys a node lacks; called when its first app is registered (decisions.md 29). Made outside the transaction: RSA is slow."""
    for alg in ALGORITHMS:
        if keys.find_signing_key(context.database, node_id, alg, context.now()) is None:
            _add(context, node_id, alg, active_from=context.now())


def rotate_keys(context: Context, node_id: NodeId) -> list[str]:
    """Make a new key for each algorithm and retire the old ones, which stay published until what they signed has ended; return the new ids."""
    lives = nodes.lifetimes(context, node_id)
    overlap = Instant(context.now() + 2 * max(lives.id_token, lives.access_token))
    added = []
    for alg in ALGORITHMS:
        with context.database.transaction():
            key = _add(context, node_id, alg, active_from=context.now())
            keys.retire_other_keys(context.database, key, now=context.now(), published_until=overlap)
            context.publish(Event(node_id, "keys.rotated", "key", key.kid, detail={"alg": alg}))
        added.append(key.kid)
    return added


def get_signing_key(context: Context, node_id: NodeId, alg: str) -> SigningKey:
    """Return the key that signs now; made at once where the node has none."""
    stored = keys.find_signing_key(context.database, node_id, alg, context.now())
    if stored is None:
        stored = _add(context, node_id, cast("SigningAlgorithm", alg), active_from=context.now())
    return _CACHE.get(stored.kid, lambda: _load(context, stored))


def list_public_keys(context: Context, node_id: NodeId) -> list[dict[str, str]]:
    """Return the node's published public keys as JWKs (RFC 7517)."""
    return [json.loads(key.public_jwk) for key in keys.list_published_keys(context.database, node_id, context.now())]


def _add(context: Context, node_id: NodeId, alg: SigningAlgorithm, *, active_from: Instant) -> StoredKey:
    kid = context.new_id()
    pem, public = generate_key(alg, kid)
    key = StoredKey(
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
    keys.insert_key(context.database, key)
    return key


def _load(context: Context, stored: StoredKey) -> SigningKey:
    pem = context.keyring.unwrap(stored.private_key, purpose=_PURPOSE, owner=stored.kid)
    return load_key(pem, stored.kid, cast("SigningAlgorithm", stored.alg))
