"""Accounts made just in time: for somebody whom nobody provisioned, at the first sign-in by a provider that may do so (R-069)."""

from dataclasses import replace

from gateway.domain.audit import Event
from gateway.domain.document import PersonFields, render
from gateway.domain.errors import Refusal
from gateway.domain.identity import Assertion, Criterion, IdentityProvider, Newcomer
from gateway.domain.people import Account, require_email, require_text, require_user_name
from gateway.domain.values import ProviderId, RoleId
from gateway.services import people
from gateway.services.context import Context
from gateway.storage import access, identity_providers, nodes
from gateway.storage import people as stored_people
from gateway.storage.database import Duplicate
from gateway.storage.identity_providers import SignInMethod
from gateway.storage.people import stored_json


def why_not(context: Context, provider: IdentityProvider, newcomer: Newcomer) -> Refusal | None:
    """Return why no account may be made: its login or address is none, or the login is taken where it would be; nothing is written."""
    try:
        require_user_name(newcomer.login)
        require_email(newcomer.email)
    except Refusal as refusal:
        return refusal
    node = nodes.find_node(context.database, provider.node)
    if node is None or stored_people.find_account_by_name(context.database, node.namespace, newcomer.login) is not None:
        return Refusal("E_Login_Taken", field="login", data={"value": newcomer.login}, reason="another account has the newcomer's login")
    return None


def welcome(context: Context, provider: IdentityProvider, assertion: Assertion, newcomer: Newcomer) -> None:
    """Make an account homed at the provider's node and bind the subject to it, in the transaction that is open.

    Ask `why_not` before; what stands in the way all the same came at this moment, and is raised to undo the transaction. Names that could
    not be kept are left out: whoever signs in did not choose them.
    """
    node = people.node_of(context, provider.node)
    fields = PersonFields(
        user_name=newcomer.login,
        email=newcomer.email,
        given_name=_kept("given_name", newcomer.given_name),
        family_name=_kept("family_name", newcomer.family_name),
        display_name=_kept("display_name", newcomer.display_name),
    )
    now = context.now()
    blank = people.new_account(context, node, fields)
    document = render(fields, {"id": blank.id})
    validated = now if newcomer.email_verified else None
    account = replace(blank, activated_at=now, email_validated_at=validated, document=stored_json(document, blank.id))
    own = newcomer.login if provider.matching is Criterion.CUSTOM_LOGIN else ""
    people.add_person(context, account, document, [SignInMethod(provider.id, 0, own)])
    try:
        identity_providers.insert_link(
            context.database, provider, assertion.issuer, assertion.subject, account.id, now=now, made_account=True
        )
    except Duplicate as error:
        raise Refusal("E_Already_Linked", reason="bound by another sign-in at this moment") from error
    detail = {"provider": provider.key, "issuer": assertion.issuer, "subject": assertion.subject}
    context.publish(Event(node.id, "person.joined", "person", account.id, detail=detail))
    if provider.jit_role:
        access.assign_role(context.database, account.id, RoleId(provider.jit_role), node.id, now)
        context.publish(Event(node.id, "role.granted", "person", account.id, detail={"role": provider.jit_role, "by": provider.key}))


def may_adopt(context: Context, provider: ProviderId | None, account: Account) -> bool:
    """Return whether the connection tied to a provider adopts an account unasked: one that was made here (decisions.md 35)."""
    return provider is not None and account.managed_by is None and identity_providers.is_newcomer(context.database, provider, account.id)


def _kept(field: str, text: str) -> str:
    try:
        return require_text(field, text)
    except Refusal:
        return ""
