"""The second factor within a sign-in: proving it, setting it up, and what an administrator may do about it (decisions.md 25).

Wrong codes are counted before they are checked, across all sign-ins of the account; a right one, the use of it, and what it opens are
one transaction. A wrong one is raised, and the last wrong one ends the sign-in.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.domain.admission import stronger_means
from gateway.domain.audit import Event
from gateway.domain.credential import FactorState, factor_state
from gateway.domain.errors import Refusal
from gateway.domain.locks import GuessPath, told_time
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.sign_in import Proof, SignIn, Step
from gateway.domain.values import Instant
from gateway.services import admission, credentials_recovery, credentials_totp, locks, notices, people, sessions
from gateway.services import sign_in as sign_ins
from gateway.services.admission import Attempt
from gateway.services.context import Context
from gateway.services.credentials_totp import Offer
from gateway.services.locks import Guess
from gateway.services.sign_in import Progress
from gateway.storage import factors
from gateway.storage import people as stored_people

_Check = Callable[[Context, Account], str]
"""Uses a code up; returns an empty text, or the catalogue's code of why it is not taken."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A sign-in after a factor was set up, and the recovery codes that are shown this once."""

    progress: Progress
    recovery_codes: tuple[str, ...]


def state_of(context: Context, account: Account) -> FactorState:
    """Return how somebody stands with a second factor of ours."""
    return factor_state(factors.find_factor(context.database, account.id), factors.find_access_code(context.database, account.id))


def state_in(context: Context, sign_in: SignIn) -> FactorState:
    """Return how the person of a sign-in stands, so that the page asks for the right thing."""
    return state_of(context, _account_of(context, sign_in, Step.VERIFY_TOTP)[0])


def prove_code(context: Context, node: Node, sign_in: SignIn, code: str) -> Progress:
    """Check a one-time code, or the temporary access code where the factor was reset, as the second factor.

    Raises Refusal `E_Mfa_Invalid` with the guesses that are left; what ends the sign-in is stored.
    """

    def check(traced: Context, account: Account) -> str:
        factor = factors.find_factor(traced.database, account.id)
        if factor is None:
            return credentials_recovery.use_access_code(traced, account, sign_in.id, code)
        return credentials_totp.use_code(traced, factor, code)

    return _prove(context, node, sign_in, check)


def prove_recovery_code(context: Context, node: Node, sign_in: SignIn, recovery_code: str) -> Progress:
    """Check a recovery code as the second factor; as `prove_code`, and `E_Recovery_Code_Used` for one that was used before."""

    def check(traced: Context, account: Account) -> str:
        return credentials_recovery.use_recovery_code(traced, account, recovery_code)

    return _prove(context, node, sign_in, check)


def offer(context: Context, sign_in: SignIn) -> Offer:
    """Return what the person of a sign-in puts into an authenticator app. Raises Refusal `E_Session_Expired` if the first factor is old."""
    account, proof = _account_of(context, sign_in, Step.ENROL_TOTP)
    return credentials_totp.offer(context.traced_as(sign_in.correlation_id), account, sign_in.id, proof.proved_at)


def enrol(context: Context, node: Node, sign_in: SignIn, code: str) -> Enrolled:
    """Store the app that was set up in this sign-in if its code is right, and go on.

    Raises Refusal `E_Mfa_Invalid`; what ends the sign-in is stored.
    """
    account, proof = _account_of(context, sign_in, Step.ENROL_TOTP)
    traced = context.traced_as(sign_in.correlation_id)
    with context.database.transaction():
        stored_people.hold_account(context.database, account.id)
        guess = locks.count_guess(traced, account, account.login, GuessPath.CODE)
        if not guess.closed and credentials_totp.confirm(traced, account, sign_in.id, code):
            locks.forgive(traced, guess)
            codes = credentials_recovery.issue_recovery_codes(traced, account)
            notices.tell_factor_enrolled(traced, account)
            return Enrolled(sign_ins.advance(context, node, sign_in, means=stronger_means(proof.means)), codes)
        refusal = _refused(traced, node, sign_in, guess, "E_Mfa_Invalid")
    return Enrolled(_stored_or_raised(context, sign_in, refusal), ())


def are_recovery_codes(context: Context, sign_in: SignIn, unverified_codes: list[str]) -> bool:
    """Return whether these are the unused recovery codes of the person of a sign-in, who may then have them as a file."""
    if sign_in.proof is None:
        return False
    account = stored_people.find_account(context.database, sign_in.proof.account)
    return account is not None and credentials_recovery.are_recovery_codes(context, account, unverified_codes)


def enforce(context: Context, account: Account) -> Account:
    """Demand a second factor, and a new one of whoever has one: the old one proves it and is then dropped (*Enforce MFA*, R-106)."""
    with context.database.transaction():
        stored_people.hold_account(context.database, account.id)
        renewed = factors.demand_replacement(context.database, account.id)
        if not renewed:
            factors.delete_access_code(context.database, account.id)
        context.publish(Event(account.home, "factor.enforced", "person", account.id, detail={"replaces": renewed}))
        return people.store_person(context, account, replace(account, mfa_required=True))


def reset(context: Context, account: Account) -> tuple[str, Instant]:
    """Wipe all factors of somebody who lost theirs; return a temporary access code, once, and when it ends (*Reset MFA*, R-117).

    Whoever is signed in is out: the lost device may be in other hands.
    """
    with context.database.transaction():
        stored_people.hold_account(context.database, account.id)
        wiped = factors.wipe(context.database, account.id)
        locks.reset(context, account, GuessPath.CODE)
        sessions.end_all_of_account(context, account, "second factor reset")
        context.publish(Event(account.home, "factor.reset", "person", account.id, detail={"had_factor": wiped}))
        code, expires_at = credentials_recovery.issue_access_code(context, account)
        notices.tell_factor_reset(context, account, expires_at)
        return code, expires_at


def regenerate_recovery_codes(context: Context, account: Account) -> tuple[str, ...]:
    """Return ten new recovery codes, once; all older ones are dead. Refuses whoever has no factor."""
    if factors.find_factor(context.database, account.id) is None:
        raise Refusal("E_Mfa_Setup_Required", reason="there is no factor to recover")
    return credentials_recovery.issue_recovery_codes(context, account)


def _prove(context: Context, node: Node, sign_in: SignIn, check: _Check) -> Progress:
    account, proof = _account_of(context, sign_in, Step.VERIFY_TOTP)
    traced = context.traced_as(sign_in.correlation_id)
    with context.database.transaction():
        stored_people.hold_account(context.database, account.id)
        guess = locks.count_guess(traced, account, account.login, GuessPath.CODE)
        code = "" if guess.closed else check(traced, account)
        if not guess.closed and not code:
            locks.forgive(traced, guess)
            return sign_ins.advance(context, node, sign_in, means=stronger_means(proof.means))
        refusal = _refused(traced, node, sign_in, guess, code)
    return _stored_or_raised(context, sign_in, refusal)


def _refused(context: Context, node: Node, sign_in: SignIn, guess: Guess, code: str) -> Refusal:
    """Count a wrong guess out and trace it, in the transaction that is open; return what the person is told."""
    if sign_in.proof is None or guess.account is None:
        message = "a code is guessed for somebody"
        raise AssertionError(message)
    lock = locks.punish(context, guess)
    if guess.closed:
        code, lock = "E_Mfa_Locked", locks.find_lock(context, guess.account, GuessPath.CODE)
    attempt = Attempt(node=node.id, path=sign_in.proof.path, account=guess.account.id)
    detail = {"guess": guess.number, "locked_until": lock.locked_until if lock else None}
    admission.record_refusal(context, attempt, "second factor", Refusal(code, reason=f"guess {guess.number}"), detail)
    if lock is not None:
        return Refusal("E_Mfa_Locked", data={"time": told_time(lock.locked_until) if lock.locked_until else ""}, reason=code)
    told = Refusal(code).disclosed().code
    return Refusal(told, field="code", data={"value": guess.left}, reason=code)


def _stored_or_raised(context: Context, sign_in: SignIn, refusal: Refusal) -> Progress:
    """Store what ends the sign-in; raise what the person may mend by typing again."""
    if refusal.code != "E_Mfa_Locked":
        raise refusal
    return Progress(sign_ins.refuse(context, sign_in, refusal), "")


def _account_of(context: Context, sign_in: SignIn, step: Step) -> tuple[Account, Proof]:
    """Return whose second factor is due in a sign-in, or refuse: another step is due, and none may be skipped (openid.md 92)."""
    if sign_in.proof is None or sign_in.due != step or sign_in.refusal is not None:
        raise Refusal("E_State_Invalid", reason=f"{step} is not due")
    account = stored_people.find_account(context.database, sign_in.proof.account)
    if account is None:
        raise Refusal("E_State_Invalid", reason="the account is gone")
    return account, sign_in.proof
