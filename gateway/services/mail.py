"""Mails to people: queued in the transaction of what they tell of, one for each event, and logged for each person.

What a mail is about is in `domain.mails.MailKind`; `services.mail_delivery` sends it.
"""

import json
from collections.abc import Mapping

from gateway.domain.audit import Event
from gateway.domain.errors import Refusal
from gateway.domain.mails import SETTLED, MailKind, MailState, is_address
from gateway.domain.people import Account
from gateway.domain.values import NodeId
from gateway.services.context import Context
from gateway.storage import mails, people
from gateway.storage.mails import StoredMail

DELIVERY = "mail"
"""The kind of job that sends a mail, and its lane: a slow mail server takes few hands, and no logout waits for it."""

LISTED = 100


def queue(
    context: Context,
    account: Account,
    kind: MailKind,
    *,
    event: str,
    told: Mapping[str, str | int] | None = None,
    address: str = "",
    aside: bool = False,
) -> None:
    """Queue a mail to a person in the transaction that is open, unless they were told of this event before.

    `event` names what happened, once for this person; `told` holds the values of the templates, instants in milliseconds, never a
    password; `address` is another one than the person's own. Whoever has no address is logged as skipped. A mail that is put `aside`
    waits for a job of the task *notification* (R-160).
    """
    mail_id = context.new_log_id()
    address = address or account.email
    wanted = MailState.WAITING if aside else MailState.QUEUED
    state, why = (wanted, "") if is_address(address) else (MailState.SKIPPED, "no e-mail address")
    data = context.keyring.wrap(json.dumps(dict(told or {})).encode(), purpose=DELIVERY, owner=mail_id)
    now = context.now()
    with context.database.transaction():
        added = mails.insert_mail(
            context.database,
            StoredMail(mail_id, account.home, account.id, kind, event, address, data, state, 0, why, None, now, now),
        )
        if added and state is MailState.QUEUED:
            _enqueue(context, mail_id, account)


def send_again(context: Context, account: Account, mail_id: str) -> StoredMail:
    """Send a mail again that is not known to have come, or now one that was put aside, to the address the person has now.

    Refuses one that was sent, or that is on its way. The person may get an unconfirmed one twice.
    """
    mail = mails.find_mail(context.database, mail_id)
    if mail is None or mail.account != account.id:
        raise Refusal("E_Resource_Not_Found", field="mail", data={"value": mail_id[:64]})
    with context.database.transaction():
        moved = may_be_sent_again(mail) and mails.change_mail(context.database, mail.id, mail.state, MailState.QUEUED, now=context.now())
        if not moved:
            raise Refusal("E_Field_Invalid", field="mail", data={"field": "mail", "rule": "failed, bounced, unconfirmed or waiting"})
        mails.begin_anew(context.database, mail.id, account.email)
        _enqueue(context, mail.id, account)
        detail = {"mail": mail.id, "kind": mail.kind, "was": mail.state}
        context.record(Event(account.home, "mail.sent_again", "person", account.id, detail=detail))
    return mails.find_mail(context.database, mail.id) or mail


def may_be_sent_again(mail: StoredMail) -> bool:
    """Return whether a mail is not known to have come and not on its way."""
    return mail.state in SETTLED or mail.state is MailState.WAITING


def release(context: Context, node_id: NodeId, run: str, *, limit: int) -> tuple[int, int]:
    """Queue mails that were put aside at a node or below it, for a run of a schedule, in the transaction that is open.

    Return how many go, and of how many the person has left meanwhile. Nobody gets one twice, however many runs there are (R-163).
    """
    sent = skipped = 0
    for mail in mails.release_waiting(context.database, node_id, run, now=context.now(), limit=limit):
        account = people.find_account(context.database, mail.account)
        if account is None or account.deleted_at is not None or not account.enabled:
            mails.change_mail(
                context.database, mail.id, MailState.QUEUED, MailState.SKIPPED, now=context.now(), reply="deleted or disabled"
            )
            mails.forget_data(context.database, mail.id)
            skipped += 1
        else:
            _enqueue(context, mail.id, account)
            sent += 1
    return sent, skipped


def list_of_person(context: Context, account: Account) -> list[StoredMail]:
    """Return the latest mails to a person, newest first."""
    return mails.list_mails(context.database, account.id, limit=LISTED)


def _enqueue(context: Context, mail_id: str, account: Account) -> None:
    context.enqueue(DELIVERY, account.home, {"mail": mail_id}, dedupe=f"{DELIVERY}:{mail_id}", lane=DELIVERY)
