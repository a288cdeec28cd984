"""Authenticator apps, enrolments on their way, recovery codes, access codes and known devices."""

from collections.abc import Sequence

from gateway.domain.credential import AccessCode, Enrolment, TotpFactor
from gateway.domain.values import AccountId, Instant, SignInId
from gateway.storage.database import Database, Statement, place, places
from gateway.storage.person_rows import make_ready
from gateway.storage.tables import factors as tables

_Factor = tables.TotpFactor
_Enrolment = tables.TotpEnrolment
_Recovery = tables.RecoveryCode
_Access = tables.AccessCode
_Device = tables.KnownDevice

_FIND_FACTOR = Statement(_Factor.select().where(_Factor.account == place("account")))
_INSERT_FACTOR = Statement(_Factor.insert(places(_Factor)))
_DELETE_FACTOR = Statement(_Factor.delete().where(_Factor.account == place("account")))
_TAKE_STEP = Statement(
    _Factor.update({_Factor.last_step: place("step"), _Factor.drift: place("drift")}).where(
        (_Factor.account == place("account")) & (_Factor.wrapped_secret == place("wrapped_secret")) & (_Factor.last_step < place("step"))
    )
)
_DEMAND_REPLACEMENT = Statement(_Factor.update({_Factor.replace_due: 1}).where(_Factor.account == place("account")))

_FIND_ENROLMENT = Statement(
    _Enrolment.select(_Enrolment.sign_in, _Enrolment.account, _Enrolment.wrapped_secret, _Enrolment.started_at).where(
        (_Enrolment.account == place("account")) & (_Enrolment.sign_in == place("sign_in"))
    )
)
_INSERT_ENROLMENT = Statement(_Enrolment.insert(places(_Enrolment)))
_DELETE_ENROLMENT = Statement(_Enrolment.delete().where(_Enrolment.account == place("account")))

_INSERT_RECOVERY = Statement(_Recovery.insert(places(_Recovery)))
_DELETE_RECOVERY = Statement(_Recovery.delete().where(_Recovery.account == place("account")))
_UNUSED_RECOVERY = Statement(
    _Recovery.select(_Recovery.code_hash).where((_Recovery.account == place("account")) & _Recovery.used_at.is_null())
)
_TAKE_RECOVERY = Statement(
    _Recovery.update({_Recovery.used_at: place("now")}).where(
        (_Recovery.account == place("account")) & (_Recovery.code_hash == place("code_hash")) & _Recovery.used_at.is_null()
    )
)
_IS_RECOVERY = Statement(
    _Recovery.select(_Recovery.used_at).where((_Recovery.account == place("account")) & (_Recovery.code_hash == place("code_hash")))
)

_FIND_ACCESS = Statement(_Access.select().where(_Access.account == place("account")))
_INSERT_ACCESS = Statement(_Access.insert(places(_Access)))
_DELETE_ACCESS = Statement(_Access.delete().where(_Access.account == place("account")))
_TAKE_ACCESS = Statement(
    _Access.update({_Access.used_by: place("sign_in")}).where(
        (_Access.account == place("account"))
        & (_Access.code_hash == place("code_hash"))
        & _Access.used_by.is_null()
        & (_Access.expires_at > place("now"))
    )
)

_INSERT_DEVICE = Statement(_Device.insert(places(_Device)).on_conflict_ignore())
_SEE_DEVICE = Statement(
    _Device.update({_Device.seen_at: place("seen_at")}).where(
        (_Device.account == place("account")) & (_Device.secret_hash == place("secret_hash"))
    )
)
_FIND_DEVICE = Statement(
    _Device.select(_Device.seen_at).where((_Device.account == place("account")) & (_Device.secret_hash == place("secret_hash")))
)
_DELETE_DEVICES = Statement(_Device.delete().where(_Device.account == place("account")))


def find_factor(database: Database, account_id: AccountId) -> TotpFactor | None:
    """Return the account's authenticator app, if it has one."""
    row = database.row(_FIND_FACTOR, account=account_id)
    return TotpFactor(*row[:4], replace=bool(row[4]), enrolled_at=row[5]) if row else None


def replace_factor(database: Database, factor: TotpFactor) -> None:
    """Store an authenticator app in place of any other."""
    make_ready(database, factor.account, None)
    database.write(_DELETE_FACTOR, account=factor.account)
    database.write(
        _INSERT_FACTOR,
        account=factor.account,
        wrapped_secret=factor.wrapped_secret,
        last_step=factor.last_step,
        drift=factor.drift,
        replace_due=factor.replace,
        enrolled_at=factor.enrolled_at,
    )


def take_step(database: Database, factor: TotpFactor, step: int, *, drift: int) -> bool:
    """Use the code of a time step; return False if it, or a later one, was used before.

    One statement, so that of parallel uses only one wins (RFC 6238 §5.2).
    """
    values = {"account": factor.account, "wrapped_secret": factor.wrapped_secret, "step": step, "drift": drift}
    return database.write(_TAKE_STEP, **values) == 1


def demand_replacement(database: Database, account_id: AccountId) -> bool:
    """Demand that the factor be replaced at the next sign-in; return whether there is one."""
    return database.write(_DEMAND_REPLACEMENT, account=account_id) == 1


def find_enrolment(database: Database, account_id: AccountId, sign_in_id: SignInId) -> Enrolment | None:
    """Return the enrolment that this sign-in began, unless a later one took its place."""
    row = database.row(_FIND_ENROLMENT, account=account_id, sign_in=sign_in_id)
    return Enrolment(*row) if row else None


def replace_enrolment(database: Database, enrolment: Enrolment) -> None:
    """Begin an enrolment; any other of the account is forgotten (openid.md 91)."""
    database.write(_DELETE_ENROLMENT, account=enrolment.account)
    database.write(
        _INSERT_ENROLMENT,
        account=enrolment.account,
        sign_in=enrolment.sign_in,
        wrapped_secret=enrolment.wrapped_secret,
        started_at=enrolment.started_at,
    )


def delete_enrolment(database: Database, account_id: AccountId) -> bool:
    """Forget the enrolment on its way; return whether there was one."""
    return database.write(_DELETE_ENROLMENT, account=account_id) == 1


def replace_recovery_codes(database: Database, account_id: AccountId, hashes: Sequence[str], now: Instant) -> None:
    """Store recovery codes in place of all others."""
    database.write(_DELETE_RECOVERY, account=account_id)
    database.write_many(
        _INSERT_RECOVERY, [{"account": account_id, "code_hash": item, "created_at": now, "used_at": None} for item in hashes]
    )


def count_recovery_codes(database: Database, account_id: AccountId) -> int:
    """Return how many recovery codes are left."""
    return len(database.rows(_UNUSED_RECOVERY, account=account_id))


def list_recovery_hashes(database: Database, account_id: AccountId) -> frozenset[str]:
    """Return the hashes of the recovery codes that are left."""
    return frozenset(row[0] for row in database.rows(_UNUSED_RECOVERY, account=account_id))


def take_recovery_code(database: Database, account_id: AccountId, code_hash: str, now: Instant) -> bool:
    """Use a recovery code; return False if there is no such code, or it was used before."""
    return database.write(_TAKE_RECOVERY, account=account_id, code_hash=code_hash, now=now) == 1


def is_used_recovery_code(database: Database, account_id: AccountId, code_hash: str) -> bool:
    """Return whether this was a recovery code of the account and is used up."""
    row = database.row(_IS_RECOVERY, account=account_id, code_hash=code_hash)
    return row is not None and row[0] is not None


def find_access_code(database: Database, account_id: AccountId) -> AccessCode | None:
    """Return the account's temporary access code, used and ended ones too."""
    row = database.row(_FIND_ACCESS, account=account_id)
    return AccessCode(*row) if row else None


def replace_access_code(database: Database, code: AccessCode) -> None:
    """Store a temporary access code in place of any other."""
    database.write(_DELETE_ACCESS, account=code.account)
    database.write(_INSERT_ACCESS, account=code.account, code_hash=code.code_hash, expires_at=code.expires_at, used_by=code.used_by)


def take_access_code(database: Database, account_id: AccountId, code_hash: str, sign_in_id: SignInId, now: Instant) -> bool:
    """Use the temporary access code within a sign-in; return False if it is another one, used or over."""
    return database.write(_TAKE_ACCESS, account=account_id, code_hash=code_hash, sign_in=sign_in_id, now=now) == 1


def delete_access_code(database: Database, account_id: AccountId) -> None:
    """Forget the temporary access code."""
    database.write(_DELETE_ACCESS, account=account_id)


def wipe(database: Database, account_id: AccountId) -> bool:
    """Erase every second factor and what stands in for one, and known devices; return whether there was a factor."""
    make_ready(database, account_id, None)
    for statement in (_DELETE_ENROLMENT, _DELETE_RECOVERY, _DELETE_ACCESS, _DELETE_DEVICES):
        database.write(statement, account=account_id)
    return database.write(_DELETE_FACTOR, account=account_id) == 1


def remember_device(database: Database, account_id: AccountId, secret_hash: str, now: Instant) -> None:
    """Note that somebody signed in from this device."""
    database.write(_INSERT_DEVICE, account=account_id, secret_hash=secret_hash, seen_at=now)
    database.write(_SEE_DEVICE, account=account_id, secret_hash=secret_hash, seen_at=now)


def is_known_device(database: Database, account_id: AccountId, secret_hash: str) -> bool:
    """Return whether this person signed in from this device before."""
    return database.row(_FIND_DEVICE, account=account_id, secret_hash=secret_hash) is not None
