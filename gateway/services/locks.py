"""Guesses at passwords and codes: counted before they are checked, so that parallel ones never exceed the limit (decisions.md 23).

The password path and the code path have a lock each. Neither touches a sign-in by the person's organisation; only an
administrator's lock does, and that one is a fact of the account.
"""

from dataclasses import dataclass

from gateway.domain.audit import Event
from gateway.domain.locks import LIMITS, UNTRIED, GuessPath, Lock, next_lock
from gateway.domain.people import Account
from gateway.domain.values import comparison_key, hash_token
from gateway.services import notices, people
from gateway.services.context import Context
from gateway.storage import locks
from gateway.storage import people as stored_people

_UNLIMITED = 2**31 - 1
_STAND_INS = 2
"""Hex digits of the stand-ins for names that nobody has: enough to spread their writes, too few to fill a table."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A guess that was counted."""

    account: Account | None
    key: str
    path: GuessPath
    limit: int
    number: int
    """Which guess of its window it is; 0: the path is closed, and the guess must not be checked."""

    @property
    def closed(self) -> bool:
        """Whether the path is closed."""
        return self.number == 0

    @property
    def left(self) -> int:
        """How many guesses are left after this one."""
        return max(0, self.limit - self.number)


def count_guess(context: Context, account: Account | None, login: str, path: GuessPath) -> Guess:
    """Count a guess, whoever's name was typed: for a name that nobody has the same is written elsewhere, so that it takes the same time.

    A Federated Only account's guesses are counted and never lock: there is no password to find.
    """
    key = account.id if account is not None else f"nobody-{hash_token(comparison_key(login))[:_STAND_INS]}"
    endless = account is not None and account.federated_only and path is GuessPath.PASSWORD
    limit = _UNLIMITED if endless else LIMITS[path]
    with context.database.transaction():
        number = locks.count_guess(context.database, key, path, context.now(), limit=limit)
    return Guess(account, key, path, limit, number)


def forgive(context: Context, guess: Guess) -> None:
    """Forget the guesses of a path after a right one; the next lock still takes as long as it would have."""
    with context.database.transaction():
        locks.clear_guesses(context.database, guess.key, guess.path)


def punish(context: Context, guess: Guess) -> Lock | None:
    """Close the path after its last wrong guess; return the lock, or None if guesses are left."""
    if guess.closed or guess.left:
        return None
    with context.database.transaction():
        before = locks.find_lock(context.database, guess.key, guess.path) or UNTRIED
        lock = next_lock(before, context.now())
        if not locks.lock_path(context.database, guess.key, guess.path, lock, limit=guess.limit):
            return None
        if guess.account is not None:
            detail = {"path": guess.path, "until": lock.locked_until, "times": lock.times, "attempts": lock.attempts}
            context.publish(Event(guess.account.home, "person.locked", "person", guess.account.id, code="E_Locked_Out", detail=detail))
            notices.tell_locked(context, guess.account, guess.path, lock)
    return lock


def find_lock(context: Context, account: Account, path: GuessPath) -> Lock:
    """Return what is remembered of the guesses at a path of an account."""
    return locks.find_lock(context.database, account.id, path) or UNTRIED


def reset(context: Context, account: Account, path: GuessPath) -> None:
    """Open a path whose credential was set anew, in the transaction that is open (R-133)."""
    locks.clear_guesses(context.database, account.id, path)


def unlock(context: Context, account: Account) -> Account:
    """Clear every lock of an account, an administrator's too, and set its counters to 0; *Disabled* stays as it is (R-099)."""
    with context.database.transaction():
        stored_people.hold_account(context.database, account.id)
        if locks.forget_locks(context.database, account.id):
            context.publish(Event(account.home, "person.unlocked", "person", account.id))
        return people.set_admin_lock(context, account, locked=False)
