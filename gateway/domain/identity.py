"""Linking: which account an assertion of an identity provider stands for. A decision, not a lookup (architecture.md section 4).

Identity is (node, provider, issuer, subject). E-mail address, custom login or external id is a rule used once, to make the first
link, and only where both ends are proved (decisions.md 11, 12).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.values import AccountId, Instant, NodeId, ProviderId, comparison_key


class Criterion(StrEnum):
    """The login matching criteria (R-063)."""

    EMAIL = "email"
    CUSTOM_LOGIN = "custom-login"
    EXTERNAL_ID = "external-id"


class EmailTrust(StrEnum):
    """What stands in for a missing `email_verified`."""

    CLAIM = "claim"
    """Nothing: the claim must say so, unless the tied SCIM connection manages the account."""
    DOMAINS = "domains"
    """The node's DNS proof of the address's domain."""


class Vendor(StrEnum):
    """Whose product the identity provider is: recognised once, when it is added."""

    ENTRA = "entra"
    OKTA = "okta"
    GOOGLE = "google"
    KEYCLOAK = "keycloak"
    ADFS = "adfs"
    GENERIC = "generic"


class AuthMethod(StrEnum):
    """How we prove ourselves at a provider's token endpoint (RFC 6749 §2.3.1)."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """An OpenID provider that a node trusts to say who somebody is."""

    id: ProviderId
    node: NodeId
    key: str
    name: str
    issuer: str
    client_id: str
    vendor: Vendor
    matching: Criterion
    claim: str
    """The one claim that criterion *custom login* reads."""
    exact_case: bool
    email_trust: EmailTrust
    external_id_claim: str
    link_only: bool
    mfa_amr: tuple[str, ...]
    """Values of `amr` that prove a second factor; empty: never trusted."""
    mfa_acr: tuple[str, ...]
    active: bool
    created_at: Instant
    auth_method: AuthMethod = AuthMethod.BASIC
    algorithms: tuple[str, ...] = ("RS256",)
    """What its ID tokens may be signed with: pinned when it was added, whatever it announces later (openid.md 44)."""
    issuer_tenants: tuple[str, ...] = ()
    """Where the issuer holds `{tenantid}`: the only tenants of Entra whose tokens are taken."""
    tested_at: Instant | None = None
    """When its discovery document and keys were last found in order."""
    jit: bool = False
    """Whether somebody whom nobody provisioned gets an account at the first sign-in (just in time, R-069)."""
    jit_role: str = ""
    """Id of the role that such an account gets; empty: none."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an upstream stated about a subject and we verified (openid.md 38-54)."""

    issuer: str
    subject: str
    """The subject we bind: `sub`, or for Entra `tid` and `oid`, because `sub` dies with the app registration (decisions.md 11)."""
    claims: Mapping[str, object]
    amr: tuple[str, ...] = ()
    acr: str = ""
    auth_time: Instant | None = None

    def text(self, claim: str) -> str:
        """Return a claim's text trimmed; empty where it is absent, empty or not a string: such a value never matches (openid.md 63)."""
        value = self.claims.get(claim)
        return value.strip() if isinstance(value, str) else ""

    def email_verified(self) -> bool | None:
        """Return `email_verified`: True, False, or None where the upstream does not say (openid.md 59)."""
        value = self.claims.get("email_verified")
        if value is None:
            return None
        return value is True or value == "true"


_GUEST_MARK = "#EXT#@"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An account that one criterion finds, with what decides whether it may be linked."""

    account: AccountId
    criterion: Criterion
    """The criterion that found it."""
    own_criterion: str
    """The account's own criterion, which wins over the provider's; empty: the provider's."""
    linked_subject: str | None
    """The subject it is already bound to at this provider."""
    managed_by_tied_connection: bool
    self_registered_unproved: bool
    """Somebody made it themselves and never proved what the criterion compares: linking would hand them the newcomer's session."""
    email_domain_proved: bool
    administrator: bool = False
    names_provider: bool = False
    """Whether the account's sign-in method names this provider."""


@dataclass(frozen=True, slots=True)
class LookedFor:
    """The value that was looked for, and by which criterion: what `E_No_User` shows."""

    criterion: Criterion
    claim: str
    value: str


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody for whom an account may be made: what the provider says of them, as far as it can be kept."""

    login: str
    email: str
    email_verified: bool
    given_name: str = ""
    family_name: str = ""
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class LinkDecision:
    """The outcome of `decide_link`: an account already linked, one to link now, or a refusal with its code."""

    account: AccountId | None
    new: bool
    code: str
    """Empty unless refused."""
    looked_for: LookedFor | None = None
    step: str = "match"
    """The step of the chain that refused: `claims`, `match`, `proof` or `binding`."""
    detail: Mapping[str, object] = field(default_factory=dict)
    newcomer: Newcomer | None = None
    """With `E_No_User`: an account may be made, and the sign-in asked about anew."""


def looked_for(provider: IdentityProvider, assertion: Assertion, criterion: Criterion) -> LookedFor:
    """Return the one claim and value that `criterion` compares; never a second claim (R-065)."""
    claim = {
        Criterion.EMAIL: "email",
        Criterion.CUSTOM_LOGIN: provider.claim,
        Criterion.EXTERNAL_ID: provider.external_id_claim,
    }[criterion]
    return LookedFor(criterion=criterion, claim=claim, value=assertion.text(claim))


def same_login(provider: IdentityProvider, ours: str, theirs: str) -> bool:
    """Return whether two logins are equal under the provider's rule: exact case where it says so, else the comparison key.

    Entra provisions its guests under a name made of their address, and signs them in under the address itself.
    """
    names = (ours, guest_address(ours)) if provider.vendor is Vendor.ENTRA else (ours,)
    if provider.exact_case:
        return theirs in names
    return comparison_key(theirs) in {comparison_key(name) for name in names if name}


def guest_address(login: str) -> str:
    """Return the address an Entra guest's login was made of (`x_y.com#EXT#@host` stands for `x@y.com`); empty if it is no guest's.

    Its last underscore stands for the `@`: the name of a domain holds none, so one login stands for one address.
    """
    made_of, mark, _ = login.partition(_GUEST_MARK if _GUEST_MARK in login else _GUEST_MARK.lower())
    local, _, domain = made_of.rpartition("_")
    return f"{local}@{domain}" if mark and local and domain else ""


def guest_login_start(address: str) -> str:
    """Return what the login of an Entra guest with this address begins with; empty if it is no address."""
    local, _, domain = address.rpartition("@")
    return f"{local}_{domain}{_GUEST_MARK}" if local and domain and "_" not in domain else ""


def decide_link(
    provider: IdentityProvider,
    assertion: Assertion,
    linked: AccountId | None,
    candidates: Sequence[Candidate],
    *,
    email_domain_owned: bool = False,
) -> LinkDecision:
    """Return which account the assertion stands for (openid.md section 6).

    `linked` is the account bound to (node, provider, issuer, subject); where there is one it alone decides, whatever the
    claims say now (R-066). Of `candidates` only those count that were found by their own criterion, or, lacking one, by
    the provider's. `email_domain_owned` says whether the provider's node proved the domain of the claim `email`: where nobody is found, an
    account may be made for such an address alone, and only if the provider does so (openid.md 71).
    """
    if linked is not None:
        return LinkDecision(account=linked, new=False, code="")
    sought = looked_for(provider, assertion, provider.matching)
    matches = [candidate for candidate in candidates if candidate.criterion == (candidate.own_criterion or provider.matching)]
    matches = [candidate for candidate in matches if not candidate.self_registered_unproved]
    if not matches:
        if not sought.value:
            return _refused("E_Claim_Missing", sought, "claims", {"claims": sorted(assertion.claims)})
        return _newcomer(provider, assertion, sought, email_domain_owned=email_domain_owned)
    if len({match.account for match in matches}) > 1:
        return _refused("E_Ambiguous_User", sought, "match", {"accounts": sorted(match.account for match in matches)})
    match = matches[0]
    found_by = looked_for(provider, assertion, match.criterion)
    return _refusal_of(match, assertion, found_by) or LinkDecision(match.account, new=True, code="", looked_for=found_by)


def _newcomer(provider: IdentityProvider, assertion: Assertion, sought: LookedFor, *, email_domain_owned: bool) -> LinkDecision:
    """Return that nobody was found, with the newcomer for whom an account may be made, or why none may."""
    if not provider.jit:
        return _refused("E_No_User", sought, "match", {})
    email, verified = assertion.text("email"), assertion.email_verified()
    domain = email.rpartition("@")[2].casefold()
    if not email:
        return _refused("E_Claim_Missing", LookedFor(Criterion.EMAIL, "email", ""), "claims", {"claims": sorted(assertion.claims)})
    if not email_domain_owned:
        return _refused("E_Domain_Not_Allowed", sought, "proof", {"domain": domain})
    if not (verified or (verified is None and provider.email_trust is EmailTrust.DOMAINS)):
        return _refused("E_Email_Unverified", sought, "proof", {"email_verified": verified})
    login = email if provider.matching is Criterion.EXTERNAL_ID else sought.value
    names = (assertion.text(claim) for claim in ("given_name", "family_name", "name"))
    newcomer = Newcomer(login, email, verified is True, *names)
    return LinkDecision(None, new=False, code="E_No_User", looked_for=sought, detail={"just_in_time": True}, newcomer=newcomer)


def _refusal_of(match: Candidate, assertion: Assertion, sought: LookedFor) -> LinkDecision | None:
    """Return why the one match may not be linked, or None where both ends are proved."""
    if match.linked_subject is not None:
        detail = {"account": match.account, "old_subject": match.linked_subject, "new_subject": assertion.subject}
        return _refused("E_Subject_Changed", sought, "binding", detail)
    if match.administrator and not (match.names_provider or match.managed_by_tied_connection):
        return _refused("E_Link_Proof_Required", sought, "proof", {"account": match.account})
    if not _address_proved(match, sought, assertion.email_verified()):
        return _refused("E_Email_Unverified", sought, "proof", {"account": match.account, "email_verified": assertion.email_verified()})
    return None


def _address_proved(match: Candidate, sought: LookedFor, verified: bool | None) -> bool:  # noqa: FBT001 -- the claim's three values
    """Return whether nothing is wrong with an address that made the match; other claims need no proof (decisions.md 11).

    Where an administrator compares the claim `email` as a custom login, the upstream's *unverified* still counts (openid.md 57).
    """
    if match.criterion is Criterion.EMAIL:
        return _email_proved(match, verified)
    return sought.claim != "email" or verified is not False


def _email_proved(match: Candidate, verified: bool | None) -> bool:  # noqa: FBT001 -- the claim's three values
    """Return whether the upstream end of an e-mail match is proved: false always refuses, absent needs a stand-in (decisions.md 12)."""
    if verified is not None:
        return verified
    return match.managed_by_tied_connection or match.email_domain_proved


def _refused(code: str, sought: LookedFor, step: str, detail: Mapping[str, object]) -> LinkDecision:
    return LinkDecision(account=None, new=False, code=code, looked_for=sought, step=step, detail=detail)
