"""The ordered chain that everybody passes who is to get a session or a token (requirements.md 2f, decisions.md 26).

Each check is a small pure function over `Facts`; the first that refuses ends the chain, and the whole chain is kept as a
trace. The same chain serves a sign-in, a refresh, an explanation, and a question asked beforehand.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.domain.access import Entitlement
from gateway.domain.credential import FactorState, owes_factor
from gateway.domain.identity import Assertion, IdentityProvider, LinkDecision
from gateway.domain.nodes import Node
from gateway.domain.people import Account, AccountType
from gateway.domain.relying_party import Level, Means, RelyingParty
from gateway.domain.sign_in import Path, Step
from gateway.domain.values import Instant, ProviderId, comparison_key


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the chain looks at, loaded beforehand in one transaction."""

    path: Path
    now: Instant
    issuer_chain: tuple[Node, ...]
    """The issuer's node and its ancestors."""
    client: RelyingParty | None = None
    """None: a first factor is proved for another issuer, so no app and no entitlement are asked."""
    provider: IdentityProvider | None = None
    provider_owned: bool = True
    """Whether the provider's node is where this sign-in may use it."""
    assertion: Assertion | None = None
    link: LinkDecision | None = None
    account: Account | None = None
    home_chain: tuple[Node, ...] = ()
    home_purged: bool = False
    method_names: tuple[str, ...] = ()
    """Names of the providers in the account's set; empty: any active one of its node (decisions.md 11)."""
    names_provider: bool = False
    means: Means | None = None
    entitlement: Entitlement | None = None
    acting_chain: tuple[Node, ...] = ()
    may_ask: bool = True
    """Whether a person can be asked (not so with `prompt=none` and at refresh)."""
    factor: FactorState = FactorState.NONE
    step_up: bool = False
    """Whether the app wants a second factor of whomever it is (RFC 9470)."""
    administers_abroad: bool = False
    """Whether the person is an administrator where they act, and acts there by a membership."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: passed, refused with a code, or an act that is due first."""

    code: str = ""
    due: Step | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One line of the stored trace."""

    step: str
    outcome: str
    """`passed`, `refused`, `due` or `not reached`."""
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The chain's outcome with its whole trace."""

    code: str
    due: Step | None
    trace: tuple[TraceStep, ...]

    @property
    def admitted(self) -> bool:
        """Whether nothing refuses and nothing is due."""
        return not self.code and self.due is None


def judge(facts: Facts) -> Verdict:
    """Walk the chain over `facts`; the first hit wins and the later steps are marked as not reached."""
    trace: list[TraceStep] = []
    code, due = "", None
    for name, check in CHAIN:
        if code or due:
            trace.append(TraceStep(name, "not reached", {}))
            continue
        finding = check(facts)
        if finding is PASSED:
            # Most steps of most chains: each made once.
            trace.append(_PASSED_STEPS[name])
            continue
        code, due = finding.code, finding.due
        outcome = "refused" if code else "due" if due else "passed"
        trace.append(TraceStep(name, outcome, finding.detail))
    return Verdict(code, due, tuple(trace))


def refusal_at(step: str, code: str, detail: Mapping[str, object]) -> tuple[TraceStep, ...]:
    """Return the trace of an attempt that a door refused at `step`, before the chain had facts to judge."""
    names = [name for name, _ in CHAIN]
    reached = names.index(step)
    return tuple(
        TraceStep(
            name,
            "passed" if at < reached else "refused" if at == reached else "not reached",
            {**detail, "code": code} if at == reached else {},
        )
        for at, name in enumerate(names)
    )


PASSED = Finding()


def _client(facts: Facts) -> Finding:
    if facts.client is None:
        return PASSED
    detail = {"app": facts.client.name, "client_id": facts.client.client_id}
    return Finding("E_Client_Unknown" if facts.client.disabled_at is not None else "", detail=detail)


def _provider(facts: Facts) -> Finding:
    if facts.provider is None:
        return PASSED
    detail = {"provider": facts.provider.key, "issuer": facts.provider.issuer}
    if not facts.provider_owned:
        return Finding("E_Idp_Unknown", detail=detail)
    if facts.path is not Path.FEDERATED:
        return Finding(detail=detail)
    if not facts.provider.active:
        return Finding("E_Idp_Disabled", detail=detail)
    return Finding("E_Idp_Link_Only" if facts.provider.link_only else "", detail=detail)


def _protocol(facts: Facts) -> Finding:
    if facts.assertion is None:
        return PASSED
    return Finding(detail={"issuer": facts.assertion.issuer, "subject": facts.assertion.subject})


def _link_step(step: str) -> Callable[[Facts], Finding]:
    """Return the check that reports what `decide_link` found at `step`."""

    def check(facts: Facts) -> Finding:
        if facts.link is None:
            return PASSED
        sought = facts.link.looked_for
        detail = dict(facts.link.detail) if facts.link.step == step else {}
        if sought is not None and step == "match":
            detail |= {"criterion": sought.criterion, "claim": sought.claim, "value": sought.value}
        if step == "match" and facts.link.account is not None:
            by = "just in time" if facts.link.newcomer else "first match" if facts.link.new else "link"
            detail |= {"account": facts.link.account, "by": by}
        return Finding(facts.link.code if facts.link.step == step else "", detail=detail)

    return check


def _method(facts: Facts) -> Finding:
    account = _account(facts)
    if facts.path is Path.PASSWORD and account.federated_only:
        return Finding("E_Federated_Only", detail={"providers": facts.method_names})
    if facts.path is Path.FEDERATED and facts.method_names and not facts.names_provider:
        return Finding("E_Wrong_Sign_In_Method", detail={"expected": facts.method_names, "used": _provider_key(facts)})
    return PASSED


def _home(facts: Facts) -> Finding:
    account = _account(facts)
    if account.deleted_at is not None:
        return Finding("E_No_User", detail={"deleted_at": account.deleted_at})
    gone = facts.home_purged or any(node.deleted_at is not None for node in facts.home_chain)
    return Finding("E_No_Associated_Tenants" if gone else "", detail={"home": facts.home_chain[0].slug if facts.home_chain else ""})


def _tenants_enabled(facts: Facts) -> Finding:
    for chain in (facts.home_chain, facts.issuer_chain, facts.acting_chain):
        off = next((node for node in chain if node.disabled_at is not None or node.deleted_at is not None), None)
        if off is not None:
            return Finding("E_Tenant_Not_Allowed", detail={"node": off.slug, "disabled_at": off.disabled_at})
    return PASSED


def _account_type(facts: Facts) -> Finding:
    account = _account(facts)
    if account.type is AccountType.HUMAN:
        return PASSED
    suits = facts.client is not None and facts.client.second_factor_unsupported
    return PASSED if suits else Finding("E_Service_Account_Interactive")


def _enabled(facts: Facts) -> Finding:
    account = _account(facts)
    detail = {"enabled_by_admin": account.enabled_by_admin, "active_by_scim": account.active_by_scim}
    return Finding("" if account.enabled else "E_User_Disabled", detail=detail)


def _not_expired(facts: Facts) -> Finding:
    account = _account(facts)
    expired = account.disable_after is not None and account.disable_after <= facts.now
    return Finding("E_Account_Expired" if expired else "", detail={"disable_after": account.disable_after})


def _email_validated(facts: Facts) -> Finding:
    pending = _account(facts).pending_email_validation and not confirms_email(facts)
    return Finding("E_Email_Not_Validated") if pending else PASSED


def confirms_email(facts: Facts) -> bool:
    """Return whether the provider just vouched for the very address that the account waits to have confirmed (R-110)."""
    if facts.assertion is None or facts.account is None or facts.assertion.email_verified() is not True:
        return False
    address = comparison_key(facts.assertion.text("email"))
    return bool(address) and address == comparison_key(facts.account.email)


def _activated(facts: Facts) -> Finding:
    """Refuse an invited person, unless the first sign-in by their organisation activates the account (requirements.md section 6)."""
    account = _account(facts)
    by_organisation = facts.means is not None and bool(facts.means.provider)
    return PASSED if account.activated_at is not None or by_organisation else Finding("E_Not_Activated")


def _not_locked(facts: Facts) -> Finding:
    account = _account(facts)
    return Finding("E_Locked_Out" if account.admin_locked_at is not None else "", detail={"locked_at": account.admin_locked_at})


def _entitled(facts: Facts) -> Finding:
    if facts.client is None or facts.entitlement is None:
        return PASSED
    granted = facts.entitlement
    if granted.code:
        return Finding(granted.code, detail={"tenants": tuple(place.slug for place in granted.choices)})
    if granted.acting is None:
        detail = {"tenants": tuple(place.slug for place in granted.choices)}
        return Finding(due=Step.CHOOSE_TENANT, detail=detail)
    return Finding(detail={"tenant": granted.acting.slug})


def _password_current(facts: Facts) -> Finding:
    due = facts.path is Path.PASSWORD and _account(facts).must_change_password
    return Finding(due=Step.CHANGE_PASSWORD) if due else PASSED


def _second_factor(facts: Facts) -> Finding:
    """Ask for the second factor that policy demands, that the person has beside a password, or that the app wants.

    A live session goes on as it is when the demand comes later (R-105); a provider that is trusted for it and proved one is enough
    (requirements.md 2g). Where a first factor is proved for another issuer, that issuer asks.
    """
    if facts.client is None:
        return PASSED
    owed = _owes_factor(facts)
    due = _factor_step(facts) if owed else None
    detail: dict[str, object] = {"required": owed, "factor": facts.factor, "amr": facts.means.amr if facts.means else ()}
    if due is None:
        return Finding(detail=detail)
    detail["code"] = "E_Mfa_Setup_Required" if due is Step.ENROL_TOTP else "E_Mfa_Required"
    if facts.client.second_factor_unsupported:
        return Finding("E_Service_Account_Needed", detail=detail)
    return Finding(due=due, detail=detail) if facts.may_ask else Finding(str(detail["code"]), detail=detail)


def _owes_factor(facts: Facts) -> bool:
    account = _account(facts)
    if account.type is AccountType.SERVICE or facts.path is Path.REFRESH:
        return False
    beside_password = facts.path is Path.PASSWORD and facts.factor in {FactorState.ENROLLED, FactorState.TO_REPLACE}
    demanded = facts.path is not Path.SESSION and owes_factor(account, facts.home_chain)
    return facts.step_up or beside_password or demanded or _owes_ours(facts)


def _owes_ours(facts: Facts) -> bool:
    """Return whether no other organisation's word is enough: it made the session, and what is reached is another one's (decisions.md 8)."""
    return facts.administers_abroad and facts.means is not None and bool(facts.means.provider)


def _factor_step(facts: Facts) -> Step | None:
    """Return what is left to do: prove the factor, set one up, or first the one and then the other (decisions.md 25)."""
    means = facts.means
    proved = means is not None and means.level is Level.MULTI_FACTOR
    if means is not None and proved and means.provider and "otp" not in means.amr:
        # A provider's own second factor stands for ours, and demands none of ours.
        if not _owes_ours(facts):
            return None
        proved = False
    if facts.factor is FactorState.NONE:
        return Step.ENROL_TOTP
    if not proved:
        return Step.VERIFY_TOTP
    return None if facts.factor is FactorState.ENROLLED else Step.ENROL_TOTP


CHAIN: Sequence[tuple[str, Callable[[Facts], Finding]]] = (
    ("client", _client),
    ("provider", _provider),
    ("protocol", _protocol),
    ("claims", _link_step("claims")),
    ("match", _link_step("match")),
    ("proof", _link_step("proof")),
    ("binding", _link_step("binding")),
    ("method", _method),
    ("home", _home),
    ("tenants", _tenants_enabled),
    ("account type", _account_type),
    ("enabled", _enabled),
    ("expiry", _not_expired),
    ("email validated", _email_validated),
    ("activated", _activated),
    ("lock", _not_locked),
    ("entitlement", _entitled),
    ("password change", _password_current),
    ("second factor", _second_factor),
)
"""The order is part of the contract: the first hit is the code people see."""
_PASSED_STEPS: Mapping[str, TraceStep] = {name: TraceStep(name, "passed", {}) for name, _ in CHAIN}


def reached_means(provider: IdentityProvider, assertion: Assertion, now: Instant) -> Means:
    """Return the means of a federated sign-in: never stronger than what the provider is trusted to prove (openid.md 94, 95)."""
    by_amr = any(value in provider.mfa_amr for value in assertion.amr)
    by_acr = bool(assertion.acr) and assertion.acr in provider.mfa_acr
    level = Level.MULTI_FACTOR if by_amr or by_acr else Level.FEDERATED
    amr = ("fed", "mfa") if level is Level.MULTI_FACTOR else ("fed",)
    return Means(level=level, amr=amr, auth_time=assertion.auth_time or now, provider=ProviderId(provider.id))


def stronger_means(means: Means) -> Means:
    """Return the means of somebody who proved a one-time code of ours beside a first factor; when that was proved stays (RFC 8176)."""
    amr = tuple(dict.fromkeys((*means.amr, "otp", "mfa")))
    return replace(means, level=Level.MULTI_FACTOR, amr=amr)


def _account(facts: Facts) -> Account:
    if facts.account is None:
        message = "the chain passed the match without an account"
        raise AssertionError(message)
    return facts.account


def _provider_key(facts: Facts) -> str:
    return facts.provider.key if facts.provider else ""
