"""What administrators do to people by hand, each as one act: made with roles and password, changed, shown, taken back.

Every write goes through `gateway.services.people`, its neighbours `access` and `credentials`, in one transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.domain.audit import Event
from gateway.domain.credential import FactorState, owes_factor
from gateway.domain.document import PersonFields
from gateway.domain.errors import Refusal
from gateway.domain.identity import Criterion
from gateway.domain.locks import GuessPath, Lock
from gateway.domain.nodes import Node
from gateway.domain.people import Account, AccountType, Status, effective_status, local_and_domain
from gateway.domain.values import Instant, ProviderId
from gateway.services import access, credentials, linking, locks, notices, people, second_factor, sessions
from gateway.services.context import Context
from gateway.services.people import NewPerson
from gateway.storage import access as stored_access
from gateway.storage import credentials as stored_credentials
from gateway.storage import identity_providers, nodes
from gateway.storage import people as stored_people
from gateway.storage.database import Duplicate
from gateway.storage.identity_providers import SignInMethod

HOSTED = "hosted"


@dataclass(frozen=True, slots=True)
class Made:
    """A person made by hand; a temporary password is shown this once."""

    account: Account
    temporary_password: str = ""
    expires_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What is changed of a person; None leaves it as it is."""

    fields: PersonFields
    mfa_required: bool | None = None
    matching: str | None = None
    """Empty: the provider's own criterion."""
    provider: ProviderId | None = None
    """The new sign-in method."""
    federated_login: str | None = None
    contacts: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """A person with all that is known of how they sign in."""

    account: Account
    home: Node
    status: Status
    methods: Sequence[SignInMethod]
    roles: Sequence[str]
    has_password: bool
    factor: FactorState
    owes_factor: bool
    password_lock: Lock
    code_lock: Lock
    sessions: int


def hosted_login(context: Context, node: Node, user_name: str, domain: str) -> str:
    """Return the login of a user name at a domain that the node, or one above it, hosts; refuses any other domain."""
    if _find_host(context, node, domain) is None:
        raise Refusal("E_Domain_Not_Allowed", field="domain", data={"domain": domain[:255]}, reason="no hosted domain of this tenant")
    if "@" in user_name:
        raise Refusal("E_Upn_Domain_Mismatch", field="user_name", data={"value": user_name[:255], "domain": domain})
    return f"{user_name}@{domain.casefold()}"


def create(
    context: Context,
    node: Node,
    new: NewPerson,
    *,
    roles: Sequence[str] = (),
    contacts: Sequence[str] = (),
    password: str = "",
    temporary: bool = False,
) -> Made:
    """Create a person with roles and, if asked for, a password, all or nothing."""
    _require_matching(new.matching)
    with context.database.transaction():
        account = people.create_person(context, node, new)
        _add_hosted_name(context, node, account)
        for role in roles:
            access.grant_role(context, node.id, account, role)
        if contacts:
            account = people.store_person(context, account, replace(account, company_contacts=",".join(dict.fromkeys(contacts))))
        if password:
            return Made(credentials.set_password(context, account, password))
        if temporary:
            secret, expires_at = credentials.issue_temporary_password(context, account)
            return Made(current(context, account), secret, expires_at)
    return Made(account)


def change(context: Context, account: Account, changes: Changes) -> Account:
    """Change a person by hand; fields that a directory manages are refused, as everywhere (R-190)."""
    _require_matching(changes.matching or "")
    with context.database.transaction():
        if changes.fields != people.fields_of(account):
            before, account = account, people.change_fields(context, account, changes.fields)
            if before.email and account.email and before.email != account.email:
                notices.tell_email_changed(context, before, account)
        after = replace(
            account,
            mfa_required=account.mfa_required if changes.mfa_required is None else changes.mfa_required,
            matching=account.matching if changes.matching is None else changes.matching,
            company_contacts=account.company_contacts if changes.contacts is None else ",".join(dict.fromkeys(changes.contacts)),
        )
        account = people.store_person(context, account, after)
        if changes.provider is not None or changes.federated_login is not None:
            _change_method(context, account, changes)
    return account


def recover(context: Context, node: Node, login: str, *, new_login: str = "") -> Account:
    """Take back the deletion of whoever had this login last, at the node or below it."""
    account = stored_people.find_deleted_account(context.database, node.namespace, login)
    if account is None or not nodes.is_within(context.database, account.home, node.id):
        raise Refusal("E_Resource_Not_Found", field="login", data={"value": login})
    return people.recover_person(context, account, login=new_login)


def relink(context: Context, account: Account) -> int:
    """Forget the subjects that providers know a person by, so that the next proved sign-in makes new links; return how many."""
    chain = nodes.list_chain(context.database, account.home)
    providers = [provider for node in chain for provider in identity_providers.list_providers(context.database, node.id)]
    with context.database.transaction():
        return sum(linking.relink(context, provider, account.id) for provider in providers)


def describe(context: Context, account: Account) -> Described:
    """Return a person with all that is known of how they sign in."""
    chain = nodes.list_chain(context.database, account.home)
    alive = bool(chain) and all(node.disabled_at is None and node.deleted_at is None for node in chain)
    held = stored_access.list_held_roles(context.database, account.id, "")
    home = people.node_of(context, account.home)
    factor = second_factor.state_of(context, account)
    described = Described(
        account=account,
        home=home,
        status=effective_status(account, tenant_enabled=alive, now=context.now()),
        methods=identity_providers.list_sign_in_methods(context.database, account.id),
        roles=sorted({role.name for role in held}),
        has_password=stored_credentials.find_password(context.database, account.id) is not None,
        factor=factor,
        owes_factor=owes_factor(account, chain),
        password_lock=locks.find_lock(context, account, GuessPath.PASSWORD),
        code_lock=locks.find_lock(context, account, GuessPath.CODE),
        sessions=len(sessions.list_of_account(context, account.id)),
    )
    return replace(described, status=_with_credentials(described, context.now()))


def list_people(context: Context, node: Node) -> list[Described]:
    """Return the people homed in a node, by login."""
    return [describe(context, item) for item in stored_people.list_accounts(context.database, node.id) if item.type is AccountType.HUMAN]


def current(context: Context, account: Account) -> Account:
    """Return an account as it is stored now."""
    return stored_people.find_account(context.database, account.id) or account


def _find_host(context: Context, node: Node, domain: str) -> Node | None:
    """Return the node that hosts a domain, if it is this one or one above it."""
    found = nodes.find_owning_domain(context.database, domain.casefold(), HOSTED) if domain else None
    return next((item for item in nodes.list_chain(context.database, node.id) if found is not None and item.id == found.node), None)


def _add_hosted_name(context: Context, node: Node, account: Account) -> None:
    """Let the login work at the issuer of the node that hosts its domain too: names of that domain lead there (decisions.md 2, 20)."""
    host = _find_host(context, node, local_and_domain(account.login)[1])
    if host is None or host.namespace == account.namespace:
        return
    try:
        stored_people.insert_name(context.database, host.namespace, account.login, account.id, HOSTED)
    except Duplicate as error:
        raise Refusal("E_Login_Taken", field="login", data={"value": account.login}) from error


def _with_credentials(described: Described, now: Instant) -> Status:
    """Return the status with what passwords and factors say: locked, then must change the password, then must enrol (R-093)."""
    locked = described.password_lock.holds(now) or described.code_lock.holds(now)
    if described.status in {Status.ACTIVE, Status.MUST_CHANGE_PASSWORD} and locked:
        return Status.LOCKED_OUT
    missing = described.owes_factor and described.factor is not FactorState.ENROLLED
    return Status.MUST_ENROL_MFA if described.status is Status.ACTIVE and missing else described.status


def _change_method(context: Context, account: Account, changes: Changes) -> None:
    """Put a provider first in the account's set, with the name it knows the person by (decisions.md 11)."""
    methods = identity_providers.list_sign_in_methods(context.database, account.id)
    provider = changes.provider or next((method.provider for method in methods), None)
    if provider is None:
        raise Refusal("E_Field_Required", field="idp", data={"field": "identity provider"})
    former = next((method.federated_login for method in methods if method.provider == provider), "")
    first = SignInMethod(provider, 0, former if changes.federated_login is None else changes.federated_login)
    others = [replace(method, position=at) for at, method in enumerate((item for item in methods if item.provider != provider), 1)]
    try:
        identity_providers.replace_sign_in_methods(context.database, account.id, [first, *others])
    except Duplicate as error:
        raise Refusal("E_Login_Taken", field="federated_login", data={"value": first.federated_login}) from error
    context.publish(Event(account.home, "person.sign_in_method_changed", "person", account.id, detail={"provider": provider}))


def _require_matching(matching: str) -> None:
    if matching and matching not in set(Criterion):
        raise Refusal("E_Field_Invalid", field="matching", data={"field": "matching", "rule": "one of " + ", ".join(Criterion)})
