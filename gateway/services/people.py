"""The only writer of people, whoever asks: SCIM, the command line, a sign-in (architecture.md section 3).

Every change is one transaction with the account's row, its names, its SCIM document, what searches find, audit and outbox; and
who is no longer let in is out in that same transaction (decisions.md 32).
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.domain.audit import Event
from gateway.domain.document import PersonFields, render, stored_json, updated_document
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.people import Account, AccountType, local_and_domain, require_email, require_login, require_text
from gateway.domain.schema import JsonObject
from gateway.domain.values import DAY_MS, AccountId, ConnectionId, NodeId, ProviderId, comparison_key
from gateway.services import groups, sessions
from gateway.services.context import Context
from gateway.storage import connections, credentials, identity_providers, nodes, people
from gateway.storage.database import Duplicate
from gateway.storage.identity_providers import SignInMethod
from gateway.storage.people import SearchedValue
from gateway.storage.search_plan import INDEXED

RECOVERABLE_MS = 30 * DAY_MS
"""So long a deletion can be taken back (decisions.md 15)."""

_AUDITED = tuple(
    field.name for field in dataclasses.fields(Account) if field.name not in {"id", "document", "version", "updated_at", "created_at"}
)


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


def create_person(context: Context, node: Node, new: NewPerson) -> Account:
    """Create a person by hand, by the strict rules of forms (decisions.md 13)."""
    _require_fields(new.fields)
    blank = _blank(context, node, new.fields)
    if new.federated_only and new.provider is None:
        require_provider(context, blank)
    account = dataclasses.replace(
        blank,
        federated_only=new.federated_only,
        mfa_required=new.mfa_required,
        enabled_by_admin=new.enabled,
        matching=new.matching,
        email_validated_at=None,
    )
    with context.database.transaction():
        _require_email_free(context, node, new.fields.email)
        methods = [SignInMethod(new.provider, 0, new.federated_login)] if new.provider is not None else []
        return add_person(context, account, render(_with_active(new.fields, account), {"id": account.id}), methods)


def add_person(context: Context, account: Account, document: JsonObject, methods: Sequence[SignInMethod]) -> Account:
    """Store a new person with all that belongs to it, in the transaction that is open.

    Refuses a login that is taken in the namespace, without saying where (R-048).
    """
    stored = replace(account, document=stored_json(document, account.id))
    try:
        people.insert_account(context.database, stored)
        if methods:
            identity_providers.replace_sign_in_methods(context.database, account.id, list(methods))
    except Duplicate as error:
        raise Refusal("E_Login_Taken", field="login", data={"value": account.login}) from error
    people.insert_values(context.database, stored, searched_values(document))
    _count(context, account, 1)
    context.publish(
        Event(account.home, "person.created", "person", account.id, detail={"login": account.login, "by": account.managed_by or ""})
    )
    return stored


def store_person(context: Context, before: Account, after: Account, document: JsonObject | None = None) -> Account:
    """Store a changed person in the transaction that is open; unchanged, its version stays (scim.md A72, A77).

    `document` is the new stored SCIM document; without one, the present document follows the changed columns. Where it leaves
    out `active`, that is not shown until the next change; nobody is let in by it. Whoever is no longer let in is signed out everywhere.
    """
    former = json.loads(before.document)
    written = updated_document(former if document is None else document, _with_active(fields_of(after), after))
    if document is not None and "active" not in document:
        written.pop("active", None)
    # A directory that sends the same attributes in another order changes nothing.
    same = {**written, "id": before.id} == former
    changed = replace(after, document=before.document if same else stored_json(written, after.id))
    if changed == before:
        return before
    changed = replace(changed, version=before.version + 1, updated_at=context.now())
    try:
        if not people.change_account(context.database, changed, expected_version=before.version, before=before):
            raise Refusal("E_Version_Conflict", reason="the account changed meanwhile")
        if comparison_key(changed.login) != comparison_key(before.login):
            people.change_home_name(context.database, changed)
    except Duplicate as error:
        raise Refusal("E_Login_Taken", field="login", data={"value": changed.login}) from error
    searched = searched_values(written)
    if searched != searched_values(former):
        people.replace_values(context.database, changed, searched)
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
    written = updated_document(json.loads(account.document), _with_active(fields_of(alive), alive))
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


def require_provider(context: Context, account: Account) -> None:
    """Refuse *Federated Only* where nobody could vouch for the person: no provider of the home is active (R-102)."""
    if not any(provider.active for provider in identity_providers.list_providers(context.database, account.home)):
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
    return replace(
        account,
        login=fields.user_name,
        given_name=fields.given_name,
        family_name=fields.family_name,
        display_name=fields.display_name,
        email=fields.email,
        phone=fields.phone,
        business_phone=fields.business_phone,
        job_title=fields.job_title,
        language=fields.language,
        time_zone=fields.time_zone,
        active_by_scim=fields.active,
    )


def new_account(context: Context, node: Node, fields: PersonFields, *, managed_by: ConnectionId | None = None) -> Account:
    """Return a new account homed at a node, not stored yet."""
    return replace(_blank(context, node, fields), managed_by=managed_by, active_by_scim=fields.active)


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


def _blank(context: Context, node: Node, fields: PersonFields) -> Account:
    now = context.now()
    blank = Account(
        id=AccountId(context.new_id()),
        home=node.id,
        namespace=node.namespace,
        type=AccountType.HUMAN,
        login="",
        email="",
        given_name="",
        family_name="",
        display_name="",
        phone="",
        business_phone="",
        job_title="",
        language="",
        time_zone="",
        activated_at=None,
        email_validated_at=None,
        enabled_by_admin=True,
        active_by_scim=True,
        disable_after=None,
        admin_locked_at=None,
        must_change_password=False,
        mfa_required=False,
        federated_only=False,
        matching="",
        self_registered=False,
        managed_by=None,
        version=1,
        created_at=now,
        updated_at=now,
        deleted_at=None,
        document="",
    )
    return replace(with_fields(blank, fields), active_by_scim=True)


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
    return {name: [getattr(before, name), getattr(after, name)] for name in _AUDITED if getattr(before, name) != getattr(after, name)} or {
        "document": "changed"
    }


def node_of(context: Context, node_id: NodeId) -> Node:
    """Return a node that a stored row names."""
    node = nodes.find_node(context.database, node_id)
    if node is None:
        raise Refusal("E_No_Associated_Tenants", reason=f"node {node_id} was purged")
    return node
