"""An identity provider and people, for tests of what is explained and asked beforehand."""

from dataclasses import replace

from gateway.domain.document import PersonFields
from gateway.domain.identity import Assertion, Criterion, EmailTrust, IdentityProvider, Vendor
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.values import ProviderId
from gateway.services import people
from gateway.services.context import Context
from gateway.services.people import NewPerson
from gateway.storage import identity_providers

ISSUER = "https://corp.example"


def add_provider(context: Context, node: Node, matching: Criterion, *, exact_case: bool = False) -> IdentityProvider:
    """Store an active provider `corp`."""
    provider = IdentityProvider(
        id=ProviderId(context.new_id()),
        node=node.id,
        key="corp",
        name="Corp",
        issuer=ISSUER,
        client_id="moongate",
        vendor=Vendor.GENERIC,
        matching=matching,
        claim="preferred_username",
        exact_case=exact_case,
        email_trust=EmailTrust.CLAIM,
        external_id_claim="sub",
        link_only=False,
        mfa_amr=(),
        mfa_acr=(),
        active=True,
        created_at=context.now(),
    )
    identity_providers.insert_provider(context.database, provider, wrapped_secret="")
    return provider


def add_person(context: Context, node: Node, login: str, email: str) -> Account:
    """Create a person by hand."""
    fields = PersonFields(user_name=login, given_name="Ada", family_name="Lovelace", email=email)
    return people.create_person(context, node, NewPerson(fields))


def claims_of(login: str, **others: object) -> dict[str, object]:
    """The claims of somebody whose address is proved."""
    return {"iss": ISSUER, "sub": f"subject of {login}", "preferred_username": login, "email": login, "email_verified": True} | others


def assertion_of(login: str, **others: object) -> Assertion:
    """What corp states about somebody."""
    claims = claims_of(login, **others)
    return replace(Assertion(issuer=ISSUER, subject=str(claims["sub"]), claims=claims))
