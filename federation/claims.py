"""What our tokens and userinfo say of a person: `sub` is the account's id, `tenant` the node they act in (interfaces.md section 4)."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import Grant, Means, userinfo_claims
from gateway.domain.values import SECOND_MS, Instant

Claims = dict[str, object]


@dataclass(frozen=True, slots=True)
class Subject:
    """A person who acts in a tenant for an app."""

    grant: Grant
    account: Account
    acting: Node
    roles: Sequence[str]


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who vouches, and for how long."""

    issuer: str
    public_url: str
    """The `acr` values begin with it (decisions.md 5)."""
    now: Instant
    lifetime: int
    """In milliseconds."""


def id_token_claims(subject: Subject, stamp: Stamp, *, nonce: str, at_hash: str) -> Claims:
    """Return what an ID token says (OIDC Core §2); profile and e-mail are told at userinfo only."""
    claims = _registered(stamp, subject.account.id, subject.grant.client_id) | _authentication(subject.grant.means, stamp)
    if nonce:
        claims["nonce"] = nonce
    return claims | {"sid": subject.grant.session, "at_hash": at_hash} | _place(subject)


def access_token_claims(subject: Subject, stamp: Stamp, *, audience: Sequence[str], scope: Sequence[str], token_id: str) -> Claims:
    """Return what an access token says (RFC 9068 §2.2), and in `gid` the grant it lives and dies with."""
    claims = _registered(stamp, subject.account.id, audience) | _authentication(subject.grant.means, stamp)
    claims |= {"client_id": subject.grant.client_id, "jti": token_id, "scope": " ".join(scope), "sid": subject.grant.session}
    return claims | {"gid": subject.grant.id} | _place(subject)


def app_token_claims(client_id: str, stamp: Stamp, *, tenant: Node, audience: Sequence[str], scope: Sequence[str], token_id: str) -> Claims:
    """Return what an access token says that an app got for itself: its `sub` is the app (RFC 9068 §5)."""
    claims = _registered(stamp, client_id, audience)
    claims |= {"client_id": client_id, "jti": token_id, "scope": " ".join(scope)}
    return claims | {"tenant": tenant.slug, "tenant_id": tenant.id}


def userinfo(subject: Subject, scope: tuple[str, ...]) -> Claims:
    """Return what userinfo tells by scope (OIDC Core §5.4)."""
    claims: Claims = {"sub": subject.account.id, "tenant": subject.acting.slug, "tenant_id": subject.acting.id}
    claims |= userinfo_claims(_profile(subject.account), scope)
    if "profile" in scope:
        claims["updated_at"] = subject.account.updated_at // SECOND_MS
    if "email" in claims:
        claims["email_verified"] = subject.account.email_validated_at is not None
    if "roles" in scope:
        claims["roles"] = list(subject.roles)
    return claims


def acr(public_url: str, level: str) -> str:
    """Return the `acr` value of a level."""
    return f"{public_url}/acr/{level}"


def _registered(stamp: Stamp, subject: str, audience: str | Sequence[str]) -> Claims:
    several = [audience] if isinstance(audience, str) else list(audience)
    issued_at = stamp.now // SECOND_MS
    return {
        "iss": stamp.issuer,
        "sub": subject,
        "aud": several[0] if len(several) == 1 else several,
        "iat": issued_at,
        "exp": issued_at + stamp.lifetime // SECOND_MS,
    }


def _authentication(means: Means, stamp: Stamp) -> Claims:
    """Return how and when the person authenticated: at the sign-in itself, whatever was refreshed since (openid.md section 5)."""
    return {"auth_time": means.auth_time // SECOND_MS, "acr": acr(stamp.public_url, means.level), "amr": list(means.amr)}


def _place(subject: Subject) -> Claims:
    return {"tenant": subject.acting.slug, "tenant_id": subject.acting.id, "roles": list(subject.roles)}


def _profile(account: Account) -> dict[str, str]:
    return {
        "name": account.display_name or f"{account.given_name} {account.family_name}".strip(),
        "given_name": account.given_name,
        "family_name": account.family_name,
        "preferred_username": account.login,
        "locale": account.language,
        "zoneinfo": account.time_zone,
        "email": account.email,
        "phone_number": account.phone or account.business_phone,
    }
