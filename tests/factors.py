"""People with second factors and sign-ins on their way, for whoever tests what happens between a password and a session."""

import pyotp
import pytest

from gateway.domain.document import PersonFields
from gateway.domain.errors import Refusal
from gateway.domain.identity import Assertion, Criterion, EmailTrust, IdentityProvider, Vendor
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import AuthorizationRequest, RelyingParty, Session
from gateway.domain.sign_in import SignIn
from gateway.domain.values import Instant, ProviderId
from gateway.services import credentials, people, relying_parties, second_factor
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.services.people import NewPerson
from gateway.services.relying_parties import NewRelyingParty
from gateway.storage import audit, identity_providers, sessions
from gateway.storage import people as stored_people
from gateway.storage.audit import Trace

PASSWORD = "four quiet herons wade"
CALLBACK = "https://app.example/callback"


def add_app(context: Context, node: Node, *, second_factor_unsupported: bool = False) -> RelyingParty:
    """An app that everybody of the tenant may use."""
    new = NewRelyingParty("Shop", [CALLBACK], roleless=True, second_factor_unsupported=second_factor_unsupported)
    return relying_parties.register(context, node.id, new)[0]


def add_person(context: Context, node: Node, login: str, *, mfa_required: bool = False) -> Account:
    """A person with the password `PASSWORD`."""
    fields = PersonFields(user_name=login, given_name="Given", family_name="Family", email=f"{login}@mail.example")
    person = people.create_person(context, node, NewPerson(fields, mfa_required=mfa_required))
    return credentials.set_password(context, person, PASSWORD)


def add_provider(context: Context, node: Node, *, mfa_amr: tuple[str, ...] = ()) -> IdentityProvider:
    """An active identity provider that matches by e-mail address."""
    provider = IdentityProvider(
        id=ProviderId(context.new_id()),
        node=node.id,
        key="corp",
        name="Corp",
        issuer="https://corp.example",
        client_id="moongate",
        vendor=Vendor.GENERIC,
        matching=Criterion.EMAIL,
        claim="email",
        exact_case=False,
        email_trust=EmailTrust.CLAIM,
        external_id_claim="",
        link_only=False,
        mfa_amr=mfa_amr,
        mfa_acr=(),
        active=True,
        created_at=context.now(),
    )
    with context.database.transaction():
        identity_providers.insert_provider(context.database, provider, wrapped_secret="")
    return provider


def current(context: Context, account: Account) -> Account:
    """The account as it is stored now."""
    found = stored_people.find_account(context.database, account.id)
    assert found is not None
    return found


def request_of(app: RelyingParty) -> AuthorizationRequest:
    """What the app asks."""
    return AuthorizationRequest(app.client_id, CALLBACK, ("openid",), state="s", nonce="n", code_challenge="c" * 43)


def begin(context: Context, node: Node, app: RelyingParty) -> SignIn:
    """A sign-in that has just begun, under a correlation id of its own."""
    return sign_ins.begin(context.traced_as(context.new_id()), node, request_of(app)).sign_in


def by_password(context: Context, node: Node, app: RelyingParty, account: Account) -> SignIn:
    """A sign-in whose first factor was a right password."""
    return sign_ins.prove_password(context, node, begin(context, node, app), account.login, PASSWORD).sign_in


def code_at(secret: str, now: Instant, *, steps: int = 0) -> str:
    """What an app whose clock is so many steps off shows."""
    return pyotp.TOTP(secret).generate_otp(now // 30_000 + steps)


def wrong_code(secret: str, now: Instant) -> str:
    """Six digits that no step near now has."""
    near = {code_at(secret, now, steps=step) for step in range(-5, 6)}
    return next(f"{number:06}" for number in range(1_000_000) if f"{number:06}" not in near)


def enrol(context: Context, node: Node, app: RelyingParty, account: Account) -> tuple[str, tuple[str, ...]]:
    """Let a person who owes a factor set one up; return its secret and the recovery codes. The present step is used up."""
    sign_in = by_password(context, node, app, account)
    secret = second_factor.offer(context, sign_in).secret
    enrolled = second_factor.enrol(context, node, sign_in, code_at(secret, context.now()))
    return secret, enrolled.recovery_codes


def session_of(context: Context, sign_in: SignIn) -> Session:
    """The session that a sign-in opened."""
    assert sign_in.session is not None
    session = sessions.find_session_by_sid(context.database, sign_in.session)
    assert session is not None
    return session


def trace_of(context: Context, sign_in: SignIn, code: str = "") -> Trace:
    """The one trace of a sign-in with this outcome."""
    (found,) = [trace for trace in audit.list_traces(context.database, sign_in.correlation_id) if trace.code == code]
    return found


def refused_codes(context: Context, sign_in: SignIn) -> list[str]:
    """The codes of the refusals that the trail holds of a sign-in."""
    return [row.code for row in audit.list_audit_of_correlation(context.database, sign_in.correlation_id) if row.outcome == "refused"]


def refusal_of_code(context: Context, node: Node, sign_in: SignIn, code: str) -> Refusal:
    """What a code that is not taken is answered with."""
    with pytest.raises(Refusal) as refused:
        second_factor.prove_code(context, node, sign_in, code)
    return refused.value


def assertion_of(account: Account, *, amr: tuple[str, ...] = ()) -> Assertion:
    """What `add_provider`'s provider says of a person."""
    claims = {"email": account.email, "email_verified": True}
    return Assertion("https://corp.example", f"sub-{account.id}", claims, amr=amr)
