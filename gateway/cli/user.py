"""`moongate user`: people, how they sign in, and what stands in their way."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from gateway.cli.command import Result, command, context, moment, node_of, tenant_option
from gateway.domain.document import PersonFields
from gateway.domain.identity import Criterion
from gateway.domain.people import Account
from gateway.domain.values import ProviderId
from gateway.services import credentials, identity_providers, locks, people, people_by_hand, second_factor
from gateway.services.context import Context
from gateway.services.people import NewPerson
from gateway.services.people_by_hand import Changes, Described


@click.group("user")
def group() -> None:
    """People."""


_CONTACTS = ("billing", "technical", "business")
_FIELDS = ("email", "given_name", "family_name", "display_name", "phone", "business_phone", "job_title", "language", "time_zone")
_login = click.argument("login")


def _field_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each field of a person; one that is not given is left out of the call's values as None."""
    for name in reversed(_FIELDS):
        function = click.option(f"--{name.replace('_', '-')}", name, default=None)(function)
    return function


def _method_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say by which identity provider a person comes, and how it is told who that is."""
    for option in (
        click.option("--federated-login", default=None, metavar="V", help="What the identity provider calls the person."),
        click.option(
            "--matching",
            default=None,
            type=click.Choice([item.value for item in Criterion]),
            help="By what the first sign-in finds the person.",
        ),
        click.option("--idp", default=None, metavar="KEY", help="The identity provider the person comes by."),
        click.option("--contact", "contacts", multiple=True, type=click.Choice(_CONTACTS), help="May be given several times."),
    ):
        function = option(function)
    return function


@command(group, "create")
@tenant_option
@click.option("--login", default=None, metavar="L", help="What is typed to sign in; else the e-mail address.")
@click.option("--user-name", default=None, metavar="U", help="The part before the domain that the tenant hosts.")
@click.option("--domain", default=None, metavar="D", help="A domain that the tenant hosts.")
@_field_options
@_method_options
@click.option("--role", "roles", multiple=True, metavar="R", help="A role; may be given several times.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--temporary-password", is_flag=True, help="Make a password that is shown once and changed at the first sign-in.")
@click.option("--disabled", is_flag=True, help="Created, but not let in.")
@click.option("--mfa-required", is_flag=True, help="A second factor is asked for.")
@click.option("--federated-only", is_flag=True, help="No password, ever: only the organisation's own sign-in.")
def create(*, slug: str, roles: tuple[str, ...], password_stdin: bool, temporary_password: bool, **options: Any) -> Result:
    """Create a person."""
    if password_stdin and temporary_password:
        raise click.UsageError("--password-stdin and --temporary-password exclude each other.")
    act = context()
    node = node_of(act, slug)
    login = _login_of(act, slug, options)
    fields = replace(PersonFields(login), **{name: options[name] for name in _FIELDS if options[name]})
    new = NewPerson(
        fields,
        federated_only=options["federated_only"],
        mfa_required=options["mfa_required"],
        enabled=not options["disabled"],
        matching=options["matching"] or "",
        provider=_provider(act, slug, options["idp"]),
        federated_login=options["federated_login"] or "",
    )
    made = people_by_hand.create(
        act,
        node,
        new,
        roles=roles,
        contacts=_contacts(options["contacts"]),
        password=_password_from_stdin() if password_stdin else "",
        temporary=temporary_password,
    )
    shown: dict[str, object] = _brief(people_by_hand.describe(act, made.account))
    if made.temporary_password:
        shown |= {"temporary_password": made.temporary_password, "expires_at": moment(made.expires_at)}
    return shown | {"warnings": []}


@command(group, "list")
@tenant_option
def list_(*, slug: str) -> Result:
    """List the people whose home the tenant is."""
    act = context()
    return [_brief(item) | {"email": item.account.email} for item in people_by_hand.list_people(act, node_of(act, slug))]


@command(group, "show")
@tenant_option
@_login
def show(*, slug: str, login: str) -> Result:
    """Show a person, and everything that decides how they sign in."""
    act = context()
    return _whole(people_by_hand.describe(act, _person(act, slug, login)))


@command(group, "update")
@tenant_option
@_login
@click.option("--login", "new_login", default=None, metavar="L", help="Another login.")
@_field_options
@_method_options
@click.option("--mfa-required/--no-mfa-required", default=None, help="Whether a second factor is asked for.")
def update(*, slug: str, login: str, new_login: str | None, **options: Any) -> Result:
    """Change a person; what is not named stays."""
    act = context()
    account = _person(act, slug, login)
    given = {name: options[name] for name in _FIELDS if options[name] is not None}
    if new_login is not None:
        given["user_name"] = new_login
    changes = Changes(
        replace(people.fields_of(account), **given),
        mfa_required=options["mfa_required"],
        matching=options["matching"],
        provider=_provider(act, slug, options["idp"]),
        federated_login=options["federated_login"],
        contacts=_contacts(options["contacts"]) or None,
    )
    return _whole(people_by_hand.describe(act, people_by_hand.change(act, account, changes)))


def _switch(name: str, words: str, act_on: Callable[[Context, Account], Account]) -> None:
    """Add a command that does one thing to one person and shows who and how they stand now."""

    def run(*, slug: str, login: str) -> Result:
        act = context()
        account = act_on(act, _person(act, slug, login))
        return _brief(people_by_hand.describe(act, people_by_hand.current(act, account)))

    run.__doc__ = words
    command(group, name)(tenant_option(_login(run)))


_switch("enable", "Let a person in again.", lambda act, account: people.set_enabled(act, account, enabled=True))
_switch("disable", "Let a person in no longer; all that is open ends at once.", lambda act, a: people.set_enabled(act, a, enabled=False))
_switch(
    "lock", "Lock a person out, by every path, until an administrator unlocks.", lambda act, a: people.set_admin_lock(act, a, locked=True)
)
_switch("unlock", "Clear every lock of a person and set the counters to 0.", locks.unlock)
_switch("enforce-mfa", "Demand a second factor, a new one of whoever has one.", second_factor.enforce)
_switch(
    "allow-local",
    "Clear Federated Only; a password has to be set anew.",
    lambda act, a: people.set_federated_only(act, a, federated_only=False),
)
_switch("delete", "Delete a person; for 30 days they can be recovered.", people.delete_person)


@command(group, "force-federated")
@tenant_option
@_login
def force_federated(*, slug: str, login: str) -> Result:
    """Set Federated Only: the password is erased, and only the organisation's own sign-in is left."""
    act = context()
    account = _person(act, slug, login)
    people.require_provider(act, account.home)
    return _brief(people_by_hand.describe(act, people.set_federated_only(act, account, federated_only=True)))


@command(group, "reset-mfa")
@tenant_option
@_login
def reset_mfa(*, slug: str, login: str) -> Result:
    """Wipe the second factor of somebody who lost it; the code shown once lets them set up a new one, within the hour."""
    act = context()
    code, expires_at = second_factor.reset(act, _person(act, slug, login))
    return {"temporary_access_code": code, "expires_at": moment(expires_at)}


@command(group, "reset-password")
@tenant_option
@_login
def reset_password(*, slug: str, login: str) -> Result:
    """Replace a person's password by a temporary one, shown once; all that is open ends."""
    act = context()
    password, expires_at = credentials.issue_temporary_password(act, _person(act, slug, login))
    return {"temporary_password": password, "expires_at": moment(expires_at)}


@command(group, "recover")
@tenant_option
@_login
@click.option("--login", "new_login", default="", metavar="L", help="Another login, where the former is taken.")
def recover(*, slug: str, login: str, new_login: str) -> Result:
    """Take back a deletion; the person is there again, disabled."""
    act = context()
    return _brief(people_by_hand.describe(act, people_by_hand.recover(act, node_of(act, slug), login, new_login=new_login)))


@command(group, "relink")
@tenant_option
@_login
def relink(*, slug: str, login: str) -> Result:
    """Forget by which subject identity providers know a person; the next proved sign-in links anew."""
    act = context()
    account = _person(act, slug, login)
    return {"login": account.login, "links_removed": people_by_hand.relink(act, account)}


def _person(act: Context, slug: str, login: str) -> Account:
    return people.get_person(act, node_of(act, slug), login)


def _provider(act: Context, slug: str, key: str | None) -> ProviderId | None:
    return identity_providers.get_provider(act, node_of(act, slug), key).id if key else None


def _contacts(contacts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(contact.capitalize() for contact in contacts)


def _login_of(act: Context, slug: str, options: dict[str, Any]) -> str:
    """Return the login as given, as user name at a hosted domain, or else the e-mail address."""
    login, user_name, domain = options.pop("login"), options.pop("user_name"), options.pop("domain")
    if (user_name is None) != (domain is None) or (login is not None and user_name is not None):
        raise click.UsageError("Give --login, or --user-name with --domain, or neither.")
    if user_name is not None:
        return people_by_hand.hosted_login(act, node_of(act, slug), user_name, domain)
    if login is None and not options["email"]:
        raise click.UsageError("Give --login, --user-name with --domain, or --email.")
    return str(login or options["email"])


def _password_from_stdin() -> str:
    """Return the first line of standard input: never an argument, which other users of the machine could read."""
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise click.UsageError("There is no password on standard input.")
    return password


def _brief(person: Described) -> dict[str, object]:
    return {"id": person.account.id, "login": person.account.login, "status": person.status.value}


def _whole(person: Described) -> dict[str, object]:
    account = person.account
    fields = {name: getattr(account, name) for name in _FIELDS}
    return {
        **_brief(person),
        "tenant": person.home.slug,
        **fields,
        "roles": person.roles,
        "contacts": [contact.casefold() for contact in account.company_contacts.split(",") if contact],
        "enabled": account.enabled_by_admin,
        "active_by_scim": account.active_by_scim,
        "managed_by": account.managed_by,
        "federated_only": account.federated_only,
        "idps": [method.key for method in person.methods],
        "federated_login": next((method.federated_login for method in person.methods if method.federated_login), None),
        "matching": account.matching or None,
        "password_set": person.has_password,
        "must_change_password": account.must_change_password,
        "mfa_required": person.owes_factor,
        "second_factor": person.factor.value,
        "locked_by_administrator_at": moment(account.admin_locked_at),
        "wrong_passwords": person.password_lock.attempts,
        "password_locked_until": moment(person.password_lock.locked_until),
        "wrong_codes": person.code_lock.attempts,
        "code_locked_until": moment(person.code_lock.locked_until),
        "sessions": person.sessions,
        "activated_at": moment(account.activated_at),
        "created_at": moment(account.created_at),
        "deleted_at": moment(account.deleted_at),
    }
