"""Passwords: the rules a new one must keep, all reported together (decisions.md 24, R-129)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.domain.errors import Refusal
from gateway.domain.values import Instant, comparison_key

MINIMUM_LENGTH = 15
MAXIMUM_LENGTH = 256
_SHORTEST_NAME = 3


@dataclass(frozen=True, slots=True)
class Password:
    """A stored password: its argon2id hash and, if temporary, when it ends."""

    hash: str
    temporary: bool
    expires_at: Instant | None


def require_password(password: str, *, names: Iterable[str], is_common: Callable[[str], bool]) -> str:
    """Return `password`, or refuse it with every rule it breaks.

    `names` are the login, the e-mail's local part, the person's names and the node's name: none may stand in it. `is_common`
    tells whether it is on the list of common passwords.
    """
    broken = []
    if len(password) < MINIMUM_LENGTH:
        broken.append(f"Use at least {MINIMUM_LENGTH} characters; a few words are easy to remember.")
    if len(password) > MAXIMUM_LENGTH:
        broken.append(f"Use at most {MAXIMUM_LENGTH} characters.")
    key = comparison_key(password)
    if any(len(name) >= _SHORTEST_NAME and comparison_key(name) in key for name in names):
        broken.append("Leave out your name, your login, your e-mail address and your organisation's name.")
    if is_common(password):
        broken.append("This password is too easy to guess: choose one that nobody else would think of.")
    if broken:
        raise Refusal("E_Password_Policy", field="new_password", data={"rules": "\n".join(broken)})
    return password
