"""`moongate session`: where somebody is signed in."""

import click

from gateway.cli.command import Result, command, context, moment, node_of, tenant_option
from gateway.domain.errors import Refusal
from gateway.domain.values import SessionId
from gateway.services import people, sessions


@click.group("session")
def group() -> None:
    """Sessions of people."""


_login = click.argument("login")


@command(group, "list")
@tenant_option
@_login
def list_(*, slug: str, login: str) -> Result:
    """List where a person is signed in."""
    act = context()
    account = people.get_person(act, node_of(act, slug), login)
    return [
        {
            "sid": session.sid,
            "tenant": people.node_of(act, session.node).slug,
            "amr": session.means.amr,
            "created_at": moment(session.created_at),
            "seen_at": moment(session.seen_at),
            "expires_at": moment(session.expires_at),
        }
        for session in sessions.list_of_account(act, account.id)
    ]


@command(group, "end")
@tenant_option
@_login
@click.option("--sid", default="", metavar="SID", help="Only this session.")
def end(*, slug: str, login: str, sid: str) -> Result:
    """Sign a person out: of everything, or of one session; every app is told."""
    act = context()
    account = people.get_person(act, node_of(act, slug), login)
    before = len(sessions.list_of_account(act, account.id))
    if sid:
        if not sessions.end_session_of_account(act, account.id, SessionId(sid), "ended by an administrator"):
            raise Refusal("E_Resource_Not_Found", field="sid", data={"value": sid[:64]})
    else:
        with act.database.transaction():
            sessions.end_all_of_account(act, account, "ended by an administrator")
    return {"login": account.login, "ended": before - len(sessions.list_of_account(act, account.id))}
