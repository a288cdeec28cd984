"""What a SCIM connection may do to people: create, adopt, change and remove those in its sight (decisions.md 35)."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.domain.connections import Adoption, Connection
from gateway.domain.document import parted, person_from_document
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.people import Account, AccountType, require_user_name
from gateway.domain.schema import JsonObject
from gateway.domain.values import AccountId
from gateway.services import access, people
from gateway.services.context import Context
from gateway.storage import identity_providers, nodes
from gateway.storage import people as stored_people
from gateway.storage.database import Duplicate
from gateway.storage.identity_providers import SignInMethod

Change = Callable[["Seen"], JsonObject]
"""Takes what a connection sees of a person and returns the whole canonical document it wants instead; raises Refusal."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An account as a connection sees it."""

    account: Account
    external_id: str | None
    methods: tuple[SignInMethod, ...]

    def document(self) -> JsonObject:
        """Return the stored document with `active` as this directory pushed it, which an administrator's switch does not hide."""
        stored: JsonObject = json.loads(self.account.document)
        return stored | {"active": self.account.active_by_scim}


def get_seen(context: Context, connection: Connection, account_id: str) -> Seen:
    """Return a person in the connection's sight: live people homed in its node and below; anybody else is as unknown as nobody."""
    account = stored_people.find_account(context.database, AccountId(account_id))
    if not _in_sight(context, connection, account):
        raise Refusal("E_Resource_Not_Found", data={"value": account_id})
    return _seen(context, connection, account)


def create_provisioned(context: Context, connection: Connection, node: Node, document: JsonObject) -> Seen:
    """Create the person a directory pushes, or adopt an unmanaged account of that name where the connection's switch says so.

    `document` is canonical, with externalId and our extension, without `id`. Refuses a taken name with `E_Login_Taken` (409).
    """
    fields = person_from_document(document)
    require_user_name(fields.user_name)
    with context.database.transaction():
        existing = stored_people.find_account_by_name(context.database, node.namespace, fields.user_name)
        if existing is not None:
            return _adopt(context, connection, existing, document)
        account = people.new_account(context, node, fields, managed_by=connection.id)
        methods = _tied_method(connection)
        if methods:
            # Its organisation vouches for the person: there is nothing left to activate.
            account = replace(account, activated_at=context.now())
        parts = parted({"id": account.id} | document)
        account = _with_extension(account, parts.extension)
        stored = parts.stored | {"id": account.id, "active": account.enabled}
        people.add_person(context, account, stored, methods)
        _store_external_id(context, connection, account, parts.external_id)
        return get_seen(context, connection, account.id)


def change_provisioned(
    context: Context, connection: Connection, account_id: str, change: Change, *, require: Callable[[Seen], None] | None = None
) -> Seen:
    """Apply `change` to a person in one transaction that nobody else can slip into, and return what is stored then.

    `require` may refuse by what is there, e.g. a precondition on the version (RFC 7644 §3.14).
    """
    with context.database.transaction():
        seen = get_seen(context, connection, account_id)
        if require is not None:
            require(seen)
        _require_writable(context, connection, seen.account)
        return _apply(context, connection, seen, change(seen))


def remove_provisioned(context: Context, connection: Connection, account_id: str, *, require: Callable[[Seen], None] | None = None) -> None:
    """Delete a person whom the connection manages; one that nobody manages is refused (decisions.md 35)."""
    with context.database.transaction():
        seen = get_seen(context, connection, account_id)
        if require is not None:
            require(seen)
        if seen.account.managed_by != connection.id:
            raise Refusal("E_Forbidden", reason="only the connection that manages an account may delete it")
        people.delete_person(context, seen.account)


def _apply(context: Context, connection: Connection, seen: Seen, document: JsonObject) -> Seen:
    fields = person_from_document(document)
    require_user_name(fields.user_name)
    parts = parted(document)
    after = replace(people.with_fields(seen.account, fields), managed_by=connection.id)
    after = _with_extension(after, parts.extension)
    people.store_person(context, seen.account, after, parts.stored | {"id": seen.account.id})
    if parts.external_id != seen.external_id:
        _store_external_id(context, connection, seen.account, parts.external_id)
    return get_seen(context, connection, seen.account.id)


def _adopt(context: Context, connection: Connection, existing: Account, document: JsonObject) -> Seen:
    """Take over an account that exists by this name, or refuse with the reason in the log (decisions.md 35)."""
    taken = Refusal("E_Login_Taken", field="userName", data={"value": existing.login}, reason=_why_not(context, connection, existing))
    if taken.reason:
        raise taken
    seen = _seen(context, connection, existing)
    adopted = _apply(context, connection, seen, {"id": existing.id} | document)
    if not seen.methods:
        identity_providers.replace_sign_in_methods(context.database, existing.id, _tied_method(connection))
    return replace(adopted, methods=tuple(identity_providers.list_sign_in_methods(context.database, existing.id)))


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
        raise Refusal("E_Forbidden", reason="nobody manages this account and the connection may not adopt it")


def _in_sight(context: Context, connection: Connection, account: Account | None) -> bool:
    return (
        account is not None
        and account.deleted_at is None
        and account.type is AccountType.HUMAN
        and nodes.is_within(context.database, account.home, connection.node)
    )


def _seen(context: Context, connection: Connection, account: Account | None) -> Seen:
    if account is None:
        raise Refusal("E_Resource_Not_Found")
    methods = tuple(identity_providers.list_sign_in_methods(context.database, account.id))
    return Seen(account, stored_people.find_external_id(context.database, connection.id, account.id), methods)


def _tied_method(connection: Connection) -> list[SignInMethod]:
    return [SignInMethod(connection.provider, 0, "")] if connection.provider is not None else []


def _with_extension(account: Account, extension: JsonObject) -> Account:
    """Return the account with what a directory wrote into our own extension (R-201)."""
    federated_only, mfa_required = extension.get("federatedOnly"), extension.get("mfaRequired")
    return replace(
        account,
        federated_only=federated_only if isinstance(federated_only, bool) else account.federated_only,
        mfa_required=mfa_required if isinstance(mfa_required, bool) else account.mfa_required,
    )


def _store_external_id(context: Context, connection: Connection, account: Account, external_id: str | None) -> None:
    try:
        stored_people.replace_external_id(context.database, connection.id, account.id, external_id)
    except Duplicate as error:
        raise Refusal("E_External_Id_Taken", field="externalId", data={"value": external_id or ""}) from error
