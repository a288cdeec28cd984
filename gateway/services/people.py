"""The only writer of people, whoever asks: SCIM, the command line, a sign-in (architecture.md section 3).

Every change is one transaction with the account's row, its names, its SCIM document, what searches find, audit and outbox; and
who is no longer let in is out in that same transaction (decisions.md 32).
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import orjson

from gateway.domain.audit import Event
from gateway.domain.document import PersonFields, render, updated_document
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.people import Account, AccountType, local_and_domain, require_email, require_login, require_text
from gateway.domain.schema import JsonObject
from gateway.domain.values import DAY_MS, NodeId, ProviderId, comparison_key
from gateway.services import groups, sessions
from gateway.services.context import Context
from gateway.storage import connections, credentials, identity_providers, nodes, people
from gateway.storage.database import Duplicate
from gateway.storage.identity_providers import SignInMethod
from gateway.storage.people import SearchedValue, stored_json
from gateway.storage.search_plan import INDEXED

_NEW: dict[str, Any] = {
    "type": AccountType.HUMAN,
    "activated_at": None,
    "email_validated_at": None,
    "enabled_by_admin": True,
    "disable_after": None,
    "admin_locked_at": None,
    "must_change_password": False,
    "mfa_required": False,
    "federated_only": False,
    "matching": "",
    "self_registered": False,
    "managed_by": None,
    "version": 1,
    "deleted_at": None,
    "document": "",
}
"""What a new account has, besides fields, place and time."""

RECOVERABLE_MS = 30 * DAY_MS
"""So long a deletion can be taken back (decisions.md 15)."""

_AUDITED = tuple(
    field.name for field in dataclasses.fields(Account) if field.name not in {"id", "document", "version", "updated_at", "created_at"}
)
_audited_of = attrgetter(*_AUDITED)


@dataclass(frozen=True, slots=True)
class NewPerson:
    """What an administrator gives to create a person by hand."""

    fields: PersonFields
    federated_only: bool = False
    mfa_required: bool = False
    enabled: bool = True
    matching: str = ""
    provider: ProviderId | None = None
    federated_login: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """A change of a person as it is going to be stored."""

    before: Account
    after: Account
    """The very same where nothing differs."""
    former: JsonObject
    """The document before."""
    written: JsonObject


def create_person(context: Context, node: Node, new: NewPerson) -> Account:
    """Create a person by hand, by the strict rules of forms (decisions.md 13)."""
    _require_fields(new.fields)
    if new.federated_only and new.provider is None:
        require_provider(context, node.id)
    account = new_account(
        context,
        node,
        new.fields,
        federated_only=new.federated_only,
        mfa_required=new.mfa_required,
        enabled_by_admin=new.enabled,
        active_by_scim=True,
        matching=new.matching,
    )
    document = render(_with_active(new.fields, account), {"id": account.id})
    account = replace(account, document=stored_json(document, account.id))
    with context.database.transaction():
        _require_email_free(context, node, new.fields.email)
        methods = [SignInMethod(new.provider, 0, new.federated_login)] if new.provider is not None else []
        add_person(context, account, document, methods)
    return account


def add_person(
    context: Context, account: Account, document: JsonObject, methods: Sequence[SignInMethod], *, spliced: str | None = None
) -> None:
    """Store a new person with all that belongs to it, in the transaction that is open.

    `document` is what the account keeps as text; `spliced` what was made ready of it. Refuses a login that is taken in the namespace,
    without saying where (R-048).
    """
    try:
        people.insert_account(context.database, account, spliced=spliced)
        if methods:
            identity_providers.replace_sign_in_methods(context.database, account.id, list(methods))
    except Duplicate as error:
        raise Refusal("E_Login_Taken", field="login", data={"value": account.login}) from error
    people.insert_values(context.database, account, searched_values(document))
    _count(context, account, 1)
    context.publish(
        Event(account.home, "person.created", "person", account.id, detail={"login": account.login, "by": account.managed_by or ""})
    )


def store_person(context: Context, before: Account, after: Account) -> Account:
    """Store a changed person in the transaction that is open, and return what is stored; its document follows the changed columns."""
    former = orjson.loads(before.document)
    written = updated_document(former, _with_active(fields_of(after), after))
    return store_settled(context, settled(context, before, after, former, written))


def settled(context: Context, before: Account, after: Account, former: JsonObject, written: JsonObject) -> Settled:
    """Return what a change comes to; where nothing differs, the version stays (scim.md A72, A77).

    `former` is the document as it was, parsed; `written` the new one, which says what the columns say. Where it leaves out `active`,
    that is not shown until the next change; nobody is let in by it.
    """
    # A directory that sends the same attributes in another order changes nothing.
    same = {**written, "id": before.id} == former
    if same and after == before:
        return Settled(before, before, former, former)
    text = before.document if same else stored_json(written, after.id)
    return Settled(before, replace(after, document=text, version=before.version + 1, updated_at=context.now()), former, written)


def store_settled(context: Context, change: Settled, *, spliced: str | None = None) -> Account:
    """Store a settled change in the transaction that is open, with what was made ready of it, and return what is stored.

    Whoever is no longer let in is signed out everywhere.
    """
    before, changed = change.before, change.after
    if changed is before:
        return before
    try:
        if not people.change_account(context.database, changed, expected_version=before.version, before=before, spliced=spliced):
            raise Refusal("E_Version_Conflict", reason="the account changed meanwhile")
        if comparison_key(changed.login) != comparison_key(before.login):
            people.change_home_name(context.database, changed)
    except Duplicate as error:
        raise Refusal("E_Login_Taken", field="login", data={"value": changed.login}) from error
    if any(change.written.get(attribute) != change.former.get(attribute) for attribute in INDEXED):
        people.replace_values(context.database, changed, searched_values(change.written))
    context.publish(Event(changed.home, _action(before, changed), "person", changed.id, detail=_difference(before, changed)))
    _sign_out_if_due(context, before, changed)
    return changed


def set_enabled(context: Context, account: Account, *, enabled: bool) -> Account:
    """Set or clear *Disabled*; enabling sets the pushed state too, until the next push (decisions.md 14)."""
    with context.database.transaction():
        after = replace(account, enabled_by_admin=enabled, active_by_scim=True if enabled else account.active_by_scim)
        return store_person(context, account, after)


def set_admin_lock(context: Context, account: Account, *, locked: bool) -> Account:
    """Set or clear an administrator's lock, which blocks every path until an administrator clears it (R-100)."""
    with context.database.transaction():
        return store_person(context, account, replace(account, admin_locked_at=context.now() if locked else None))


def set_federated_only(context: Context, account: Account, *, federated_only: bool) -> Account:
    """Set or clear *Federated Only*; setting it erases the password for good (R-102, R-103)."""
    with context.database.transaction():
        people.hold_account(context.database, account.id)
        if federated_only:
            credentials.delete_password(context.database, account.id)
        after = replace(account, federated_only=federated_only, must_change_password=account.must_change_password and not federated_only)
        return store_person(context, account, after)


def change_fields(context: Context, account: Account, fields: PersonFields) -> Account:
    """Change a person's fields by hand; refused where a directory manages them (R-190)."""
    if account.managed_by is not None:
        raise Refusal("E_Idp_Managed_Attribute", reason=f"managed by connection {account.managed_by}")
    _require_fields(fields)
    with context.database.transaction():
        return store_person(context, account, with_fields(account, fields))


def delete_person(context: Context, account: Account) -> Account:
    """Delete a person: out at once, login and e-mail free at once, recoverable for 30 days (decisions.md 15)."""
    with context.database.transaction():
        deleted = replace(account, deleted_at=context.now(), version=account.version + 1, updated_at=context.now())
        sessions.end_all_of_account(context, account, "deleted")
        groups.leave_all_groups(context, account.id)
        credentials.delete_password(context.database, account.id)
        identity_providers.delete_links(context.database, account.id)
        identity_providers.replace_sign_in_methods(context.database, account.id, [])
        if not people.bury_account(context.database, deleted, expected_version=account.version):
            raise Refusal("E_Version_Conflict", reason="the account changed meanwhile")
        _count(context, account, -1)
        context.publish(Event(account.home, "person.deleted", "person", account.id, detail={"login": comparison_key(account.login)}))
    return deleted


def recover_person(context: Context, account: Account, *, login: str = "") -> Account:
    """Take back a deletion: the person is there again, disabled, without password, links and groups (requirements.md section 4).

    `login` is another one for where the former was taken meanwhile. Refused after 30 days (decisions.md 15).
    """
    if account.deleted_at is None or account.deleted_at + RECOVERABLE_MS <= context.now():
        raise Refusal("E_Resource_Not_Found", field="login", data={"value": account.login}, reason="not deleted, or too long ago")
    alive = replace(account, login=require_login(login) if login else account.login, deleted_at=None, enabled_by_admin=False)
    written = updated_document(orjson.loads(account.document), _with_active(fields_of(alive), alive))
    alive = replace(alive, document=stored_json(written, alive.id), version=account.version + 1, updated_at=context.now())
    with context.database.transaction():
        try:
            if not people.change_account(context.database, alive, expected_version=account.version):
                raise Refusal("E_Version_Conflict", reason="the account changed meanwhile")
            people.change_home_name(context.database, alive)
        except Duplicate as error:
            raise Refusal("E_Login_Taken", field="login", data={"value": alive.login}) from error
        people.replace_values(context.database, alive, searched_values(written))
        _count(context, alive, 1)
        context.publish(Event(alive.home, "person.recovered", "person", alive.id, detail={"login": alive.login}))
    return alive


def get_person(context: Context, node: Node, login: str) -> Account:
    """Return the live account that signs in by this name at a node and belongs to the node or below it, or refuse."""
    account = people.find_account_by_name(context.database, node.namespace, login)
    if account is None or not nodes.is_within(context.database, account.home, node.id):
        raise Refusal("E_Resource_Not_Found", field="login", data={"value": login})
    return account


def require_provider(context: Context, home: NodeId) -> None:
    """Refuse *Federated Only* where nobody could vouch for the person: no provider of the home is active (R-102)."""
    if not any(provider.active for provider in identity_providers.list_providers(context.database, home)):
        raise Refusal(
            "E_Field_Invalid", field="federated_only", data={"field": "Federated Only", "rule": "needs an active identity provider"}
        )


def fields_of(account: Account) -> PersonFields:
    """Return the columns of an account as its document's fields."""
    return PersonFields(
        user_name=account.login,
        given_name=account.given_name,
        family_name=account.family_name,
        display_name=account.display_name,
        email=account.email,
        phone=account.phone,
        business_phone=account.business_phone,
        job_title=account.job_title,
        language=account.language,
        time_zone=account.time_zone,
        active=account.active_by_scim,
    )


def with_fields(account: Account, fields: PersonFields) -> Account:
    """Return the account with the columns that a document's fields say; `active` is the pushed state."""
    return replace(account, **columns_of(fields))


def columns_of(fields: PersonFields) -> dict[str, Any]:
    """Return what the columns of an account are where its document's fields are these; `active` is the pushed state."""
    return {
        "login": fields.user_name,
        "given_name": fields.given_name,
        "family_name": fields.family_name,
        "display_name": fields.display_name,
        "email": fields.email,
        "phone": fields.phone,
        "business_phone": fields.business_phone,
        "job_title": fields.job_title,
        "language": fields.language,
        "time_zone": fields.time_zone,
        "active_by_scim": fields.active,
    }


def new_account(context: Context, node: Node, fields: PersonFields, **columns: Any) -> Account:
    """Return a new account homed at a node, not stored yet; `columns` are those that differ from what a new account has."""
    now = context.now()
    place = {"id": context.new_id(), "home": node.id, "namespace": node.namespace, "created_at": now, "updated_at": now}
    return Account(**_NEW | columns_of(fields) | place | columns)


def searched_values(document: JsonObject) -> list[SearchedValue]:
    """Return what filters on multi-valued attributes find in a document."""
    values = []
    for attribute, subs in INDEXED.items():
        elements = document.get(attribute)
        for at, element in enumerate(elements if isinstance(elements, list) else []):
            if isinstance(element, dict):
                for sub in subs:
                    text = element.get(sub)
                    if isinstance(text, str):
                        values.append(SearchedValue(attribute, at, sub, comparison_key(text)))
    return values


def _with_active(fields: PersonFields, account: Account) -> PersonFields:
    """Return the fields with `active` as SCIM shows it: neither an administrator nor the directory switched the account off."""
    return replace(fields, active=account.enabled)


def _require_fields(fields: PersonFields) -> None:
    require_login(fields.user_name)
    for name in ("given_name", "family_name", "email"):
        if not getattr(fields, name).strip():
            raise Refusal("E_Field_Required", field=name, data={"field": name.replace("_", " ")})
    require_email(fields.email)
    for name in ("given_name", "family_name", "display_name", "job_title", "phone", "business_phone"):
        require_text(name, getattr(fields, name))


def _require_email_free(context: Context, node: Node, email: str) -> None:
    """Refuse an e-mail address that another hand-made account of the namespace uses (R-049)."""
    if people.is_email_taken(context.database, node.namespace, comparison_key(email)):
        raise Refusal("E_Email_Taken", field="email", data={"value": local_and_domain(email)[1]})


def _count(context: Context, account: Account, delta: int) -> None:
    """Keep the totals that SCIM clients ask for: people, not service accounts."""
    if account.type is AccountType.HUMAN:
        connections.count(context.database, account.home, "User", account.id, delta)


def _sign_out_if_due(context: Context, before: Account, after: Account) -> None:
    reasons = {
        "disabled": before.enabled and not after.enabled,
        "locked by an administrator": before.admin_locked_at is None and after.admin_locked_at is not None,
        "federated only": after.federated_only and not before.federated_only,
    }
    for reason, due in reasons.items():
        if due:
            sessions.end_all_of_account(context, after, reason)


def _action(before: Account, after: Account) -> str:
    if before.enabled != after.enabled:
        return "person.enabled" if after.enabled else "person.disabled"
    return "person.changed"


def _difference(before: Account, after: Account) -> dict[str, object]:
    fields = zip(_AUDITED, _audited_of(before), _audited_of(after), strict=True)
    return {name: [former, new] for name, former, new in fields if former != new} or {"document": "changed"}


def node_of(context: Context, node_id: NodeId) -> Node:
    """Return a node that a stored row names."""
    node = nodes.find_node(context.database, node_id)
    if node is None:
        raise Refusal("E_No_Associated_Tenants", reason=f"node {node_id} was purged")
    return node
