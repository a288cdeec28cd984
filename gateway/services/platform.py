"""The installation's first day, and how it is today."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.domain.document import PersonFields
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.services import access, credentials, nodes, people
from gateway.services.context import Context
from gateway.services.house import House
from gateway.services.nodes import PLATFORM_SLUG
from gateway.services.people import NewPerson
from gateway.storage import access as stored_access
from gateway.storage import jobs, schema
from gateway.storage import nodes as stored_nodes
from gateway.storage import people as stored_people

ADMINISTRATOR = "Platform Administrator"
"""The role that stands above all others (requirements.md section 5)."""

_OVERRIDE_LEVEL = 3
_MANY_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Founded:
    """The platform and its first administrator."""

    node: Node
    login: str
    temporary_password: str | None
    """Shown once; None where the platform was founded before (decisions.md 34)."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing the doctor looked at."""

    check: str
    outcome: str
    """`ok`, `warning` or `failed`."""
    detail: str


def found(context: Context, *, login: str, email: str) -> Founded:
    """Create the platform, its highest role and its first administrator, all or nothing.

    Asked again for the same administrator it changes nothing and returns no password. Refuses another one: the founded platform has
    ways of its own to make administrators.
    """
    with context.database.transaction():
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


def examine(house: House) -> list[Check]:
    """Return what stands in the way of a good life: looked at now, changing nothing."""
    return [Check(name, *look(house)) for name, look in _LOOKS]


def _founded_before(context: Context, platform: Node, login: str) -> Founded:
    account = stored_people.find_account_by_name(context.database, platform.namespace, login)
    held = stored_access.list_held_roles(context.database, account.id, "") if account else []
    if account is None or not any(role.name == ADMINISTRATOR and role.node == platform.id for role in held):
        reason = f'further administrators: moongate user create --tenant {PLATFORM_SLUG} --role "{ADMINISTRATOR}"'
        raise Refusal("E_Scope_Mismatch", field="admin_login", reason=f"the platform is founded; {reason}")
    return Founded(platform, account.login, None)


def _database(house: House) -> tuple[str, str]:
    problems = [str(row[0]) for row in house.database.script("PRAGMA quick_check(5)") if row[0] != "ok"]
    if problems:
        return "failed", "damaged: " + "; ".join(problems)
    return "ok", f"schema version {schema.version(house.database)}"


def _keys(house: House) -> tuple[str, str]:
    # The house would not have opened with other keys than those the database was filled with.
    where = "MOONGATE_SECRET_KEYS" if house.settings.secret_keys else f"kept in {house.settings.home}; back them up with the database"
    return "ok", where


def _public_url(house: House) -> tuple[str, str]:
    parts = urlsplit(house.settings.public_url)
    if parts.scheme == "https" or parts.hostname in {"localhost", "127.0.0.1", "::1"}:
        return "ok", house.settings.public_url
    return "warning", f"{house.settings.public_url} is not https: browsers will not keep passkeys, nor directories call it"


def _platform(house: House) -> tuple[str, str]:
    platform = stored_nodes.find_node_by_slug(house.database, PLATFORM_SLUG)
    if platform is None:
        return "warning", "not founded: moongate platform init"
    if platform.disabled_at is not None:
        return "failed", f"disabled, so that nobody can sign in anywhere: moongate tenant enable {PLATFORM_SLUG}"
    strangers = sum(not node.issuer.startswith(house.settings.public_url) for node in stored_nodes.list_nodes(house.database))
    if strangers:
        return (
            "warning",
            f"{strangers} issuers do not begin with MOONGATE_PUBLIC_URL; an issuer never changes, so its host must still lead here",
        )
    return "ok", platform.issuer


def _jobs(house: House) -> tuple[str, str]:
    counts = jobs.count_jobs(house.database)
    waiting, dead = counts.get("ready", 0), counts.get("dead", 0)
    if dead:
        return "warning", f"{dead} dead, {waiting} waiting"
    return ("warning", f"{waiting} waiting: does a worker run?") if waiting > _MANY_WAITING else ("ok", f"{waiting} waiting")


_LOOKS: tuple[tuple[str, Callable[[House], tuple[str, str]]], ...] = (
    ("database", _database),
    ("secret keys", _keys),
    ("public URL", _public_url),
    ("platform", _platform),
    ("jobs", _jobs),
)
