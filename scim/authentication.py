"""Who asks: the bearer token names the connection, before any row of a person is read (scim.md section 1)."""

from dataclasses import replace

from gateway.domain.audit import Actor, ActorKind, Channel
from gateway.domain.connections import Connection
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.patch import Unknown
from gateway.domain.values import NodeId
from gateway.services import connections
from gateway.services.context import Context
from scim.profiles import PROFILES, Profile

_LONGEST_TOKEN = 512


def authenticate(context: Context, node_id: NodeId, unverified_header: str) -> tuple[Connection, Node]:
    """Return the connection whose token the header Authorization carries (RFC 6750 §2.1), and its node, or refuse."""
    scheme, _, token = unverified_header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > _LONGEST_TOKEN:
        raise Refusal("E_Token_Missing")
    return connections.authenticate(context, node_id, token)


def actor_of(connection: Connection) -> Actor:
    """Return the connection as the actor of what follows."""
    return Actor(ActorKind.CONNECTION, connection.id, Channel.SCIM)


def profile_of(connection: Connection) -> Profile:
    """Return the connection's profile with its own switches applied."""
    profile = PROFILES[connection.profile]
    if connection.patch_reply:
        profile = replace(profile, user_patch_status=connection.patch_reply)
    if connection.unknown:
        profile = replace(profile, unknown=Unknown(connection.unknown))
    return profile
