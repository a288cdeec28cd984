"""What a person is told by mail of what happened to their account, in the transaction of the act itself; nobody asked them before."""

from gateway.domain.locks import GuessPath, Lock
from gateway.domain.mails import MailKind
from gateway.domain.people import Account
from gateway.domain.values import DAY_MS, Instant
from gateway.services import mail
from gateway.services.context import Context


def tell_locked(context: Context, account: Account, path: GuessPath, lock: Lock) -> None:
    """Tell of an automatic lock: once a day for each path, or whoever guesses could fill the person's mailbox too."""
    if lock.locked_until is not None:
        event = f"{MailKind.ACCOUNT_LOCKED}:{path}:{context.now() // DAY_MS}"
        mail.queue(context, account, MailKind.ACCOUNT_LOCKED, event=event, told={"path": path, "until": lock.locked_until})


def tell_password_changed(context: Context, account: Account) -> None:
    """Tell that the person, or whoever knows their password, chose a new one."""
    mail.queue(context, account, MailKind.PASSWORD_CHANGED, event=_once(context, MailKind.PASSWORD_CHANGED), told={"at": context.now()})


def tell_temporary_password(context: Context, account: Account, expires_at: Instant) -> None:
    """Tell that an administrator gave a temporary password; the mail does not hold it (R-154)."""
    told = {"at": context.now(), "until": expires_at}
    mail.queue(context, account, MailKind.TEMPORARY_PASSWORD, event=_once(context, MailKind.TEMPORARY_PASSWORD), told=told)


def tell_factor_enrolled(context: Context, account: Account) -> None:
    """Tell that a second factor was set up."""
    mail.queue(context, account, MailKind.FACTOR_ENROLLED, event=_once(context, MailKind.FACTOR_ENROLLED), told={"at": context.now()})


def tell_factor_reset(context: Context, account: Account, expires_at: Instant) -> None:
    """Tell that an administrator took the second factor away, and until when the code is good that stands in for it."""
    told = {"at": context.now(), "until": expires_at}
    mail.queue(context, account, MailKind.FACTOR_RESET, event=_once(context, MailKind.FACTOR_RESET), told=told)


def tell_email_changed(context: Context, before: Account, after: Account) -> None:
    """Tell the old address and the new one that an administrator changed it."""
    told: dict[str, str | int] = {"at": context.now(), "email": after.email}
    for which, address in (("old", before.email), ("new", after.email)):
        if address:
            event = f"{MailKind.EMAIL_CHANGED}:{after.version}:{which}"
            mail.queue(context, after, MailKind.EMAIL_CHANGED, event=event, told=told, address=address)


def _once(context: Context, kind: MailKind) -> str:
    """Return the name of what happens now: an act and its mail are one transaction, so each act has its own."""
    return f"{kind}:{context.new_log_id()}"
