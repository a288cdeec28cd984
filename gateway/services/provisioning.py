"""What a SCIM connection may do to people: create, adopt, change and remove those in its sight (decisions.md 35)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from gateway.domain.connections import Adoption, Connection
from gateway.domain.document import parted, person_from_document
from gateway.domain.errors import Refusal
from gateway.domain.identity import Criterion
from gateway.domain.nodes import Node
from gateway.domain.people import Account, AccountType, local_and_domain, require_user_name
from gateway.domain.schema import JsonObject
from gateway.domain.values import AccountId, Instant, NodeId, comparison_key
from gateway.services import access, credentials, newcomers, people, person_views
from gateway.services.context import Context
from gateway.services.person_views import Made
from gateway.storage import credentials as stored_credentials
from gateway.storage import identity_providers, nodes, written_people
from gateway.storage import people as stored_people
from gateway.storage.database import Duplicate
from gateway.storage.identity_providers import SignInMethod
from gateway.storage.people import stored_json
from gateway.storage.person_rows import Ready
from gateway.storage.written_people import Beside

Change = Callable[["Seen"], JsonObject]
"""Takes what a connection sees of a person and returns the whole canonical document it wants instead; raises Refusal.

A document without `active`, or with null, leaves the pushed state as it is.
"""

CONTACTS = ("Billing", "Technical", "Business")


@dataclass(frozen=True, slots=True)
class Seen:
    """An account as a connection sees it."""

    account: Account
    beside: Beside
    stored: JsonObject
    """The stored document, parsed."""

    def document(self) -> JsonObject:
        """Return the stored document with `active` as this directory pushed it, which an administrator's switch does not hide."""
        return self.stored | {"active": self.account.active_by_scim}

    def extension(self) -> JsonObject:
        """Return what a directory may write of our own extension, as far as it is assigned (R-201)."""
        account = self.account
        login = next((method.federated_login for method in self.beside.methods if method.federated_login), "")
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
class Written:
    """An account as a connection wrote it."""

    account: Account
    ready: Ready | None
    """The person as it was made ready on the way; None: something of it changed that only the database knows."""
    notes: tuple[str, ...]
    """What was not done as asked, for the request log."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a connection's profile says beyond the document."""

    refuse_password: bool = False
    """Whether a password that breaks a rule is refused rather than dropped (decisions.md 24)."""
    hashed: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Hashes of passwords in the request, made before the transaction (`credentials.hash_ahead`)."""


def get_seen(context: Context, connection: Connection, account_id: str) -> Seen:
    """Return a person in the connection's sight: live people homed in its node and below; anybody else is as unknown as nobody."""
    found = written_people.find_in_sight(context.database, connection.node, connection.id, account_id, context.now())
    if found is None:
        raise Refusal("E_Resource_Not_Found", data={"value": account_id[:128]})
    return Seen(*found, orjson.loads(found[0].document))


def create_provisioned(context: Context, connection: Connection, node: Node, document: JsonObject, rules: Rules = Rules()) -> Written:
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
        columns = _extension_columns(context, node.id, parts.extension)
        methods = _methods(connection, (), parts.extension)
        account_id = AccountId(context.new_id())
        stored = parts.stored | {"id": account_id, "active": fields.active}
        account = people.new_account(
            context,
            node,
            fields,
            id=account_id,
            managed_by=connection.id,
            email_validated_at=_validated(context, connection, fields.email),
            # Where its organisation vouches for the person there is nothing left to activate.
            activated_at=context.now() if methods or columns.get("federated_only") else None,
            document=stored_json(stored, account_id),
            **columns,
        )
        # What a provider adds to the document is not known here.
        made = _made(context, connection, account, Beside(external_id=parts.external_id or None)) if not methods else None
        _add(context, account, stored, methods, made)
        if parts.external_id:
            _insert_external_id(context, connection, account, parts.external_id)
        written, notes = _with_password(context, account, parts.password, methods, rules)
        return Written(written, made.ready if made and written is account else None, notes)


def change_provisioned(
    context: Context,
    connection: Connection,
    account_id: str,
    change: Change,
    *,
    rules: Rules = Rules(),
    require: Callable[[], None] | None = None,
) -> Written:
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


def _made(context: Context, connection: Connection, account: Account, beside: Beside) -> Made:
    return person_views.made_ready(context, connection, written_people.row_of(account, beside))


def _add(context: Context, account: Account, stored: JsonObject, methods: list[SignInMethod], made: Made | None) -> None:
    try:
        people.add_person(context, account, stored, methods, spliced=made.kept if made else None)
    except Refusal as refusal:
        if refusal.code != "E_Login_Taken":
            raise
        raise _taken(account.login, "the name is taken") from refusal


def _apply(context: Context, connection: Connection, seen: Seen, document: JsonObject, rules: Rules) -> Written:
    before, beside = seen.account, seen.beside
    fields = person_from_document(document)
    require_user_name(fields.user_name)
    if document.get("active") is None:
        # Silent about it, or unassigned: that must not let anybody in who was put out.
        fields = replace(fields, active=before.active_by_scim)
    # Unassigned it is not shown (RFC 7644 §3.5.2.2); the state itself stands in the account.
    active = {} if document.get("active", "") is None else {"active": before.enabled_by_admin and fields.active}
    parts = parted({name: value for name, value in document.items() if name != "active"})
    columns = people.columns_of(fields) | _extension_columns(context, before.home, parts.extension, federated_only=before.federated_only)
    if comparison_key(fields.email) != comparison_key(before.email):
        columns |= {"email_validated_at": _validated(context, connection, fields.email), "self_registered": False}
    stored = parts.stored | {"id": before.id} | active
    after = replace(before, managed_by=connection.id, **columns)
    change = people.settled(context, before, after, seen.stored, stored)
    methods = _methods(connection, beside.methods, parts.extension)
    known = tuple(methods) == beside.methods and parts.external_id == beside.external_id
    made = _made(context, connection, change.after, beside) if known else None
    account = people.store_settled(context, change, spliced=made.kept if made else None)
    if account.federated_only and not before.federated_only:
        stored_credentials.delete_password(context.database, account.id)
    if tuple(methods) != beside.methods:
        _store_methods(context, account, methods)
    if parts.external_id != beside.external_id:
        _store_external_id(context, connection, account, parts.external_id)
    written, notes = _with_password(context, account, parts.password, methods, rules)
    return Written(written, made.ready if made and written is account else None, notes)


def _adopt(context: Context, connection: Connection, existing: Account, document: JsonObject, rules: Rules) -> Written:
    """Take over an account that exists by this name, or refuse with the reason in the log (decisions.md 35)."""
    why_not = _why_not(context, connection, existing)
    if why_not:
        raise _taken(existing.login if _in_sight(context, connection, existing) else str(document.get("userName")), why_not)
    return _apply(context, connection, get_seen(context, connection, existing.id), {"id": existing.id} | document, rules)


def _taken(login: str, reason: str) -> Refusal:
    return Refusal("E_Login_Taken", field="userName", data={"value": login}, reason=reason)


def _why_not(context: Context, connection: Connection, existing: Account) -> str:
    """Return why an existing account is not adopted; empty if it may be."""
    if not _in_sight(context, connection, existing):
        return "the name is taken outside this connection's sight"
    if existing.managed_by is not None:
        return "a connection manages this account already" if existing.managed_by != connection.id else "this connection manages it already"
    if connection.adoption is not Adoption.ADOPT and not newcomers.may_adopt(context, connection.provider, existing):
        return "adoption is off: moongate scim-connection set --adopt yes"
    return "accounts with administrator roles are adopted by hand only" if access.is_administrator(context, existing) else ""


def _require_writable(context: Context, connection: Connection, account: Account) -> None:
    """Refuse an account managed by another connection, or by nobody unless the connection adopts."""
    if account.managed_by == connection.id:
        return
    if account.managed_by is not None:
        raise Refusal("E_Forbidden", reason="another connection manages this account")
    adopts = connection.adoption is Adoption.ADOPT or newcomers.may_adopt(context, connection.provider, account)
    if not adopts or access.is_administrator(context, account):
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


def _extension_columns(context: Context, home: NodeId, extension: JsonObject, *, federated_only: bool = False) -> dict[str, Any]:
    """Return the columns of an account that a directory wrote into our own extension (R-201); silence about it changes nothing.

    `federated_only` is what the account was; who becomes so needs a provider at home that vouches.
    """
    if not extension:
        return {}
    matching, contacts = extension.get("loginMatching"), extension.get("companyContacts")
    if matching is not None and matching not in {criterion.value for criterion in Criterion}:
        raise _invalid("loginMatching", f"one of {', '.join(Criterion)}")
    listed = [str(contact) for contact in contacts] if isinstance(contacts, list) else []
    if not set(listed) <= set(CONTACTS):
        raise _invalid("companyContacts", f"of {', '.join(CONTACTS)}")
    becomes = extension.get("federatedOnly") is True
    if becomes and not federated_only:
        people.require_provider(context, home)
    return {
        "matching": str(matching or ""),
        "federated_only": becomes,
        "mfa_required": extension.get("mfaRequired") is True,
        "company_contacts": ",".join(listed),
    }


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


def _validated(context: Context, connection: Connection, email: str) -> Instant | None:
    """Return that an address counts as proved where its domain is DNS-proved by the connection's node or one above it (decisions.md 12)."""
    domain = local_and_domain(email)[1]
    proved = nodes.find_owning_domain(context.database, domain, "routing") if domain else None
    owned = proved is not None and nodes.is_within(context.database, connection.node, proved.node)
    return context.now() if owned else None


def _invalid(name: str, rule: str) -> Refusal:
    return Refusal("E_Field_Invalid", field=name, data={"field": name, "rule": rule})


def _store_external_id(context: Context, connection: Connection, account: Account, external_id: str | None) -> None:
    try:
        stored_people.replace_external_id(context.database, connection.id, account.id, external_id)
    except Duplicate as error:
        raise _id_taken(external_id) from error


def _insert_external_id(context: Context, connection: Connection, account: Account, external_id: str) -> None:
    try:
        stored_people.insert_external_id(context.database, connection.id, account.id, external_id)
    except Duplicate as error:
        raise _id_taken(external_id) from error


def _id_taken(external_id: str | None) -> Refusal:
    return Refusal("E_External_Id_Taken", field="externalId", data={"value": external_id or ""})
