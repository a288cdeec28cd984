"""What comes next in a sign-in is read from what is stored, and what an app asked is stored whole."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import Refusal
from gateway.domain.relying_party import AuthMethod, AuthorizationRequest, Level, Means, userinfo_claims
from gateway.domain.sign_in import LEGS_MS, MOST_LEGS, Path, Proof, Step, StoredRefusal, next_step, wants_second_factor, with_leg
from gateway.domain.values import AccountId, ClientId, Instant, SessionId, SignInId
from tests.domain.makers import NOW, app, sign_in

PROOF = Proof(AccountId("anna"), Path.PASSWORD, Means(Level.ONE_FACTOR, ("pwd",), NOW))
FACTS: list[tuple[Step, dict[str, Any]]] = [
    (Step.REFUSED, {"refusal": StoredRefusal("E_User_Disabled")}),
    (Step.FINISHED, {"session": SessionId("s")}),
    (Step.CHANGE_PASSWORD, {"due": "change_password"}),
    (Step.RETURN_PROOF, {"proof": PROOF, "parent": SignInId("p")}),
    (Step.CHOOSE_METHOD, {"login": "anna"}),
    (Step.IDENTIFY, {}),
]
"""In the order in which they win."""


@pytest.mark.parametrize("at", range(len(FACTS)))
def test_first_step_that_applies_wins_over_all_later_ones(at: int) -> None:
    facts: dict[str, Any] = {}
    for _, later in FACTS[at:]:
        facts |= later
    assert next_step(sign_in(**facts)) is FACTS[at][0]


@pytest.mark.parametrize("step", [Step.CHANGE_PASSWORD, Step.CHOOSE_TENANT, Step.VERIFY_TOTP, Step.ENROL_TOTP])
def test_what_admission_demands_is_what_is_done_next(step: Step) -> None:
    assert next_step(sign_in(due=step.value, proof=PROOF, login="anna")) is step


def test_proof_for_this_issuer_goes_nowhere_else() -> None:
    assert next_step(sign_in(proof=PROOF, login="anna")) is Step.CHOOSE_METHOD


# --- the app's request

TEXTS = st.text(max_size=10)
LISTS = st.lists(TEXTS, max_size=3).map(tuple)


@given(
    st.builds(
        AuthorizationRequest,
        client_id=TEXTS.map(ClientId),
        redirect_uri=TEXTS,
        scope=LISTS,
        state=TEXTS,
        nonce=TEXTS,
        prompt=LISTS,
        max_age=st.one_of(st.none(), st.integers(0)),
        resource=LISTS,
        acr_values=LISTS,
        tenant=TEXTS,
    )
)
def test_request_of_an_app_is_read_back_as_it_was_stored(request: AuthorizationRequest) -> None:
    assert AuthorizationRequest.from_json(request.to_json()) == request


ACR = "https://id.example.com/acr"


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ((), False),
        ((f"{ACR}/mfa",), True),
        ((f"{ACR}/mfa", f"{ACR}/1fa"), True),
        ((f"{ACR}/1fa", f"{ACR}/mfa"), False),
        (("urn:unheard", f"{ACR}/mfa"), True),
        (("https://evil.example/acr/mfa", "mfa"), False),
    ],
)
def test_first_known_acr_is_what_the_app_wants(values: tuple[str, ...], wanted: bool) -> None:
    request = AuthorizationRequest(ClientId("portal"), "https://app.example", ("openid",), acr_values=values)
    assert wants_second_factor(request, "https://id.example.com") is wanted


PROFILE = {
    "name": "Anna Ash",
    "given_name": "Anna",
    "family_name": "",
    "email": "anna@acme.example",
    "phone_number": "+1",
    "locale": "de",
    "unheard": "x",
}


@pytest.mark.parametrize(
    ("scope", "claims"),
    [
        ((), set()),
        (("openid", "roles", "unheard"), set()),
        (("openid", "profile"), {"name", "given_name", "locale"}),
        (("email",), {"email"}),
        (("phone",), {"phone_number"}),
        (("profile", "email", "phone"), {"name", "given_name", "locale", "email", "phone_number"}),
    ],
)
def test_scope_decides_which_claims_an_app_gets_and_empty_ones_are_left_out(scope: tuple[str, ...], claims: set[str]) -> None:
    assert userinfo_claims(PROFILE, scope) == {name: PROFILE[name] for name in claims}


@pytest.mark.parametrize("method", AuthMethod)
def test_only_an_app_without_authentication_is_public(method: AuthMethod) -> None:
    assert app(auth_method=method).public is (method is AuthMethod.NONE)


def test_one_way_too_many_to_identity_providers_within_a_minute_is_a_circle() -> None:
    legs: tuple[Instant, ...] = ()
    for _ in range(MOST_LEGS):
        legs = with_leg(legs, NOW)
    with pytest.raises(Refusal) as refused:
        with_leg(legs, Instant(NOW + LEGS_MS - 1))
    assert refused.value.code == "E_Loop_Detected"
    assert with_leg(legs, Instant(NOW + LEGS_MS)) == (NOW + LEGS_MS,)
