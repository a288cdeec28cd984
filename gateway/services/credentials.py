"""Passwords: argon2id, the temporary one, and the neutral answer that costs the same for everybody (decisions.md 23, 24)."""

import base64
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn_rs_py import zxcvbn

from gateway.domain.audit import Event
from gateway.domain.credential import Password, require_password
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.people import Account, local_and_domain
from gateway.domain.values import Instant
from gateway.services import nodes, people, sessions
from gateway.services.context import Context
from gateway.storage import credentials
from gateway.storage import people as stored_people

_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""OWASP's parameters for argon2id."""

_DUMMY = _HASHER.hash("no account has this password")
"""What is checked where there is nothing to check, so that the answer takes the same time."""

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


def check_password(context: Context, node: Node, login: str, password: str) -> Checked:
    """Check a password typed at a node's page. Every path costs one hash (openid.md 76).

    A Federated Only, disabled or locked account's own hash is never looked at (R-210): the dummy is.
    """
    account = stored_people.find_account_by_name(context.database, node.namespace, login)
    stored = credentials.find_password(context.database, account.id) if account else None
    closed = _closed(account)
    usable = stored is not None and not closed
    right = _verify(stored.hash if stored is not None and usable else _DUMMY, password) and usable
    if account is None:
        return Checked(None, "E_No_User")
    if closed:
        return Checked(account, closed)
    if not right or stored is None:
        return Checked(account, "E_Invalid_Credentials")
    if stored.expires_at is not None and stored.expires_at <= context.now():
        return Checked(account, "E_Temp_Password_Expired")
    return Checked(account, "")


def issue_temporary_password(context: Context, account: Account) -> tuple[str, Instant]:
    """Give an account a temporary password and return it, once, with its end; it must be changed at the first sign-in (R-126, R-127)."""
    if account.federated_only:
        raise Refusal("E_Federated_Only", reason="there is no password to issue")
    password = _temporary(context)
    expires_at = Instant(context.now() + nodes.lifetimes(context, account.home).temporary_password)
    with context.database.transaction():
        credentials.replace_password(
            context.database, account.id, Password(_HASHER.hash(password), temporary=True, expires_at=expires_at), context.now()
        )
        activated = account.activated_at or context.now()
        people.store_person(context, account, replace(account, must_change_password=True, activated_at=activated))
        sessions.end_all_of_account(context, account, "temporary password issued")
        context.record(Event(account.home, "password.temporary_issued", "person", account.id))
    return password, expires_at


def set_password(context: Context, account: Account, new_password: str) -> Account:
    """Store a password a person chose, or refuse it with every rule it breaks; other sessions end."""
    if account.federated_only:
        raise Refusal("E_Federated_Only", reason="a Federated Only account has no password")
    node = people.node_of(context, account.home)
    names = (
        account.login,
        local_and_domain(account.login)[0],
        local_and_domain(account.email)[0],
        account.given_name,
        account.family_name,
        node.name,
    )
    require_password(new_password, names=names, is_common=_common(names))
    hashed = Password(_HASHER.hash(new_password), temporary=False, expires_at=None)
    with context.database.transaction():
        credentials.replace_password(context.database, account.id, hashed, context.now())
        changed = people.store_person(
            context, account, replace(account, must_change_password=False, activated_at=account.activated_at or context.now())
        )
        sessions.end_all_of_account(context, account, "password changed")
        context.record(Event(account.home, "password.changed", "person", account.id))
    return changed


def _closed(account: Account | None) -> str:
    """Return why the password path is closed for an account, before any hash is looked at; empty if it is open."""
    if account is None:
        return ""
    if account.federated_only:
        return "E_Federated_Only"
    if not account.enabled:
        return "E_User_Disabled"
    return "E_Locked_Out" if account.admin_locked_at is not None else ""


def _verify(stored_hash: str, password: str) -> bool:
    with _AT_ONCE:
        try:
            return _HASHER.verify(stored_hash, password)
        except (VerificationError, InvalidHashError):
            return False


def _temporary(context: Context) -> str:
    """Return a password of 100 random bits in groups that can be read out over a telephone."""
    text = base64.b32encode(context.entropy(13))[:20].decode().lower()
    return "-".join(text[at : at + 5] for at in range(0, 20, 5))


def _common(names: tuple[str, ...]) -> Callable[[str], bool]:
    """Return the test for passwords that are easy to guess; only the first 100 characters are judged, which bounds its time."""

    def is_common(password: str) -> bool:
        return zxcvbn(password[:_STRENGTH_READ], [name for name in names if name]).score < _STRENGTH_WANTED

    return is_common
