"""Signing keys of nodes: wrapped at rest, one alone signs, and the old ones are published for as long as they are needed."""

from gateway.domain.nodes import Node
from gateway.services import keys, nodes
from gateway.services.context import Context
from gateway.services.keys import LEAD_MS
from tests.conftest import Clock


def test_private_key_is_wrapped_at_rest(context: Context, acme: Node) -> None:
    keys.ensure_keys(context, acme.id)
    stored = str(context.database.script("SELECT * FROM signing_key"))
    assert "PRIVATE KEY" not in stored
    assert '"d"' not in stored


def test_each_node_has_keys_of_its_own(context: Context, acme: Node, globex: Node) -> None:
    kids = {keys.get_signing_key(context, node.id, "ES256").kid for node in (acme, globex)}
    assert len(kids) == 2


def test_key_is_read_once(context: Context, acme: Node) -> None:
    assert keys.get_signing_key(context, acme.id, "RS256") is keys.get_signing_key(context, acme.id, "RS256")


def test_rotation_publishes_first_and_signs_later(context: Context, acme: Node, clock: Clock) -> None:
    old = keys.get_signing_key(context, acme.id, "ES256").kid
    keys.rotate_keys(context, acme.id)
    clock.advance(milliseconds=LEAD_MS - 1)
    assert keys.get_signing_key(context, acme.id, "ES256").kid == old
    clock.advance(milliseconds=1)
    assert keys.get_signing_key(context, acme.id, "ES256").kid != old
    assert old in {key["kid"] for key in keys.list_public_keys(context, acme.id)}


def test_old_keys_are_published_for_as_long_as_what_they_signed_lives(context: Context, acme: Node, clock: Clock) -> None:
    keys.ensure_keys(context, acme.id)
    keys.rotate_keys(context, acme.id)
    longest = max(nodes.lifetimes(context, acme.id).id_token, nodes.lifetimes(context, acme.id).access_token)
    clock.advance(milliseconds=LEAD_MS + longest)
    assert len(keys.list_public_keys(context, acme.id)) == 4
    clock.advance(milliseconds=longest)
    assert len(keys.list_public_keys(context, acme.id)) == 2


def test_rotating_a_node_without_keys_leaves_it_able_to_sign(context: Context, acme: Node, clock: Clock) -> None:
    keys.rotate_keys(context, acme.id)
    assert keys.get_signing_key(context, acme.id, "RS256").alg == "RS256"
    clock.advance(milliseconds=LEAD_MS)
    assert keys.get_signing_key(context, acme.id, "RS256").alg == "RS256"
