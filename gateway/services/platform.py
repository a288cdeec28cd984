"""The installation's first day."""

from dataclasses import dataclass

from gateway.domain.document import PersonFields
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.services import access, credentials, nodes, people
from gateway.services.context import Context
from gateway.services.nodes import PLATFORM_SLUG
from gateway.services.people import NewPerson
from gateway.storage import access as stored_access
from gateway.storage import nodes as stored_nodes
from gateway.storage import people as stored_people

ADMINISTRATOR = "Platform Administrator"
"""The role that stands above all others (requirements.md section 5)."""

_OVERRIDE_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Founded:
    """The platform and its first administrator."""

    node: Node
    login: str
    temporary_password: str | None
    """Shown once; None where the platform was founded before (decisions.md 34)."""


def found(context: Context, *, login: str, email: str) -> Founded:
    """Create the platform, its highest role and its first administrator, all or nothing.

    Asked again for the same administrator it changes nothing and returns no password. Refuses another one: the founded platform has
    ways of its own to make administrators.
    """
    with context.database.transaction():
        context.database.hold_name(PLATFORM_SLUG)
        platform = stored_nodes.find_node_by_slug(context.database, PLATFORM_SLUG)
        if platform is not None:
            return _founded_before(context, platform, login)
        platform = nodes.create_platform(context, "Platform")
        access.create_role(context, platform.id, ADMINISTRATOR, kind="hierarchy", apps=(), level=_OVERRIDE_LEVEL)
        fields = PersonFields(user_name=login, given_name="Platform", family_name="Administrator", email=email)
        account = people.create_person(context, platform, NewPerson(fields))
        access.grant_role(context, platform.id, account, ADMINISTRATOR)
        password, _ = credentials.issue_temporary_password(context, account)
        return Founded(platform, account.login, password)


def _founded_before(context: Context, platform: Node, login: str) -> Founded:
    account = stored_people.find_account_by_name(context.database, platform.namespace, login)
    held = stored_access.list_held_roles(context.database, account.id, "") if account else []
    if account is None or not any(role.name == ADMINISTRATOR and role.node == platform.id for role in held):
        reason = f'further administrators: moongate user create --tenant {PLATFORM_SLUG} --role "{ADMINISTRATOR}"'
        raise Refusal("E_Scope_Mismatch", field="admin_login", reason=f"the platform is founded; {reason}")
    return Founded(platform, account.login, None)
