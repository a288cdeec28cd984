"""What ends a stored sign-in: being finished, being taken, and time."""

from dataclasses import replace

from gateway.domain.nodes import Node
from gateway.domain.values import DAY_MS, Instant, hash_token
from gateway.services import hand_over
from gateway.services import sign_in as services
from gateway.services.context import Context
from gateway.services.house import House
from gateway.services.routines import Clerk
from gateway.services.sweeping import ROUTINE
from gateway.storage import sign_ins, sweeping
from tests.conftest import Clock
from tests.sign_ins import begin, make_app, make_provider


def test_old_sign_ins_go_with_their_legs_and_children_and_young_ones_stay(
    context: Context, platform: Node, acme: Node, clock: Clock
) -> None:
    app, provider = make_app(context, platform), make_provider(context, acme)
    old = begin(context, platform, app)
    child = hand_over.hand_over(context, old.sign_in, acme)
    state, _ = services.begin_leg(context, child.sign_in, provider)
    clock.advance(seconds=3600)
    young = begin(context, platform, app)
    services.begin_leg(context, young.sign_in, provider)
    # The one that waits for a proof goes after the one that makes it.
    assert [sweeping.remove_sign_ins(context.database, before=clock.now, limit=9) for _ in range(3)] == [1, 1, 0]
    assert sign_ins.find_parent(context.database, old.sign_in.id) is None
    assert sign_ins.take_leg(context.database, hash_token(state)) is None
    assert sign_ins.find_parent(context.database, young.sign_in.id) == replace(young.sign_in, legs=(clock.now,))


def test_the_worker_sweeps_what_is_older_than_a_day(house: House, context: Context, acme: Node, clock: Clock) -> None:
    begun = begin(context, acme, make_app(context, acme))
    for wait, kept in ((DAY_MS, True), (DAY_MS, False)):
        clock.now = Instant(clock.now + wait)
        Clerk(house, [ROUTINE]).run_due()
        assert (sign_ins.find_parent(context.database, begun.sign_in.id) is not None) == kept
