"""Recovery codes, and what an administrator does about factors: enforce and reset (openid.md 97, 99, decisions.md 25)."""

import pytest

from gateway.domain.credential import FactorState
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import Level, RelyingParty
from gateway.domain.sign_in import Step
from gateway.services import second_factor
from gateway.services.context import Context
from gateway.storage import factors
from tests.conftest import Clock
from tests.factors import (
    add_person,
    by_password,
    code_at,
    current,
    enrol,
    refusal_of_code,
    refused_codes,
    session_of,
    trace_of,
)


def test_each_recovery_code_works_once(context: Context, acme: Node, shop: RelyingParty, mia: Account) -> None:
    _, codes = enrol(context, acme, shop, mia)
    assert len(set(codes)) == 10
    sign_in = by_password(context, acme, shop, mia)
    progress = second_factor.prove_recovery_code(context, acme, sign_in, codes[3].upper().replace("-", " "))
    assert progress.session_secret
    assert session_of(context, progress.sign_in).means.level is Level.MULTI_FACTOR
    with pytest.raises(Refusal) as refused:
        second_factor.prove_recovery_code(context, acme, by_password(context, acme, shop, mia), codes[3])
    assert (refused.value.code, refused.value.entry.page_status) == ("E_Recovery_Code_Used", 401)
    assert factors.count_recovery_codes(context.database, mia.id) == 9


def test_a_used_recovery_code_leaves_its_code_in_trace_and_trail(context: Context, acme: Node, shop: RelyingParty, mia: Account) -> None:
    _, codes = enrol(context, acme, shop, mia)
    second_factor.prove_recovery_code(context, acme, by_password(context, acme, shop, mia), codes[0])
    again = by_password(context, acme, shop, mia)
    with pytest.raises(Refusal):
        second_factor.prove_recovery_code(context, acme, again, codes[0])
    assert refused_codes(context, again) == ["E_Recovery_Code_Used"]
    assert trace_of(context, again, "E_Recovery_Code_Used").account == mia.id


def test_recovery_codes_hold_80_bits_and_are_stored_hashed(context: Context, acme: Node, shop: RelyingParty, mia: Account) -> None:
    _, codes = enrol(context, acme, shop, mia)
    assert all(len(code.replace("-", "")) * 5 >= 64 for code in codes)
    stored = str(context.database.script("SELECT code_hash FROM recovery_code"))
    assert not [code for code in codes if code in stored or code.replace("-", "") in stored]


def test_new_recovery_codes_kill_the_old_ones(context: Context, acme: Node, shop: RelyingParty, mia: Account) -> None:
    _, old = enrol(context, acme, shop, mia)
    new = second_factor.regenerate_recovery_codes(context, mia)
    with pytest.raises(Refusal):
        second_factor.prove_recovery_code(context, acme, by_password(context, acme, shop, mia), old[0])
    assert second_factor.prove_recovery_code(context, acme, by_password(context, acme, shop, mia), new[0]).session_secret


def test_another_persons_recovery_code_is_a_wrong_one(context: Context, acme: Node, shop: RelyingParty, mia: Account) -> None:
    _, codes = enrol(context, acme, shop, mia)
    noah = add_person(context, acme, "noah", mfa_required=True)
    enrol(context, acme, shop, noah)
    with pytest.raises(Refusal) as refused:
        second_factor.prove_recovery_code(context, acme, by_password(context, acme, shop, noah), codes[0])
    assert refused.value.code == "E_Mfa_Invalid"


def test_who_has_no_factor_gets_no_recovery_codes(context: Context, mia: Account) -> None:
    with pytest.raises(Refusal):
        second_factor.regenerate_recovery_codes(context, mia)


def test_enforce_mfa_keeps_the_old_factor_as_proof_and_then_drops_it(
    *, context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str, clock: Clock
) -> None:
    second_factor.enforce(context, mia)
    sign_in = by_password(context, acme, shop, mia)
    assert sign_in.due == Step.VERIFY_TOTP
    proved = second_factor.prove_code(context, acme, sign_in, code_at(secret, context.now())).sign_in
    assert (proved.due, proved.session) == (Step.ENROL_TOTP, None)
    new = second_factor.offer(context, proved).secret
    assert new != secret
    done = second_factor.enrol(context, acme, proved, code_at(new, context.now())).progress
    assert done.session_secret
    clock.advance(seconds=60)
    again = by_password(context, acme, shop, mia)
    assert refusal_of_code(context, acme, again, code_at(secret, context.now())).code == "E_Mfa_Invalid"
    assert second_factor.prove_code(context, acme, again, code_at(new, context.now())).session_secret


def test_enforce_mfa_demands_a_factor_of_whoever_has_none(context: Context, acme: Node, shop: RelyingParty) -> None:
    olaf = add_person(context, acme, "olaf")
    assert by_password(context, acme, shop, olaf).session is not None
    assert second_factor.enforce(context, olaf).mfa_required
    assert by_password(context, acme, shop, olaf).due == Step.ENROL_TOTP


def test_reset_mfa_wipes_the_factor_ends_sessions_and_demands_the_access_code_first(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str
) -> None:
    opened = second_factor.prove_code(context, acme, by_password(context, acme, shop, mia), code_at(secret, context.now())).sign_in
    code, expires_at = second_factor.reset(context, mia)
    assert expires_at == context.now() + 3_600_000
    assert session_of(context, opened).ended_at is not None
    sign_in = by_password(context, acme, shop, mia)
    assert (sign_in.due, second_factor.state_in(context, sign_in)) == (Step.VERIFY_TOTP, FactorState.RESET)
    assert refusal_of_code(context, acme, sign_in, code_at(secret, context.now(), steps=1)).code == "E_Mfa_Invalid"
    proved = second_factor.prove_code(context, acme, sign_in, code.upper()).sign_in
    assert (proved.due, proved.session) == (Step.ENROL_TOTP, None)
    new = second_factor.offer(context, proved).secret
    assert second_factor.enrol(context, acme, proved, code_at(new, context.now())).progress.session_secret
    assert second_factor.state_of(context, current(context, mia)) is FactorState.ENROLLED


def test_an_access_code_works_once_and_for_an_hour(
    *, context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str, clock: Clock
) -> None:
    used, _ = second_factor.reset(context, mia)
    second_factor.prove_code(context, acme, by_password(context, acme, shop, mia), used)
    assert refusal_of_code(context, acme, by_password(context, acme, shop, mia), used).code == "E_Mfa_Invalid"
    late, _ = second_factor.reset(context, mia)
    clock.advance(seconds=3600)
    assert refusal_of_code(context, acme, by_password(context, acme, shop, mia), late).code == "E_Mfa_Invalid"


def test_a_stolen_password_alone_sets_up_no_factor_after_a_reset(
    *, context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str, clock: Clock
) -> None:
    second_factor.reset(context, mia)
    clock.advance(seconds=7200)
    sign_in = by_password(context, acme, shop, mia)
    with pytest.raises(Refusal) as refused:
        second_factor.offer(context, sign_in)
    assert refused.value.code == "E_State_Invalid"


def test_a_sign_in_that_proved_the_lost_device_before_a_reset_sets_up_none(
    context: Context, acme: Node, shop: RelyingParty, mia: Account, secret: str
) -> None:
    second_factor.enforce(context, mia)
    thief = second_factor.prove_code(context, acme, by_password(context, acme, shop, mia), code_at(secret, context.now())).sign_in
    assert thief.due == Step.ENROL_TOTP
    code, _ = second_factor.reset(context, current(context, mia))
    owner = second_factor.prove_code(context, acme, by_password(context, acme, shop, mia), code).sign_in
    with pytest.raises(Refusal) as refused:
        second_factor.offer(context, thief)
    assert refused.value.code == "E_Session_Expired"
    assert second_factor.offer(context, owner).secret
