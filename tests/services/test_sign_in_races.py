"""Whatever serves once serves once, however many come at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.services import hand_over
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.storage import sessions as stored_sessions
from tests.sign_ins import PASSWORD, begin, make_app, make_person, make_provider

CROWD = 12


def at_once(context: Context, act: Callable[[], object]) -> list[object]:
    """Do the same in many threads at the same moment; return what each got, a refusal's code where it was refused."""
    gate = Barrier(CROWD)

    def one(_: int) -> object:
        gate.wait()
        try:
            return act()
        except Refusal as refusal:
            return refusal.code
        finally:
            context.database.close()

    with ThreadPoolExecutor(CROWD) as crowd:
        return list(crowd.map(one, range(CROWD)))


def test_a_sign_in_is_finished_once(context: Context, acme: Node) -> None:
    begun = begin(context, acme, make_app(context, acme))
    assert sorted(map(bool, at_once(context, lambda: sign_ins.finish(context, begun.sign_in)))) == [False] * (CROWD - 1) + [True]


def test_a_state_is_taken_once(context: Context, acme: Node) -> None:
    begun = begin(context, acme, make_app(context, acme))
    state, leg = sign_ins.begin_leg(context, begun.sign_in, make_provider(context, acme))
    got = at_once(context, lambda: sign_ins.take_leg(context, state))
    assert got.count(leg) == 1
    assert got.count("E_State_Invalid") == CROWD - 1


def test_a_sign_in_handed_over_is_taken_over_once(context: Context, platform: Node, acme: Node) -> None:
    child = hand_over.hand_over(context, begin(context, platform, make_app(context, platform)).sign_in, acme)
    got = at_once(context, lambda: hand_over.take_over(context, acme, child.sign_in.id, child.secret))
    assert got.count("E_State_Invalid") == CROWD - 1


def test_a_proof_makes_one_session(context: Context, platform: Node, acme: Node) -> None:
    anna = make_person(context, acme, "anna.berg", password=PASSWORD)
    begun = begin(context, platform, make_app(context, platform))
    child = hand_over.hand_over(context, begun.sign_in, acme)
    proved = sign_ins.prove_password(context, acme, child.sign_in, "anna.berg", PASSWORD).sign_in
    handle = hand_over.give_back(context, proved)[2]
    got = at_once(context, lambda: bool(hand_over.take_back(context, platform, begun.sign_in, handle).session_secret))
    assert got.count(True) == 1
    assert got.count("E_State_Invalid") == CROWD - 1
    assert len(stored_sessions.list_sessions(context.database, anna.id)) == 1
