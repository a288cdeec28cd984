"""Passwords: argon2id, the temporary one, and the neutral answer that costs the same for everybody (decisions.md 23, 24)."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn_rs_py import zxcvbn

from gateway import turns
from gateway.domain.audit import Event
from gateway.domain.credential import (
    MINIMUM_LENGTH,
    MINIMUM_LENGTH_WITH_FACTOR,
    Password,
    new_spoken_code,
    owes_factor,
    require_password,
)
from gateway.domain.errors import Refusal
from gateway.domain.locks import GuessPath
from gateway.domain.nodes import Node
from gateway.domain.people import Account, local_and_domain
from gateway.domain.values import Instant, hash_token
from gateway.services import locks, nodes, notices, people, sessions
from gateway.services.context import Context
from gateway.services.locks import Guess
from gateway.storage import credentials, factors
from gateway.storage import nodes as stored_nodes
from gateway.storage import people as stored_people

_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""OWASP's parameters for argon2id."""

_DUMMY = "$argon2id$v=19$m=19456,t=2,p=1$ZHz6SOGlGLAmySBisObg+g$eJuIhjrJn1o4TXyD8bSEodmTaB09kEWfgOowXX6Wo+A"
"""What is checked where there is nothing to check, so that the answer takes the same time: of random bytes that nobody kept, made with the
parameters above. Made anew at each start it would cost every process a hash."""

_AT_ONCE = threading.BoundedSemaphore(2)
"""Hashing is bound by memory: more at once would only make each one slower."""

_STRENGTH_READ = 100
_STRENGTH_WANTED = 3


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of a password: whose it is, or why it was refused; the door shows the neutral answer either way."""

    account: Account | None
    """The account of that name, whether or not the password was right."""
    code: str
    """Empty if right; else the real code, for the trace only."""
    locked_until: Instant | None = None
    """When an automatic lock ends, told only to a device from which this person signed in before (decisions.md 23)."""


def check_password(context: Context, node: Node, login: str, password: str, *, device: str = "") -> Checked:
    """Check a password typed at a node's page. Every path costs one hash and the same writes (openid.md 76).

    A Federated Only or locked account's own hash is never looked at (R-210): the dummy is. A disabled one's is, because whoever
    knows the password learns why it does not help (requirements.md section 6); admission refuses then. `device` is the secret of
    the device cookie.
    """
    account = stored_people.find_account_by_name(context.database, node.namespace, login)
    guess = locks.count_guess(context, account, login, GuessPath.PASSWORD)
    stored = credentials.find_password(context.database, account.id) if account else None
    code = _closed(account, guess)
    usable = stored is not None and not code
    right = _verify(stored.hash if stored is not None and usable else _DUMMY, password) and usable
    if account is None or stored is None or not right:
        locks.punish(context, guess)
        return _wrong(context, account, code or _state_of(account), device)
    locks.forgive(context, guess)
    if stored.expires_at is not None and stored.expires_at <= context.now():
        return Checked(account, "E_Temp_Password_Expired")
    _renew_hash(context, account, stored, password)
    return Checked(account, "")


def issue_temporary_password(context: Context, account: Account) -> tuple[str, Instant]:
    """Give an account a temporary password and return it, once, with its end; it must be changed at the first sign-in (R-126, R-127)."""
    password = new_spoken_code(context.entropy)
    expires_at = Instant(context.now() + nodes.lifetimes(context, account.home).temporary_password)
    stored = Password(_hash(password), temporary=True, expires_at=expires_at)
    with context.database.transaction():
        _replace_password(context, account, stored, "temporary password issued")
        context.record(Event(account.home, "password.temporary_issued", "person", account.id))
        if account.activated_at is not None:
            notices.tell_temporary_password(context, account, expires_at)
    return password, expires_at


def hash_ahead(password: str) -> str:
    """Return the hash of a password that a transaction is going to store: made inside, it would hold the write lock for its time."""
    return _hash(password)


def set_password(context: Context, account: Account, new_password: str, *, hashed: str = "") -> Account:
    """Store a password a person chose, or refuse it with every rule it breaks; other sessions end.

    `hashed` is what `hash_ahead` made of it, for callers that hold a transaction.
    """
    _require_password_path(account)
    node = people.node_of(context, account.home)
    names = (
        account.login,
        local_and_domain(account.login)[0],
        local_and_domain(account.email)[0],
        account.given_name,
        account.family_name,
        node.name,
    )
    # A shorter password is good enough where a second factor stands beside it, or must (decisions.md 24).
    chain = stored_nodes.list_chain(context.database, account.home)
    guarded = owes_factor(account, chain) or factors.find_factor(context.database, account.id) is not None
    minimum = MINIMUM_LENGTH_WITH_FACTOR if guarded else MINIMUM_LENGTH
    require_password(new_password, names=names, is_common=_common(names), minimum=minimum)
    stored = Password(hashed or _hash(new_password), temporary=False, expires_at=None)
    with context.database.transaction():
        changed = _replace_password(context, account, stored, "password changed")
        context.record(Event(account.home, "password.changed", "person", account.id))
        if account.activated_at is not None:
            notices.tell_password_changed(context, account)
    return changed


def _replace_password(context: Context, account: Account, password: Password, reason: str) -> Account:
    """Store a password, open its path and end what was opened before, in the transaction that is open."""
    # Read anew under the write lock: *Federated Only* may have been switched on since, and must leave no password behind.
    current = stored_people.find_account(context.database, account.id)
    if current is None or current.deleted_at is not None:
        raise Refusal("E_Resource_Not_Found", field="login", data={"value": account.login})
    _require_password_path(current)
    credentials.replace_password(context.database, current.id, password, context.now())
    locks.reset(context, current, GuessPath.PASSWORD)
    activated = current.activated_at or context.now()
    sessions.end_all_of_account(context, current, reason)
    return people.store_person(context, current, replace(current, must_change_password=password.temporary, activated_at=activated))


def _require_password_path(account: Account) -> None:
    if account.federated_only:
        raise Refusal("E_Federated_Only", reason="a Federated Only account has no password")


def _closed(account: Account | None, guess: Guess) -> str:
    """Return why the password path is closed for an account, before any hash is looked at; empty if it is open."""
    if account is None:
        return "E_No_User"
    if account.federated_only:
        return "E_Federated_Only"
    return "E_Locked_Out" if guess.closed or account.admin_locked_at is not None else ""


def _state_of(account: Account | None) -> str:
    """Return what the trail tells beside a wrong password: it would not have helped either."""
    return "E_User_Disabled" if account is not None and not account.enabled else ""


def _wrong(context: Context, account: Account | None, code: str, device: str) -> Checked:
    if account is None or code not in {"", "E_Locked_Out"}:
        return Checked(account, code)
    known = bool(device) and factors.is_known_device(context.database, account.id, hash_token(device))
    lock = locks.find_lock(context, account, GuessPath.PASSWORD)
    tell = known and account.admin_locked_at is None and lock.holds(context.now())
    return Checked(account, code or "E_Invalid_Credentials", lock.locked_until if tell else None)


def _hash(password: str) -> str:
    """Return a password's hash; made before a transaction begins, which would otherwise hold the write lock for its time."""
    with turns.aside(computes=True), _AT_ONCE:
        return _HASHER.hash(password)


def _verify(stored_hash: str, password: str) -> bool:
    with turns.aside(computes=True), _AT_ONCE:
        try:
            return _HASHER.verify(stored_hash, password)
        except (VerificationError, InvalidHashError):
            return False


def _renew_hash(context: Context, account: Account, stored: Password, password: str) -> None:
    """Store the password under the present parameters where its hash was made under older ones."""
    if _HASHER.check_needs_rehash(stored.hash):
        fresh = _hash(password)
        with context.database.transaction():
            credentials.change_hash(context.database, account.id, stored.hash, fresh)


def _common(names: tuple[str, ...]) -> Callable[[str], bool]:
    """Return the test for passwords that are easy to guess; only the first 100 characters are judged, which bounds its time."""

    def is_common(password: str) -> bool:
        return int(zxcvbn(password[:_STRENGTH_READ], [name for name in names if name]).score) < _STRENGTH_WANTED

    return is_common
