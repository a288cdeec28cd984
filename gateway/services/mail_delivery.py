"""Sending mails, as a job: never one twice, whoever dies in the middle.

How the last moment is kept apart is told in `outbound.mail` and docs/adr/0011-jobs.md; what a mail says is in `services.mail_text`.
"""

import json
import logging
import threading
from dataclasses import dataclass

from gateway.domain.mails import (
    SETTLED,
    MailCarrier,
    MailDeferred,
    MailRefused,
    MailState,
    MailUnconfirmed,
    OutgoingMail,
    is_address,
)
from gateway.domain.people import Account
from gateway.domain.values import HOUR_MS, MINUTE_MS
from gateway.services import mail_text
from gateway.services.context import Context
from gateway.services.house import WORKER, House
from gateway.services.jobs import Postponed, Unrecoverable
from gateway.services.mail import DELIVERY
from gateway.storage import mails, nodes, people
from gateway.storage.database import DatabaseUnavailable
from gateway.storage.jobs import Job
from gateway.storage.mails import StoredMail
from gateway.tokens.keyring import UnwrapFailed

PAUSES_MS = (MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS, 12 * HOUR_MS)
"""How long a mail rests after each vain attempt; after the one behind the last pause it has failed (R-158)."""

WAITS_SECONDS = (0.5, 1, 2, 4, 8, 16, 30)
"""How long a hand waits for a database that is away, between one try to note the end of a mail and the next."""

_REST = threading.Event()
_log = logging.getLogger(__name__)


class _Taken(Exception):
    """Somebody else decided about this mail meanwhile."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Sends the mails of a process; the handler of `DELIVERY`."""

    carrier: MailCarrier

    def __call__(self, house: House, job: Job) -> None:
        """Send the mail of a job, once, or note why not."""
        context = house.context(WORKER, correlation_id=job.correlation_id)
        mail = mails.find_mail(context.database, str(job.payload["mail"]))
        if mail is None or mail.state not in {MailState.QUEUED, MailState.HANDED_OVER}:
            return
        if mail.state is MailState.HANDED_OVER:
            # Whoever was at it is dead, or its lease would not be over.
            _settle(context, mail, MailState.HANDED_OVER, MailState.UNCONFIRMED, "the process died before the server's answer")
            return
        account = people.find_account(context.database, mail.account)
        if account is None or account.deleted_at is not None or not account.enabled or not is_address(mail.address):
            _settle(context, mail, MailState.QUEUED, MailState.SKIPPED, "no such person, or disabled, or no e-mail address")
            return
        self._send(context, mail, account)

    def _send(self, context: Context, mail: StoredMail, account: Account) -> None:
        handed_over = False

        def hand_over() -> None:
            nonlocal handed_over
            if not mails.change_mail(context.database, mail.id, MailState.QUEUED, MailState.HANDED_OVER, now=context.now()):
                raise _Taken
            handed_over = True

        try:
            reply = self.carrier.carry(_outgoing(context, mail, account), hand_over=hand_over)
        except _Taken:
            return
        except UnwrapFailed as error:
            _settle(context, mail, MailState.QUEUED, MailState.FAILED, str(error))
            raise Unrecoverable(str(error)) from error
        except (MailRefused, MailUnconfirmed) as error:
            outcome = MailState.BOUNCED if isinstance(error, MailRefused) else MailState.UNCONFIRMED
            _settle_at_last(context, mail, _reached(handed_over=handed_over), outcome, str(error), tries=1)
        except MailDeferred as error:
            self._put_off(context, mail, _reached(handed_over=handed_over), error)
        else:
            _settle_at_last(context, mail, _reached(handed_over=handed_over), MailState.SENT, reply)

    def _put_off(self, context: Context, mail: StoredMail, former: MailState, error: MailDeferred) -> None:
        if mail.attempts >= len(PAUSES_MS):
            _settle(context, mail, former, MailState.FAILED, str(error), tries=1)
            raise Unrecoverable(str(error)) from error
        mails.change_mail(context.database, mail.id, former, MailState.QUEUED, now=context.now(), reply=str(error), tries=1)
        raise Postponed(str(error), PAUSES_MS[mail.attempts]) from error


def _reached(*, handed_over: bool) -> MailState:
    return MailState.HANDED_OVER if handed_over else MailState.QUEUED


def _settle_at_last(context: Context, mail: StoredMail, former: MailState, state: MailState, reply: str, *, tries: int = 0) -> None:
    """Note how a mail ended although the database is away for a while: nobody else knows what the server said."""
    for seconds in WAITS_SECONDS:
        try:
            return _settle(context, mail, former, state, reply, tries=tries)
        except DatabaseUnavailable as error:
            fields = {"mail": mail.id, "state": state, "error": str(error)}
            _log.warning("the end of a mail waits for the database", extra={"fields": fields})
            # Without a database there is nothing else that this hand could do.
            _REST.wait(seconds)
    return _settle(context, mail, former, state, reply, tries=tries)


def _settle(context: Context, mail: StoredMail, former: MailState, state: MailState, reply: str, *, tries: int = 0) -> None:
    """Note how a mail ended; what it told is forgotten where nobody can want it again."""
    with context.database.transaction():
        noted = any(
            mails.change_mail(context.database, mail.id, was, state, now=context.now(), reply=reply, tries=tries)
            # Whoever thought us dead called it unconfirmed: we live, and know better.
            for was in dict.fromkeys((former, MailState.UNCONFIRMED))
        )
        if noted and state not in SETTLED:
            mails.forget_data(context.database, mail.id)
    if noted and state is not MailState.SENT:
        fields = {"mail": mail.id, "kind": mail.kind, "state": state, "reply": reply}
        _log.warning("a mail did not go", extra={"fields": fields})


def _outgoing(context: Context, mail: StoredMail, account: Account) -> OutgoingMail:
    """Return a mail with its text in the person's language, under the brand of its node."""
    chain = nodes.list_chain(context.database, mail.node)
    brand = chain[0].name if chain else ""
    told = json.loads(context.keyring.unwrap(mail.data, purpose=DELIVERY, owner=mail.id))
    language = mail_text.language_of(account, chain)
    letter = mail_text.write_letter(mail.kind, language, account, brand, told=told, reference=context.correlation_id)
    return OutgoingMail(mail.id, brand, mail_text.recipient_name(account), mail.address, letter, mail.created_at)
