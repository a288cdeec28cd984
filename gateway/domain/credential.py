"""What an account proves itself by: passwords with the rules a new one must keep, time-based codes, recovery codes.

decisions.md 24 and 25, RFC 6238.
"""

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.errors import Refusal
from gateway.domain.nodes import MANAGING, MFA_REQUIRED, Node, is_switched_on
from gateway.domain.people import Account, AccountType
from gateway.domain.values import HOUR_MS, MINUTE_MS, SECOND_MS, AccountId, Entropy, Instant, SignInId, comparison_key

MINIMUM_LENGTH = 15
MINIMUM_LENGTH_WITH_FACTOR = 12
"""Where a second factor is enrolled or demanded."""
MAXIMUM_LENGTH = 256
_SHORTEST_NAME = 3

CODE_PERIOD_MS = 30 * SECOND_MS
CODE_WINDOW = 1
"""A code of so many steps before or after the present one is taken: clocks of telephones differ (R-114)."""
ENROLMENT_FRESH_MS = 5 * MINUTE_MS
"""How old the first factor may be when a second one is set up (openid.md 93)."""
ACCESS_CODE_MS = HOUR_MS
RECOVERY_CODES = 10
_RECOVERY_BYTES = 10
_CODE = re.compile(r"[0-9]{6}")


@dataclass(frozen=True, slots=True)
class Password:
    """A stored password: its argon2id hash and, if temporary, when it ends."""

    hash: str
    temporary: bool
    expires_at: Instant | None


@dataclass(frozen=True, slots=True)
class TotpFactor:
    """A person's authenticator app; its secret is wrapped by the key ring."""

    account: AccountId
    wrapped_secret: str
    last_step: int
    """The step of the last code taken: neither it nor an older one is taken again (RFC 6238 §5.2)."""
    drift: int
    """By how many steps the app's clock was ahead when its last code was taken; negative: behind."""
    replace: bool
    """Whether an administrator demands that it proves its successor and is then dropped (decisions.md 25)."""
    enrolled_at: Instant


class FactorState(StrEnum):
    """How a person stands with a second factor of ours."""

    NONE = "none"
    ENROLLED = "enrolled"
    TO_REPLACE = "to_replace"
    """Enrolled, and due to be replaced: it proves its successor (*Enforce MFA*, R-106)."""
    RESET = "reset"
    """Lost and wiped: a temporary access code comes before a new one (*Reset MFA*, R-106)."""

    @classmethod
    def of(cls, *, replace_due: bool | None, has_code: bool) -> "FactorState":
        """Return how somebody stands whose factor is due to be replaced or not, None for no factor, and who has an access code or not."""
        if replace_due is None:
            return cls.RESET if has_code else cls.NONE
        return cls.TO_REPLACE if replace_due else cls.ENROLLED


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A second factor being set up within one sign-in; no factor before a valid code confirms it."""

    sign_in: SignInId
    account: AccountId
    wrapped_secret: str
    started_at: Instant


@dataclass(frozen=True, slots=True)
class AccessCode:
    """What stands in for a lost factor when a new one is set up: one use, one hour."""

    account: AccountId
    code_hash: str
    expires_at: Instant
    used_by: SignInId | None
    """The sign-in that used it, which alone may set a new factor up."""


def factor_state(factor: TotpFactor | None, access_code: AccessCode | None) -> FactorState:
    """Return how somebody stands who has this factor and this access code, used ones too."""
    return FactorState.of(replace_due=factor.replace if factor is not None else None, has_code=access_code is not None)


def owes_factor(account: Account, home_chain: Sequence[Node]) -> bool:
    """Return whether policy demands a second factor of an account: its own flag, its home's or one's above, or a home that manages others.

    None of them can be taken back below (R-107). A program is never asked for one (R-120).
    """
    if account.type is AccountType.SERVICE:
        return False
    manages = bool(home_chain) and home_chain[0].kind in MANAGING
    return account.mfa_required or manages or is_switched_on(home_chain, MFA_REQUIRED)


def require_password(password: str, *, names: Iterable[str], is_common: Callable[[str], bool], minimum: int = MINIMUM_LENGTH) -> str:
    """Return `password`, or refuse it with every rule it breaks.

    `names` are the login, the e-mail's local part, the person's names and the node's name: none may stand in it. `is_common`
    tells whether it is on the list of common passwords. `minimum` is its shortest length.
    """
    broken = []
    if len(password) < minimum:
        broken.append(f"Use at least {minimum} characters; a few words are easy to remember.")
    if len(password) > MAXIMUM_LENGTH:
        broken.append(f"Use at most {MAXIMUM_LENGTH} characters.")
    key = comparison_key(password)
    if any(len(name) >= _SHORTEST_NAME and name in key for name in map(comparison_key, names)):
        broken.append("Leave out your name, your login, your e-mail address and your organisation's name.")
    if is_common(password):
        broken.append("This password is too easy to guess: choose one that nobody else would think of.")
    if broken:
        raise Refusal("E_Password_Policy", field="new_password", data={"rules": "\n".join(broken)})
    return password


def steps_in_window(now: Instant) -> Sequence[int]:
    """Return the time steps whose codes are taken now (RFC 6238 §5.2)."""
    present = now // CODE_PERIOD_MS
    return range(present - CODE_WINDOW, present + CODE_WINDOW + 1)


def typed_code(unverified_code: str) -> str:
    """Return a six-digit code as typed, without the spaces that apps show in it; empty if it is no such code."""
    code = re.sub(r"[\s-]", "", unverified_code)
    return code if _CODE.fullmatch(code) else ""


def new_spoken_code(entropy: Entropy) -> str:
    """Return a secret of 100 random bits in four groups, which can be read out over a telephone."""
    text = base64.b32encode(entropy(13))[:20].decode().lower()
    return _grouped(text, 5)


def new_recovery_code(entropy: Entropy) -> str:
    """Return a recovery code of 80 random bits in four groups (R-115)."""
    return _grouped(base64.b32encode(entropy(_RECOVERY_BYTES)).decode().lower(), 4)


def secret_of_code(unverified_code: str) -> str:
    """Return what is hashed of a code typed by hand: case, spaces and hyphens do not count."""
    return re.sub(r"[\s-]", "", unverified_code).casefold()


def _grouped(text: str, size: int) -> str:
    return "-".join(text[at : at + size] for at in range(0, len(text), size))
