"""`moongate user mails`: what a person was written to, and what became of it."""

import click

from gateway.cli.command import Result, command, context, moment, node_of, tenant_option
from gateway.services import mail, people
from gateway.storage.mails import StoredMail


def register(group: click.Group) -> None:
    """Add the command to `moongate user`."""
    command(group, "mails")(_mails)


@tenant_option
@click.argument("login")
@click.option("--send-again", "again", default="", metavar="ID", help="Send a mail again that is not known to have come.")
def _mails(*, slug: str, login: str, again: str) -> Result:
    """List the mails to a person, newest first, with what the mail server said."""
    act = context()
    account = people.get_person(act, node_of(act, slug), login)
    if again:
        return _as_result(mail.send_again(act, account, again))
    return [_as_result(item) for item in mail.list_of_person(act, account)]


def _as_result(item: StoredMail) -> dict[str, object]:
    return {
        "at": moment(item.created_at),
        "kind": item.kind,
        "address": item.address or None,
        "state": item.state,
        "since": moment(item.changed_at),
        "attempts": item.attempts,
        "reply": item.reply or None,
        "id": item.id,
    }
