"""A person's account: each fact of requirements.md section 4 apart, and the one status that follows from them."""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.domain.errors import Refusal
from gateway.domain.values import AccountId, ConnectionId, Instant, NamespaceId, NodeId


class AccountType(StrEnum):
    """Whether a person or a program signs in."""

    HUMAN = "human"
    SERVICE = "service"


class Status(StrEnum):
    """The effective status: the first that applies, in this order (requirements.md section 4)."""

    DELETED = "deleted"
    TENANT_DISABLED = "tenant_disabled"
    DISABLED = "disabled"
    EXPIRED = "expired"
    PENDING_EMAIL_VALIDATION = "pendingEmailValidation"
    INVITED = "invited"
    LOCKED_OUT = "lockedOut"
    MUST_CHANGE_PASSWORD = "mustChangePassword"
    MUST_ENROL_MFA = "mustEnrolMfa"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class Account:
    """One account. Its home never changes (decisions.md 7)."""

    id: AccountId
    home: NodeId
    namespace: NamespaceId
    type: AccountType
    login: str
    """What is typed on our page, and SCIM's userName; unique in the namespace by its comparison key."""
    email: str
    """Empty where nobody gave one."""
    given_name: str
    family_name: str
    display_name: str
    phone: str
    business_phone: str
    job_title: str
    language: str
    time_zone: str
    activated_at: Instant | None
    email_validated_at: Instant | None
    enabled_by_admin: bool
    active_by_scim: bool
    disable_after: Instant | None
    admin_locked_at: Instant | None
    """Set by an administrator, cleared by one; blocks every path (requirements.md 2g)."""
    must_change_password: bool
    mfa_required: bool
    federated_only: bool
    matching: str
    """The account's own login matching criterion; empty: the provider's (decisions.md 11)."""
    self_registered: bool
    managed_by: ConnectionId | None
    """The SCIM connection that owns this account's provisioned attributes (decisions.md 35)."""
    version: int
    created_at: Instant
    updated_at: Instant
    deleted_at: Instant | None
    document: str
    """The stored SCIM JSON (decisions.md 36)."""
    company_contacts: str = ""
    """For which matters the person is the company's contact: names of `companyContacts`, joined by commas."""

    @property
    def enabled(self) -> bool:
        """Whether neither an administrator nor SCIM has switched the account off: SCIM's `active` (decisions.md 14)."""
        return self.enabled_by_admin and self.active_by_scim

    @property
    def pending_email_validation(self) -> bool:
        """Whether the person registered here and never followed the mailed link."""
        return self.self_registered and self.email_validated_at is None


def may_stay(account: Account, now: Instant) -> bool:
    """Return whether what was opened for an account may still be used: deleted, disabled, expired and administrator-locked end it."""
    expired = account.disable_after is not None and account.disable_after <= now
    return account.deleted_at is None and account.enabled and not expired and account.admin_locked_at is None


class StatusFacts(Protocol):
    """What a status follows from; an account has it, and so has a row that is read for SCIM."""

    @property
    def deleted_at(self) -> Instant | None:
        """Return when it was deleted; None: it lives."""
        ...

    @property
    def enabled(self) -> bool:
        """Return whether nobody switched it off."""
        ...

    @property
    def disable_after(self) -> Instant | None:
        """Return when it expires; None: never."""
        ...

    @property
    def pending_email_validation(self) -> bool:
        """Return whether the mailed link is still to be followed."""
        ...

    @property
    def activated_at(self) -> Instant | None:
        """Return when it was activated; None: it is an invitation still."""
        ...

    @property
    def admin_locked_at(self) -> Instant | None:
        """Return when an administrator locked it; None: nobody did."""
        ...

    @property
    def must_change_password(self) -> bool:
        """Return whether its password is a temporary one."""
        ...


def effective_status(account: StatusFacts, *, tenant_enabled: bool, now: Instant) -> Status:
    """Return the first status that applies (R-093)."""
    if account.deleted_at is not None:
        return Status.DELETED
    if not tenant_enabled:
        return Status.TENANT_DISABLED
    if not account.enabled:
        return Status.DISABLED
    if account.disable_after is not None and account.disable_after <= now:
        return Status.EXPIRED
    if account.pending_email_validation:
        return Status.PENDING_EMAIL_VALIDATION
    if account.activated_at is None:
        return Status.INVITED
    if account.admin_locked_at is not None:
        return Status.LOCKED_OUT
    if account.must_change_password:
        return Status.MUST_CHANGE_PASSWORD
    return Status.ACTIVE


_LOGIN = re.compile(r"[A-Za-z0-9.@_\-+:!#$%^*={}'`/?]{3,128}")
_EMAIL = re.compile(r"[^\s@\"(),:;<>\[\]\\]{1,64}@[^\s@\"(),:;<>\[\]\\]{1,253}")
_EMAIL_LIMIT = 254
"""Characters of an address that still fits the path of RFC 5321 §4.5.3."""
_USER_NAME_LIMIT = 255
_LIMITS = {"given_name": 64, "family_name": 64, "display_name": 129, "job_title": 128, "phone": 64, "business_phone": 64}


def require_login(login: str) -> str:
    """Return a login typed in a form or on the command line, or refuse its syntax (requirements.md `E_Login_Syntax`)."""
    if not _LOGIN.fullmatch(login):
        raise Refusal("E_Login_Syntax", field="login", data={"value": login[:128]})
    return login


_LONGEST_TYPED = 255
_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), "\ufffd")


def typed_login(unverified_login: str) -> str:
    """Return a name as it was typed at a page, to be looked up and shown again: without blanks around it, and cut where none goes on.

    A control character becomes U+FFFD and is not left out: the name is nobody's then, where it would become another person's. It is
    answered like any unknown name, and goes nowhere: not into a log, nor a text in which not every engine can store NUL.
    """
    return unverified_login.strip(" \t\r\n").translate(_CONTROLS)[:_LONGEST_TYPED]


def require_email(email: str) -> str:
    """Return an e-mail address as typed, or refuse it (R-034)."""
    if len(email) > _EMAIL_LIMIT or not _EMAIL.fullmatch(email):
        raise Refusal("E_Email_Syntax", field="email", data={"value": email[:_EMAIL_LIMIT]})
    return email


def require_text(field: str, text: str) -> str:
    """Return a text field, or refuse control characters and what is too long (R-045)."""
    limit = _LIMITS.get(field, 256)
    if len(text) > limit or has_controls(text):
        raise Refusal("E_Field_Invalid", field=field, data={"field": field, "rule": f"at most {limit} characters, no control characters"})
    return text


def require_user_name(user_name: str) -> str:
    """Return a userName pushed by SCIM, or refuse it: 1-255 characters of any script, no controls (decisions.md 13)."""
    if not user_name.strip() or len(user_name) > _USER_NAME_LIMIT or has_controls(user_name):
        raise Refusal("E_Field_Invalid", field="userName", data={"field": "userName", "rule": "1 to 255 characters, no control characters"})
    return user_name


_UNWRITABLE = frozenset({"Cc", "Cs"})


def has_controls(text: str) -> bool:
    """Return whether the text holds a control character, NUL and line breaks among them, or half a surrogate pair: no encoder takes it."""
    if text.isascii():
        return not text.isprintable()
    return any(unicodedata.category(character) in _UNWRITABLE for character in text)


def local_and_domain(address: str) -> tuple[str, str]:
    """Split `local@domain` at its last `@`; the domain is empty where there is none."""
    local, _, domain = address.rpartition("@")
    return (local, domain.casefold()) if local else (address, "")
