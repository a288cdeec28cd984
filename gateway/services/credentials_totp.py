"""Authenticator apps: time-based codes (RFC 6238), each taken once, and the setting up of a new app (R-113, R-114).

The secret is wrapped by the key ring for this account alone; it leaves the house once, on the page where it is set up.
"""

import base64
import hmac
from dataclasses import dataclass

import pyotp

from gateway.domain.audit import Event
from gateway.domain.credential import (
    CODE_PERIOD_MS,
    ENROLMENT_FRESH_MS,
    Enrolment,
    TotpFactor,
    steps_in_window,
    typed_code,
)
from gateway.domain.errors import Refusal
from gateway.domain.people import Account
from gateway.domain.values import Instant, SignInId
from gateway.services import people
from gateway.services.context import Context
from gateway.storage import factors
from gateway.storage import people as stored_people

_PURPOSE = "totp"
_PURPOSE_ENROLMENT = "totp enrolment"
_SECRET_BYTES = 20
"""160 bits, the length that RFC 4226 §4 recommends."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a person puts into their authenticator app."""

    secret: str
    """Base32."""
    uri: str
    """The `otpauth` address that the picture holds."""


def use_code(context: Context, factor: TotpFactor, unverified_code: str) -> str:
    """Use up a code; return an empty text, or the catalogue's code of why it is not taken. In the transaction that is open."""
    secret = context.keyring.unwrap(factor.wrapped_secret, purpose=_PURPOSE, owner=factor.account).decode()
    step = _find_step(secret, unverified_code, context.now())
    if step is None:
        return "E_Mfa_Invalid"
    drift = step - context.now() // CODE_PERIOD_MS
    return "" if factors.take_step(context.database, factor, step, drift=drift) else "E_Mfa_Replayed"


def offer(context: Context, account: Account, sign_in_id: SignInId, proved_at: Instant) -> Offer:
    """Return what to put into an app, made at the first call within a sign-in and the same at every further one.

    Refuses to begin where the first factor was proved more than five minutes ago (openid.md 93): somebody else may sit there by
    now. A secret that another sign-in began is forgotten.
    """
    with context.database.transaction():
        stored_people.hold_account(context.database, account.id)
        begun = factors.find_enrolment(context.database, account.id, sign_in_id)
        if begun is None:
            _require_fresh(context, account, sign_in_id, proved_at)
            begun = _begin(context, account, sign_in_id)
    secret = context.keyring.unwrap(begun.wrapped_secret, purpose=_PURPOSE_ENROLMENT, owner=account.id).decode()
    brand = people.node_of(context, account.home).name
    return Offer(secret, pyotp.TOTP(secret).provisioning_uri(name=account.login, issuer_name=brand))


def confirm(context: Context, account: Account, sign_in_id: SignInId, unverified_code: str) -> bool:
    """Store the app that this sign-in set up if the code is one of its, in the transaction that is open; any older app is dropped.

    The confirming code is used up by it (openid.md 91).
    """
    begun = factors.find_enrolment(context.database, account.id, sign_in_id)
    if begun is None:
        raise Refusal("E_Session_Expired", reason="this sign-in set no factor up, or another one did meanwhile")
    secret = context.keyring.unwrap(begun.wrapped_secret, purpose=_PURPOSE_ENROLMENT, owner=account.id)
    step = _find_step(secret.decode(), unverified_code, context.now())
    if step is None:
        return False
    wrapped = context.keyring.wrap(secret, purpose=_PURPOSE, owner=account.id)
    drift = step - context.now() // CODE_PERIOD_MS
    factors.replace_factor(context.database, TotpFactor(account.id, wrapped, step, drift, replace=False, enrolled_at=context.now()))
    factors.delete_enrolment(context.database, account.id)
    factors.delete_access_code(context.database, account.id)
    context.publish(Event(account.home, "factor.enrolled", "person", account.id, detail={"factor": "totp"}))
    return True


def _require_fresh(context: Context, account: Account, sign_in_id: SignInId, proved_at: Instant) -> None:
    """Refuse a first factor that is too old, and a sign-in from before a reset: its second factor may be the stolen one."""
    if context.now() - proved_at > ENROLMENT_FRESH_MS:
        raise Refusal("E_Session_Expired", reason="the first factor is too old to set up a second one")
    access = factors.find_access_code(context.database, account.id)
    if access is not None and access.used_by != sign_in_id:
        raise Refusal("E_Session_Expired", reason="the temporary access code was not used in this sign-in")


def _begin(context: Context, account: Account, sign_in_id: SignInId) -> Enrolment:
    secret = base64.b32encode(context.entropy(_SECRET_BYTES))
    wrapped = context.keyring.wrap(secret, purpose=_PURPOSE_ENROLMENT, owner=account.id)
    begun = Enrolment(sign_in_id, account.id, wrapped, context.now())
    factors.replace_enrolment(context.database, begun)
    return begun


def _find_step(secret: str, unverified_code: str, now: Instant) -> int | None:
    """Return the step whose code this is; every step of the window is compared, in constant time, whichever it is."""
    code = typed_code(unverified_code)
    generator = pyotp.TOTP(secret)
    found = [step for step in steps_in_window(now) if hmac.compare_digest(generator.generate_otp(step), code)]
    return found[-1] if found else None
