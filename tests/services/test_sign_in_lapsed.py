"""What was proved in a sign-in that waits for a further step lapses with whatever it rests on (decisions.md 32)."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import RelyingParty
from gateway.domain.sign_in import Path, Proof, SignIn, Step
from gateway.services import credentials, hand_over, identity_providers, people, second_factor, sessions
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.services.sign_in import Progress
from tests.conftest import Clock
from tests.factors import add_app, add_person, add_provider, assertion_of, begin, code_at, current, refused_codes, session_of, trace_of

Act = Callable[[Context, Account], object]


@pytest.fixture
def waiting(context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str) -> SignIn:
    """Mia's provider vouched for her a second ago, and her code is asked for."""
    sign_in = sign_ins.prove_federated(context, acme, begin(context, acme, shop), add_provider(context, acme), assertion_of(mia)).sign_in
    assert sign_in.due == Step.VERIFY_TOTP
    return sign_in


def require_lapsed(context: Context, progress: Progress, code: str = "E_Session_Expired") -> None:
    """The step opened nothing, forgot the proof, and told and traced why."""
    sign_in = progress.sign_in
    assert (progress.session_secret, sign_in.session, sign_in.proof) == ("", None, None)
    assert sign_in.refusal is not None
    assert sign_in.refusal.code == code
    assert refused_codes(context, sign_in) == [code]
    assert trace_of(context, sign_in, code).account is not None


def end_all(context: Context, account: Account) -> None:
    with context.database.transaction():
        sessions.end_all_of_account(context, account, "ended by an administrator")


def lock_and_unlock(context: Context, account: Account) -> None:
    people.set_admin_lock(context, people.set_admin_lock(context, account, locked=True), locked=False)


def disable_and_enable(context: Context, account: Account) -> None:
    people.set_enabled(context, people.set_enabled(context, account, enabled=False), enabled=True)


def delete_and_recover(context: Context, account: Account) -> None:
    recovered = people.recover_person(context, people.delete_person(context, account))
    people.set_enabled(context, recovered, enabled=True)


def make_federated_only(context: Context, account: Account) -> None:
    people.set_federated_only(context, account, federated_only=True)


ACTS: dict[str, Act] = {
    "all sessions ended": end_all,
    "locked": lock_and_unlock,
    "disabled": disable_and_enable,
    "federated only": make_federated_only,
    "password reset": credentials.issue_temporary_password,
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_what_ends_all_sessions_of_somebody_ends_a_federated_proof_that_waits_for_a_code(
    *, context: Context, acme: Node, mia: Account, secret: str, waiting: SignIn, clock: Clock, act: Act
) -> None:
    clock.advance(seconds=1)
    act(context, current(context, mia))
    require_lapsed(context, second_factor.prove_code(context, acme, waiting, code_at(secret, context.now())))


def test_a_proof_made_after_all_sessions_were_ended_counts(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str, clock: Clock
) -> None:
    end_all(context, mia)
    clock.advance(milliseconds=1)
    sign_in = sign_ins.prove_federated(context, acme, begin(context, acme, shop), add_provider(context, acme), assertion_of(mia)).sign_in
    assert second_factor.prove_code(context, acme, sign_in, code_at(secret, context.now())).session_secret


def test_a_proof_on_its_way_back_to_the_issuer_that_asked_ends_too(context: Context, platform: Node, acme: Node, clock: Clock) -> None:
    ben, asked = add_person(context, acme, "ben"), begin(context, platform, add_app(context, platform))
    child = hand_over.hand_over(context, asked, acme).sign_in
    proved = sign_ins.prove_federated(context, acme, child, add_provider(context, acme), assertion_of(ben)).sign_in
    handle = hand_over.give_back(context, proved)[2]
    clock.advance(seconds=1)
    end_all(context, ben)
    require_lapsed(context, hand_over.take_back(context, platform, asked, handle))


def test_a_proof_by_a_provider_that_was_deleted_meanwhile_counts_no_more(
    context: Context, acme: Node, secret: str, waiting: SignIn
) -> None:
    provider = identity_providers.list_providers(context, acme)[0]
    identity_providers.delete_provider(context, identity_providers.deactivate_provider(context, provider)[0])
    require_lapsed(context, second_factor.prove_code(context, acme, waiting, code_at(secret, context.now())), "E_Idp_Unknown")


def test_a_session_by_a_provider_that_was_deleted_meanwhile_proves_nothing_to_a_step_up(
    context: Context, acme: Node, shop: RelyingParty
) -> None:
    ben = add_person(context, acme, "ben")
    provider = add_provider(context, acme)
    opened = sign_ins.prove_federated(context, acme, begin(context, acme, shop), provider, assertion_of(ben)).sign_in
    session = session_of(context, opened)
    identity_providers.delete_provider(context, identity_providers.deactivate_provider(context, provider)[0])
    proof = Proof(ben.id, Path.SESSION, session.means, session.created_at, session.sid)
    require_lapsed(context, sign_ins.advance(context, acme, replace(begin(context, acme, shop), proof=proof)), "E_Idp_Unknown")


def test_an_account_that_was_deleted_and_recovered_has_no_proof_from_before(
    context: Context, platform: Node, acme: Node, clock: Clock
) -> None:
    ben, asked = add_person(context, acme, "ben"), begin(context, platform, add_app(context, platform))
    child = hand_over.hand_over(context, asked, acme).sign_in
    proved = sign_ins.prove_federated(context, acme, child, add_provider(context, acme), assertion_of(ben)).sign_in
    handle = hand_over.give_back(context, proved)[2]
    clock.advance(seconds=1)
    delete_and_recover(context, current(context, ben))
    require_lapsed(context, hand_over.take_back(context, platform, asked, handle))
