"""Jobs that nobody tries any more: a person looks at them, mends the cause, and lets them run again."""

from collections.abc import Sequence

from gateway.domain.audit import Event
from gateway.domain.errors import Refusal
from gateway.services import mail
from gateway.services.context import Context
from gateway.storage import jobs, mails, people
from gateway.storage.jobs import DeadJob


def list_dead(context: Context, *, limit: int) -> Sequence[DeadJob]:
    """Return dead jobs of the whole house, newest first."""
    return jobs.list_dead(context.database, limit=limit)


def run_again(context: Context, job_id: str) -> DeadJob:
    """Let a dead job run again, with all its attempts, and return it as it was. Refuses one that is not dead."""
    dead = jobs.find_dead(context.database, job_id)
    if dead is None:
        raise Refusal("E_Resource_Not_Found", field="job", data={"value": job_id[:64]})
    with context.database.transaction():
        if not (_send_mail_again(context, dead) or jobs.revive_job(context.database, dead.id, context.now())):
            raise Refusal("E_Resource_Not_Found", field="job", data={"value": job_id[:64]})
        context.record(Event(dead.node, "job.run_again", "job", dead.id, detail={"kind": dead.kind, "error": dead.error}))
    return dead


def _send_mail_again(context: Context, dead: DeadJob) -> bool:
    """Send the mail of a dead job again; return False for a job of another kind, or whose mail is still to be sent."""
    if dead.kind != mail.DELIVERY:
        return False
    stored = mails.find_mail(context.database, str(dead.payload["mail"]))
    account = people.find_account(context.database, stored.account) if stored is not None else None
    if stored is None or account is None or not mail.may_be_sent_again(stored):
        return False
    mail.send_again(context, account, stored.id)
    return jobs.bury_job(context.database, dead.id)
