"""What a SCIM connection may do to people: create, adopt, change and remove those in its sight (decisions.md 35)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from gateway.domain.connections import Adoption, Connection
from gateway.domain.document import parted, person_from_document
from gateway.domain.errors import Refusal
from gateway.domain.identity import Criterion
from gateway.domain.nodes import Node
from gateway.domain.people import Account, AccountType, local_and_domain, require_user_name
from gateway.domain.schema import JsonObject
from gateway.domain.values import AccountId, Instant, comparison_key
from gateway.services import access, credentials, people
from gateway.services.context import Context
from gateway.storage import credentials as stored_credentials
from gateway.storage import identity_providers, nodes
from gateway.storage import people as stored_people
from gateway.storage.database import Duplicate
from gateway.storage.identity_providers import SignInMethod

Change = Callable[["Seen"], JsonObject]
"""Takes what a connection sees of a person and returns the whole canonical document it wants instead; raises Refusal.

A document without `active`, or with null, leaves the pushed state as it is.
"""

CONTACTS = ("Billing", "Technical", "Business")


@dataclass(frozen=True, slots=True)
class Seen:
    """An account as a connection sees it."""

    account: Account
    external_id: str | None
    methods: tuple[SignInMethod, ...]
    notes: tuple[str, ...] = ()
    """What was not done as asked, for the request log."""

    def document(self) -> JsonObject:
        """Return the stored document with `active` as this directory pushed it, which an administrator's switch does not hide."""
        stored: JsonObject = json.loads(self.account.document)
        return stored | {"active": self.account.active_by_scim}

    def extension(self) -> JsonObject:
        """Return what a directory may write of our own extension, as far as it is assigned (R-201)."""
        account, login = self.account, next((method.federated_login for method in self.methods if method.federated_login), "")
        contacts = account.company_contacts.split(",") if account.company_contacts else None
        values: JsonObject = {
            "loginMatching": account.matching or None,
            "customLogin": login or None,
            "federatedOnly": account.federated_only or None,
            "mfaRequired": account.mfa_required or None,
            "companyContacts": [*contacts] if contacts else None,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Rules:
    """What a connection's profile says beyond the document."""

    refuse_password: bool = False
    """Whether a password that breaks a rule is refused rather than dropped (decisions.md 24)."""
    hashed: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Hashes of passwords in the request, made before the transaction (`credentials.hash_ahead`)."""


def get_seen(context: Context, connection: Connection, account_id: str) -> Seen:
    """Return a person in the connection's sight: live people homed in its node and below; anybody else is as unknown as nobody."""
    account = stored_people.find_account(context.database, AccountId(account_id))
    if account is None or not _in_sight(context, connection, account):
        raise Refusal("E_Resource_Not_Found", data={"value": account_id[:128]})
    return _seen(context, connection, account)


def create_provisioned(context: Context, connection: Connection, node: Node, document: JsonObject, rules: Rules = Rules()) -> Seen:
    """Create the person a directory pushes, or adopt an unmanaged account of that name where the connection's switch says so.

    `document` is canonical, with externalId and our extension, without `id`. Refuses a taken name with `E_Login_Taken` (409).
    """
    fields = person_from_document(document)
    require_user_name(fields.user_name)
    with context.database.transaction():
        existing = stored_people.find_account_by_name(context.database, node.namespace, fields.user_name)
        if existing is not None:
            return _adopt(context, connection, existing, document, rules)
        parts = parted(document)
        account = people.new_account(context, node, fields, managed_by=connection.id)
        account = _with_extension(context, account, parts.extension)
        account = replace(account, email_validated_at=_validated(context, connection, account))
        methods = _methods(connection, (), parts.extension)
        if methods or account.federated_only:
            # Its organisation vouches for the person: there is nothing left to activate.
            account = replace(account, activated_at=context.now())
        stored = parts.stored | {"id": account.id, "active": account.enabled}
        account = _added(context, account, stored, methods)
        if parts.external_id is not None:
            _store_external_id(context, connection, account, parts.external_id)
        account, notes = _with_password(context, account, parts.password, methods, rules)
        return Seen(account, parts.external_id, tuple(methods), notes)


def change_provisioned(
    context: Context,
    connection: Connection,
    account_id: str,
    change: Change,
    *,
    rules: Rules = Rules(),
    require: Callable[[], None] | None = None,
) -> Seen:
    """Apply `change` to a person in one transaction that nobody else can slip into, and return what is stored then.

    `require` may refuse by what is there, e.g. a precondition on the version (RFC 7644 §3.14).
    """
    with context.database.transaction():
        seen = get_seen(context, connection, account_id)
        if require is not None:
            require()
        _require_writable(context, connection, seen.account)
        return _apply(context, connection, seen, change(seen), rules)


def remove_provisioned(context: Context, connection: Connection, account_id: str, *, require: Callable[[], None] | None = None) -> None:
    """Delete a person whom the connection manages; one that nobody manages is refused (decisions.md 35)."""
    with context.database.transaction():
        seen = get_seen(context, connection, account_id)
        if require is not None:
            require()
        if seen.account.managed_by != connection.id:
            raise Refusal("E_Forbidden", reason="only the connection that manages an account may delete it")
        people.delete_person(context, seen.account)


def _added(context: Context, account: Account, stored: JsonObject, methods: list[SignInMethod]) -> Account:
    try:
        return people.add_person(context, account, stored, methods)
    except Refusal as refusal:
        if refusal.code != "E_Login_Taken":
            raise
        raise _taken(account.login, "the name is taken") from refusal


def _apply(context: Context, connection: Connection, seen: Seen, document: JsonObject, rules: Rules) -> Seen:
    fields = person_from_document(document)
    require_user_name(fields.user_name)
    if document.get("active") is None:
        # Silent about it, or unassigned: that must not let anybody in who was put out.
        fields = replace(fields, active=seen.account.active_by_scim)
    # Unassigned it is not shown (RFC 7644 §3.5.2.2); the state itself stands in the account.
    active = {} if document.get("active", "") is None else {"active": seen.account.enabled_by_admin and fields.active}
    parts = parted({name: value for name, value in document.items() if name != "active"})
    after = replace(people.with_fields(seen.account, fields), managed_by=connection.id)
    after = _with_extension(context, after, parts.extension)
    if comparison_key(after.email) != comparison_key(seen.account.email):
        after = replace(after, email_validated_at=_validated(context, connection, after), self_registered=False)
    stored = parts.stored | {"id": seen.account.id} | active
    account = people.store_person(context, seen.account, after, stored)
    if account.federated_only and not seen.account.federated_only:
        stored_credentials.delete_password(context.database, account.id)
    methods = _methods(connection, seen.methods, parts.extension)
    if tuple(methods) != seen.methods:
        _store_methods(context, account, methods)
    if parts.external_id != seen.external_id:
        _store_external_id(context, connection, account, parts.external_id)
    account, notes = _with_password(context, account, parts.password, methods, rules)
    return Seen(account, parts.external_id, tuple(methods), notes)


def _adopt(context: Context, connection: Connection, existing: Account, document: JsonObject, rules: Rules) -> Seen:
    """Take over an account that exists by this name, or refuse with the reason in the log (decisions.md 35)."""
    why_not = _why_not(context, connection, existing)
    if why_not:
        raise _taken(existing.login if _in_sight(context, connection, existing) else str(document.get("userName")), why_not)
    return _apply(context, connection, _seen(context, connection, existing), {"id": existing.id} | document, rules)


def _taken(login: str, reason: str) -> Refusal:
    return Refusal("E_Login_Taken", field="userName", data={"value": login}, reason=reason)


def _why_not(context: Context, connection: Connection, existing: Account) -> str:
    """Return why an existing account is not adopted; empty if it may be."""
    if not _in_sight(context, connection, existing):
        return "the name is taken outside this connection's sight"
    if existing.managed_by is not None:
        return "a connection manages this account already" if existing.managed_by != connection.id else "this connection manages it already"
    if connection.adoption is not Adoption.ADOPT:
        return "adoption is off: moongate scim-connection set --adopt yes"
    return "accounts with administrator roles are adopted by hand only" if access.is_administrator(context, existing) else ""


def _require_writable(context: Context, connection: Connection, account: Account) -> None:
    """Refuse an account managed by another connection, or by nobody unless the connection adopts."""
    if account.managed_by == connection.id:
        return
    if account.managed_by is not None:
        raise Refusal("E_Forbidden", reason="another connection manages this account")
    if connection.adoption is not Adoption.ADOPT or access.is_administrator(context, account):
        raise Refusal(
            "E_Forbidden",
            reason="nobody manages this account and the connection may not adopt it: moongate scim-connection set --adopt yes",
        )


def _in_sight(context: Context, connection: Connection, account: Account) -> bool:
    return (
        account.deleted_at is None
        and account.type is AccountType.HUMAN
        and not account.pending_email_validation
        and (account.home == connection.node or nodes.is_within(context.database, account.home, connection.node))
    )


def _seen(context: Context, connection: Connection, account: Account) -> Seen:
    methods = tuple(identity_providers.list_sign_in_methods(context.database, account.id))
    return Seen(account, stored_people.find_external_id(context.database, connection.id, account.id), methods)


def _methods(connection: Connection, present: tuple[SignInMethod, ...], extension: JsonObject) -> list[SignInMethod]:
    """Return the providers an account names: those it has, else the connection's own; `customLogin` belongs to the first one."""
    tied = [SignInMethod(connection.provider, 0, "")] if connection.provider is not None else []
    methods = list(present) or tied
    login = extension.get("customLogin")
    if isinstance(login, str) and not methods:
        raise _invalid("customLogin", "needs an identity provider")
    if isinstance(login, str):
        methods[0] = replace(methods[0], federated_login=login)
    elif extension and methods and methods[0].federated_login:
        methods[0] = replace(methods[0], federated_login="")
    return methods


def _store_methods(context: Context, account: Account, methods: list[SignInMethod]) -> None:
    try:
        identity_providers.replace_sign_in_methods(context.database, account.id, methods)
    except Duplicate as error:
        raise Refusal("E_Login_Taken", field="customLogin", data={"value": methods[0].federated_login}) from error


def _with_extension(context: Context, account: Account, extension: JsonObject) -> Account:
    """Return the account with what a directory wrote into our own extension (R-201); silence about it changes nothing."""
    if not extension:
        return account
    matching, contacts = extension.get("loginMatching"), extension.get("companyContacts")
    if matching is not None and matching not in {criterion.value for criterion in Criterion}:
        raise _invalid("loginMatching", f"one of {', '.join(Criterion)}")
    listed = [str(contact) for contact in contacts] if isinstance(contacts, list) else []
    if not set(listed) <= set(CONTACTS):
        raise _invalid("companyContacts", f"of {', '.join(CONTACTS)}")
    federated_only = extension.get("federatedOnly") is True
    if federated_only and not account.federated_only:
        people.require_provider(context, account)
    return replace(
        account,
        matching=str(matching or ""),
        federated_only=federated_only,
        mfa_required=extension.get("mfaRequired") is True,
        company_contacts=",".join(listed),
    )


def _with_password(
    context: Context, account: Account, password: str | None, methods: list[SignInMethod], rules: Rules
) -> tuple[Account, tuple[str, ...]]:
    """Set a pushed password where a person signs in by one; else drop it and say so, or refuse it (decisions.md 24, R-200)."""
    if password is None:
        return account, ()
    if methods and not account.federated_only:
        return account, ("password dropped: the person signs in through an identity provider",)
    try:
        return credentials.set_password(context, account, password, hashed=rules.hashed.get(password, "")), ()
    except Refusal as refusal:
        if rules.refuse_password:
            raise
        return account, (f"password dropped: {refusal.code}",)


def _validated(context: Context, connection: Connection, account: Account) -> Instant | None:
    """Return that an address counts as proved where its domain is DNS-proved by the connection's node or one above it (decisions.md 12)."""
    domain = local_and_domain(account.email)[1]
    proved = nodes.find_owning_domain(context.database, domain, "routing") if domain else None
    owned = proved is not None and nodes.is_within(context.database, connection.node, proved.node)
    return context.now() if owned else None


def _invalid(name: str, rule: str) -> Refusal:
    return Refusal("E_Field_Invalid", field=name, data={"field": name, "rule": rule})


def _store_external_id(context: Context, connection: Connection, account: Account, external_id: str | None) -> None:
    try:
        stored_people.replace_external_id(context.database, connection.id, account.id, external_id)
    except Duplicate as error:
        raise Refusal("E_External_Id_Taken", field="externalId", data={"value": external_id or ""}) from error
