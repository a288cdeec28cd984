"""Signing keys of nodes: wrapped at rest, one alone signs, and the old ones are published for as long as they are needed."""

from gateway.domain.nodes import Node
from gateway.services import keys, nodes
from gateway.services.context import Context
from gateway.services.house import House
from gateway.services.keys import LEAD_MS
from gateway.services.routines import Clerk
from gateway.worker import ROUTINES
from tests.conftest import Clock

DAY = 86_400
"""Seconds."""


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


class TestRotationBySchedule:
    """Keys turn by themselves, after 90 days unless a policy says sooner."""

    def kids(self, context: Context, node: Node) -> set[str]:
        return {key["kid"] for key in keys.list_public_keys(context, node.id)}

    def test_a_young_key_stays(self, house: House, context: Context, acme: Node, clock: Clock) -> None:
        keys.ensure_keys(context, acme.id)
        clock.advance(seconds=89 * DAY)
        assert not keys.rotate_due(house)

    def test_an_old_key_gets_a_successor_that_is_published_before_it_signs(
        self, house: House, context: Context, acme: Node, clock: Clock
    ) -> None:
        keys.ensure_keys(context, acme.id)
        old = keys.get_signing_key(context, acme.id, "ES256").kid
        clock.advance(seconds=90 * DAY, milliseconds=-LEAD_MS)
        while keys.rotate_due(house):
            pass
        assert len(self.kids(context, acme)) == 4
        assert keys.get_signing_key(context, acme.id, "ES256").kid == old
        clock.advance(milliseconds=LEAD_MS)
        assert keys.get_signing_key(context, acme.id, "ES256").kid != old
        assert old in self.kids(context, acme)
        clock.advance(seconds=DAY)
        assert old not in self.kids(context, acme)

    def test_each_turn_turns_one_key(self, house: House, context: Context, acme: Node, clock: Clock) -> None:
        keys.ensure_keys(context, acme.id)
        clock.advance(seconds=91 * DAY)
        assert [keys.rotate_due(house) for _ in range(3)] == [True, True, False]

    def test_a_policy_makes_them_turn_sooner_there_and_below(
        self, house: House, context: Context, acme: Node, globex: Node, clock: Clock
    ) -> None:
        for node in (acme, globex):
            keys.ensure_keys(context, node.id)
        nodes.change_node(context, acme, policies={"signing_key": str(30 * DAY)})
        clock.advance(seconds=31 * DAY)
        while keys.rotate_due(house):
            pass
        assert len(self.kids(context, acme)) == 4
        assert len(self.kids(context, globex)) == 2

    def test_no_policy_makes_them_turn_more_often_than_once_a_day(self, house: House, context: Context, acme: Node, clock: Clock) -> None:
        keys.ensure_keys(context, acme.id)
        nodes.change_node(context, acme, policies={"signing_key": "1"})
        clock.advance(seconds=DAY / 2)
        assert not keys.rotate_due(house)

    def test_keys_of_a_deleted_node_turn_no_more(self, house: House, context: Context, acme: Node, clock: Clock) -> None:
        keys.ensure_keys(context, acme.id)
        nodes.delete_node(context, nodes.disable_node(context, acme))
        clock.advance(seconds=91 * DAY)
        assert not keys.rotate_due(house)

    def test_the_worker_does_it(self, house: House, context: Context, acme: Node, clock: Clock) -> None:
        keys.ensure_keys(context, acme.id)
        clerk = Clerk(house, [keys.ROUTINE])
        clerk.run_due()
        clock.advance(seconds=91 * DAY)
        clerk.run_due()
        assert len(self.kids(context, acme)) == 4
        assert keys.ROUTINE in ROUTINES

    def test_tokens_of_the_old_key_are_verified_until_they_end(self, house: House, context: Context, acme: Node, clock: Clock) -> None:
        keys.ensure_keys(context, acme.id)
        clock.advance(seconds=90 * DAY, milliseconds=-LEAD_MS)
        while keys.rotate_due(house):
            pass
        clock.advance(milliseconds=LEAD_MS - 1)
        last = keys.get_signing_key(context, acme.id, "ES256")
        clock.advance(milliseconds=nodes.lifetimes(context, acme.id).access_token)
        assert last.kid in {key.kid for key in keys.verification_keys(context, acme.id).keys}
