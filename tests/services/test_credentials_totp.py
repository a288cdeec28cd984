"""Authenticator apps: set up freshly, each code taken once, wrong ones counted (openid.md 89-93, R-113, R-114)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import Level, RelyingParty
from gateway.domain.sign_in import SignIn, Step
from gateway.services import credentials, second_factor
from gateway.services.context import Context
from gateway.storage import audit, factors, sessions
from tests.conftest import Clock
from tests.factors import (
    begin,
    by_password,
    code_at,
    enrol,
    refusal_of_code,
    refused_codes,
    session_of,
    trace_of,
    wrong_code,
)


def test_a_right_password_alone_opens_nothing_where_a_factor_is_due(context: Context, acme: Node, shop: RelyingParty, mia: Account) -> None:
    sign_in = by_password(context, acme, shop, mia)
    assert (sign_in.due, sign_in.session) == (Step.ENROL_TOTP, None)
    assert sessions.list_sessions(context.database, mia.id) == []
    step = next(item for item in trace_of(context, sign_in).chain if item.step == "second factor")
    assert (step.outcome, step.detail["code"]) == ("due", "E_Mfa_Setup_Required")


def test_a_factor_is_stored_only_after_a_valid_code(context: Context, acme: Node, shop: RelyingParty, mia: Account) -> None:
    sign_in = by_password(context, acme, shop, mia)
    offer = second_factor.offer(context, sign_in)
    with pytest.raises(Refusal) as refused:
        second_factor.enrol(context, acme, sign_in, wrong_code(offer.secret, context.now()))
    assert refused.value.code == "E_Mfa_Invalid"
    assert factors.find_factor(context.database, mia.id) is None
    enrolled = second_factor.enrol(context, acme, sign_in, code_at(offer.secret, context.now()))
    assert len(enrolled.recovery_codes) == 10
    session = session_of(context, enrolled.progress.sign_in)
    assert (session.means.level, session.means.amr) == (Level.MULTI_FACTOR, ("pwd", "otp", "mfa"))


def test_the_secret_has_160_bits_and_is_stored_wrapped(context: Context, acme: Node, shop: RelyingParty, mia: Account) -> None:
    secret, _ = enrol(context, acme, shop, mia)
    assert len(secret) == 32
    factor = factors.find_factor(context.database, mia.id)
    assert factor is not None
    assert secret not in factor.wrapped_secret
    assert context.keyring.unwrap(factor.wrapped_secret, purpose="totp", owner=mia.id) == secret.encode()


def test_the_offer_names_brand_and_login_and_stays_the_same_within_a_sign_in(
    context: Context, acme: Node, shop: RelyingParty, mia: Account
) -> None:
    sign_in = by_password(context, acme, shop, mia)
    first = second_factor.offer(context, sign_in)
    assert first.uri.startswith("otpauth://totp/Acme%20Ltd:mia?")
    assert second_factor.offer(context, sign_in) == first


def test_a_new_sign_in_begins_a_new_enrolment_and_forgets_the_other(context: Context, acme: Node, shop: RelyingParty, mia: Account) -> None:
    first, second = (by_password(context, acme, shop, mia) for _ in range(2))
    old, new = second_factor.offer(context, first).secret, second_factor.offer(context, second).secret
    assert old != new
    with pytest.raises(Refusal) as refused:
        second_factor.enrol(context, acme, first, code_at(old, context.now()))
    assert refused.value.code == "E_Session_Expired"


def test_the_code_that_confirms_an_enrolment_cannot_sign_in_again(context: Context, acme: Node, shop: RelyingParty, mia: Account) -> None:
    secret, _ = enrol(context, acme, shop, mia)
    again = by_password(context, acme, shop, mia)
    assert again.due == Step.VERIFY_TOTP
    assert refusal_of_code(context, acme, again, code_at(secret, context.now())).reason == "E_Mfa_Replayed"


def test_an_enrolment_needs_a_first_factor_of_the_last_five_minutes(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, clock: Clock
) -> None:
    fresh, late = (by_password(context, acme, shop, mia) for _ in range(2))
    clock.advance(seconds=300)
    assert second_factor.offer(context, fresh).secret
    clock.advance(milliseconds=1)
    with pytest.raises(Refusal) as refused:
        second_factor.offer(context, late)
    assert refused.value.code == "E_Session_Expired"


def test_an_enrolment_needs_a_first_factor(context: Context, acme: Node, shop: RelyingParty) -> None:
    with pytest.raises(Refusal) as refused:
        second_factor.offer(context, begin(context, acme, shop))
    assert refused.value.code == "E_State_Invalid"


def test_whoever_has_a_factor_cannot_set_up_another_by_password_alone(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str
) -> None:
    sign_in = by_password(context, acme, shop, mia)
    for way in (lambda: second_factor.offer(context, sign_in), lambda: second_factor.enrol(context, acme, sign_in, "000000")):
        with pytest.raises(Refusal) as refused:
            way()
        assert refused.value.code == "E_State_Invalid"


def test_a_right_code_opens_the_session_with_both_factors(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str
) -> None:
    sign_in = by_password(context, acme, shop, mia)
    assert sign_in.due == Step.VERIFY_TOTP
    progress = second_factor.prove_code(context, acme, sign_in, code_at(secret, context.now()))
    assert progress.session_secret
    assert session_of(context, progress.sign_in).means.amr == ("pwd", "otp", "mfa")


@pytest.mark.parametrize(("steps", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_of_one_step_either_way_is_taken(
    *, context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str, steps: int, taken: bool
) -> None:
    sign_in = by_password(context, acme, shop, mia)
    code = code_at(secret, context.now(), steps=steps)
    if taken:
        assert second_factor.prove_code(context, acme, sign_in, code).session_secret
        factor = factors.find_factor(context.database, mia.id)
        assert factor is not None
        assert factor.drift == steps
    else:
        assert refusal_of_code(context, acme, sign_in, code).code == "E_Mfa_Invalid"


def test_a_code_is_taken_with_the_space_that_apps_show(context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str) -> None:
    code = code_at(secret, context.now())
    assert second_factor.prove_code(context, acme, by_password(context, acme, shop, mia), f" {code[:3]} {code[3:]} ").session_secret


def test_a_code_is_taken_once_and_no_older_one_after_it(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str
) -> None:
    second_factor.prove_code(context, acme, by_password(context, acme, shop, mia), code_at(secret, context.now()))
    again = by_password(context, acme, shop, mia)
    for steps in (0, -1):
        refusal = refusal_of_code(context, acme, again, code_at(secret, context.now(), steps=steps))
        assert (refusal.code, refusal.reason) == ("E_Mfa_Invalid", "E_Mfa_Replayed")
    assert refused_codes(context, again) == ["E_Mfa_Replayed", "E_Mfa_Replayed"]
    assert [trace.code for trace in audit.list_traces(context.database, again.correlation_id) if trace.code] == ["E_Mfa_Replayed"] * 2


def test_of_parallel_uses_of_one_code_one_wins(context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str) -> None:
    attempts = [by_password(context, acme, shop, mia) for _ in range(4)]
    code, together = code_at(secret, context.now()), threading.Barrier(4)

    def prove(sign_in: SignIn) -> bool:
        together.wait()
        try:
            return bool(second_factor.prove_code(context, acme, sign_in, code).session_secret)
        except Refusal:
            return False
        finally:
            context.database.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(prove, attempts)) == [False, False, False, True]


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "0" * 5000, "1\x002345"])
def test_what_is_no_code_is_a_wrong_one(*, context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str, code: str) -> None:
    refusal = refusal_of_code(context, acme, by_password(context, acme, shop, mia), code)
    assert (refusal.code, refusal.data["value"]) == ("E_Mfa_Invalid", 4)


def test_five_wrong_codes_across_sign_ins_end_the_sign_in_and_lock_every_code_step(
    *, context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str, clock: Clock
) -> None:
    wrong = wrong_code(secret, context.now())
    for left in (4, 3, 2):
        assert refusal_of_code(context, acme, by_password(context, acme, shop, mia), wrong).data["value"] == left
    sign_in = by_password(context, acme, shop, mia)
    with pytest.raises(Refusal):
        second_factor.prove_recovery_code(context, acme, sign_in, "aaaa-bbbb-cccc-dddd")
    ended = second_factor.prove_code(context, acme, sign_in, wrong).sign_in
    assert ended.refusal is not None
    assert (ended.refusal.code, ended.refusal.data["time"][-4:]) == ("E_Mfa_Locked", " UTC")
    other = by_password(context, acme, shop, mia)
    locked = second_factor.prove_code(context, acme, other, code_at(secret, context.now())).sign_in
    assert locked.refusal is not None
    assert (locked.refusal.code, locked.session) == ("E_Mfa_Locked", None)
    assert refused_codes(context, other) == ["E_Mfa_Locked"]
    assert trace_of(context, other, "E_Mfa_Locked").account == mia.id
    clock.advance(seconds=300)
    assert second_factor.prove_code(context, acme, by_password(context, acme, shop, mia), code_at(secret, context.now())).session_secret


def test_an_ended_sign_in_takes_no_further_code(context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str) -> None:
    sign_in = by_password(context, acme, shop, mia)
    for _ in range(4):
        refusal_of_code(context, acme, sign_in, wrong_code(secret, context.now()))
    ended = second_factor.prove_code(context, acme, sign_in, wrong_code(secret, context.now())).sign_in
    assert refusal_of_code(context, acme, ended, code_at(secret, context.now())).code == "E_State_Invalid"


def test_fifty_parallel_wrong_codes_never_exceed_five(context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str) -> None:
    sign_in, wrong, together = by_password(context, acme, shop, mia), wrong_code(secret, context.now()), threading.Barrier(50)

    def prove(_: int) -> None:
        together.wait()
        try:
            second_factor.prove_code(context, acme, sign_in, wrong)
        except Refusal as refusal:
            assert refusal.code == "E_Mfa_Invalid"  # noqa: PT017 -- either outcome is allowed, none other
        finally:
            context.database.close()

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(prove, range(50)))
    codes = refused_codes(context, sign_in)
    assert (codes.count("E_Mfa_Invalid"), codes.count("E_Mfa_Locked")) == (5, 45)


def test_wrong_codes_leave_the_password_path_and_wrong_passwords_the_codes(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str
) -> None:
    sign_in = by_password(context, acme, shop, mia)
    for _ in range(10):
        credentials.check_password(context, acme, "mia", "wrong")
    assert credentials.check_password(context, acme, "mia", "wrong").code == "E_Locked_Out"
    assert second_factor.prove_code(context, acme, sign_in, code_at(secret, context.now())).session_secret


def test_a_wrong_code_is_traced_with_the_person_and_shown_with_the_tries_left(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str
) -> None:
    sign_in = by_password(context, acme, shop, mia)
    refusal_of_code(context, acme, sign_in, wrong_code(secret, context.now()))
    trace = trace_of(context, sign_in, "E_Mfa_Invalid")
    refused = next(step for step in trace.chain if step.outcome == "refused")
    assert (trace.code, trace.account, refused.step, refused.detail["guess"]) == ("E_Mfa_Invalid", mia.id, "second factor", 1)


def test_no_code_and_no_secret_is_ever_in_the_trail(context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str) -> None:
    sign_in = by_password(context, acme, shop, mia)
    code = code_at(secret, context.now())
    second_factor.prove_code(context, acme, sign_in, code)
    kept = [row.detail for row in audit.list_audit(context.database, acme.id, limit=200)]
    kept += [str(trace.chain) for trace in audit.list_traces(context.database, sign_in.correlation_id)]
    assert not [text for text in kept if code in text or secret in text]
