"""What helps when the authenticator app is not at hand: ten recovery codes, and the temporary access code of an administrator.

Both are random (80 and 100 bits), taken once, and stored as SHA-256 (R-115, R-106).
"""

from gateway.domain.audit import Event
from gateway.domain.credential import (
    ACCESS_CODE_MS,
    RECOVERY_CODES,
    AccessCode,
    new_recovery_code,
    new_spoken_code,
    secret_of_code,
)
from gateway.domain.people import Account
from gateway.domain.values import Instant, SignInId, hash_token
from gateway.services.context import Context
from gateway.storage import factors, people


def issue_recovery_codes(context: Context, account: Account) -> tuple[str, ...]:
    """Return ten new recovery codes, to be shown once; all older ones are dead."""
    codes = tuple(new_recovery_code(context.entropy) for _ in range(RECOVERY_CODES))
    with context.database.transaction():
        people.hold_account(context.database, account.id)
        factors.replace_recovery_codes(context.database, account.id, [_hash(code) for code in codes], context.now())
        context.publish(Event(account.home, "recovery_codes.issued", "person", account.id, detail={"count": len(codes)}))
    return codes


def use_recovery_code(context: Context, account: Account, unverified_code: str) -> str:
    """Use up a recovery code; return an empty text, or the catalogue's code of why it is not taken. In the transaction that is open."""
    code_hash = _hash(unverified_code)
    if factors.take_recovery_code(context.database, account.id, code_hash, context.now()):
        left = factors.count_recovery_codes(context.database, account.id)
        context.publish(Event(account.home, "recovery_code.used", "person", account.id, detail={"left": left}))
        return ""
    used = factors.is_used_recovery_code(context.database, account.id, code_hash)
    return "E_Recovery_Code_Used" if used else "E_Mfa_Invalid"


def are_recovery_codes(context: Context, account: Account, unverified_codes: list[str]) -> bool:
    """Return whether these are exactly the account's unused codes, in whatever order."""
    return {_hash(code) for code in unverified_codes} == factors.list_recovery_hashes(context.database, account.id)


def issue_access_code(context: Context, account: Account) -> tuple[str, Instant]:
    """Return a temporary access code, to be shown once, and when it ends. In the transaction that is open."""
    code = new_spoken_code(context.entropy)
    expires_at = Instant(context.now() + ACCESS_CODE_MS)
    factors.replace_access_code(context.database, AccessCode(account.id, _hash(code), expires_at, None))
    return code, expires_at


def use_access_code(context: Context, account: Account, sign_in_id: SignInId, unverified_code: str) -> str:
    """Use up the temporary access code; return an empty text, or why it is not taken. In the transaction that is open."""
    if not factors.take_access_code(context.database, account.id, _hash(unverified_code), sign_in_id, context.now()):
        return "E_Mfa_Invalid"
    context.publish(Event(account.home, "access_code.used", "person", account.id))
    return ""


def _hash(unverified_code: str) -> str:
    return hash_token(secret_of_code(unverified_code))
