"""A person, an app and a live session between them, and what codes are asked for and redeemed with."""

from dataclasses import replace

from gateway.domain.document import PersonFields
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import AuthorizationRequest, Level, Means, RelyingParty, Session
from gateway.domain.sign_in import Path
from gateway.services import admission, grants, people, relying_parties, sessions
from gateway.services.admission import Admitted, Attempt
from gateway.services.context import Context
from gateway.services.people import NewPerson
from gateway.services.relying_parties import NewRelyingParty
from gateway.storage import people as stored_people

CALLBACK = "https://app.example/cb"


def add_ann(context: Context, node: Node) -> Account:
    fields = PersonFields(user_name="ann", given_name="Ann", family_name="Ex", email="ann@acme.example")
    account = people.create_person(context, node, NewPerson(fields))
    activated = replace(account, activated_at=context.now())
    with context.database.transaction():
        stored_people.change_account(context.database, activated, expected_version=account.version)
    return activated


def add_shop(context: Context, node: Node) -> RelyingParty:
    new = NewRelyingParty("Shop", [CALLBACK], roleless=True, pkce_required=False, resources=["https://api.example"])
    return relying_parties.register(context, node.id, new)[0]


def open_secret(context: Context, node: Node, shop: RelyingParty, account: Account) -> str:
    """Open a session for the person and return the secret of its cookie."""
    means = Means(level=Level.ONE_FACTOR, amr=("pwd",), auth_time=context.now())
    with context.database.transaction():
        admitted = admission.admit(context, Attempt(node=node.id, path=Path.PASSWORD, client=shop, account=account.id, means=means))
        assert isinstance(admitted, Admitted)
        return admission.open_session(context, node.id, admitted)[1]


def open_session(context: Context, node: Node, shop: RelyingParty, account: Account) -> Session:
    found = sessions.find_live_session(context, node, open_secret(context, node, shop, account))
    assert found is not None
    return found


def asking(shop: RelyingParty, **changes: object) -> AuthorizationRequest:
    request = AuthorizationRequest(shop.client_id, CALLBACK, ("openid", "offline_access"))
    return replace(request, **changes)  # type: ignore[arg-type]  # fields of the request


def code_for(context: Context, node: Node, shop: RelyingParty, session: Session, **changes: object) -> str:
    code = grants.authorize(context, node, shop, asking(shop, **changes), session, tenant="")
    assert isinstance(code, str)
    return code


def redeem(context: Context, node: Node, shop: RelyingParty, code: str, verifier: str = "", resource: str = "") -> grants.Issued:
    return grants.redeem_code(context, node, shop, code, redirect_uri=CALLBACK, verifier=verifier, resource=resource)
