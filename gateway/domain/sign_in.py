"""A sign-in: the stored attempt that every step returns to (openid.md section 6, decisions.md 20-22)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.errors import Refusal
from gateway.domain.relying_party import AuthorizationRequest, Level, Means
from gateway.domain.values import MINUTE_MS, AccountId, Instant, NodeId, ProviderId, SessionId, SignInId

LEGS_MS = MINUTE_MS
MOST_LEGS = 5
"""How many ways to identity providers one sign-in takes within `LEGS_MS`; one more is a circle, and would be followed by ever more."""


class Path(StrEnum):
    """By which path somebody asks to be let in."""

    PASSWORD = "password"
    FEDERATED = "federated"
    SESSION = "session"
    """A live session is used for a further app."""
    REFRESH = "refresh"


class Step(StrEnum):
    """What the person has to do next."""

    IDENTIFY = "identify"
    CHOOSE_METHOD = "choose_method"
    CHANGE_PASSWORD = "change_password"
    CHOOSE_TENANT = "choose_tenant"
    VERIFY_TOTP = "verify_totp"
    """A one-time code, or what stands in for one: a recovery code or a temporary access code."""
    ENROL_TOTP = "enrol_totp"
    RETURN_PROOF = "return_proof"
    """The first factor was proved here for a sign-in at another issuer: go back there (decisions.md 20)."""
    REFUSED = "refused"
    """A refusal is stored: its page is shown, with a way back to the app and to another account."""
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Proof:
    """A first factor that was proved: whose, by which path and means."""

    account: AccountId
    path: Path
    means: Means
    proved_at: Instant = Instant(0)  # noqa: RUF009 -- a NewType's call makes nothing
    """When it was proved here; `means.auth_time` is the provider's, which may be older."""
    session: SessionId | None = None
    """The live session that is the proof; it goes on as that session, under a new secret."""


@dataclass(frozen=True, slots=True)
class StoredRefusal:
    """Why somebody was refused, kept with the sign-in, so that its page can be shown again and the app told."""

    code: str
    data: Mapping[str, str] = field(default_factory=dict)
    """The values that the catalogue's text names."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """One attempt to sign in at an issuer, bound to one browser by a cookie."""

    id: SignInId
    node: NodeId
    """The issuer's node; it alone makes the session."""
    parent: SignInId | None
    """The sign-in at another issuer for which this one proves a first factor."""
    request: AuthorizationRequest | None
    """The app's request; where `parent` is set, that sign-in's, for what it says of prompt, age and hints."""
    correlation_id: str
    login: str
    """The name typed, kept to prefill the next page."""
    proof: Proof | None
    tenant: str
    """Slug of the acting tenant: asked for by the app, or chosen."""
    due: str
    """The step that admission demanded; empty for none."""
    session: SessionId | None
    created_at: Instant
    expires_at: Instant
    finished_at: Instant | None
    refusal: StoredRefusal | None = None
    password_wanted: bool = False
    """Whether the person asked for the password page, whatever provider the domain names (decisions.md 21)."""
    legs: tuple[Instant, ...] = ()
    """When ways to identity providers were begun lately: its own, and those by which its request came here (`with_leg`)."""


@dataclass(frozen=True, slots=True)
class UpstreamLeg:
    """The way of one sign-in to one identity provider and back; used once (openid.md 38-41)."""

    sign_in: SignInId
    provider: ProviderId
    nonce: str
    verifier: str
    """PKCE code verifier (RFC 7636 §4.1)."""
    started_at: Instant


def with_leg(legs: tuple[Instant, ...], now: Instant) -> tuple[Instant, ...]:
    """Return the lately begun legs with one that begins now. Raises Refusal `E_Loop_Detected` for one too many."""
    lately = tuple(at for at in legs if at + LEGS_MS > now)
    if len(lately) >= MOST_LEGS:
        raise Refusal("E_Loop_Detected", reason=f"the way to an identity provider was begun {len(lately)} times within {LEGS_MS // 1000} s")
    return (*lately, now)


def next_step(sign_in: SignIn) -> Step:
    """Return what has to be done next, read from the stored state alone: no step calls another (conventions.md, lesson 7)."""
    if sign_in.refusal is not None:
        return Step.REFUSED
    if sign_in.session is not None:
        return Step.FINISHED
    if sign_in.due:
        return Step(sign_in.due)
    if sign_in.proof is not None and sign_in.parent is not None:
        return Step.RETURN_PROOF
    return Step.CHOOSE_METHOD if sign_in.login else Step.IDENTIFY


def wants_second_factor(request: AuthorizationRequest, public_url: str) -> bool:
    """Return whether the first `acr` that the app names and we know is the one of two factors: the first is what it likes best."""
    if not request.acr_values:
        return False
    known = {f"{public_url}/acr/{level}": level for level in Level}
    return next((known[value] for value in request.acr_values if value in known), None) is Level.MULTI_FACTOR
