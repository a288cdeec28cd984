"""Relying parties: the apps that trust us, what they may ask, and what a grant of one remembers."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from gateway.domain.values import AccountId, ClientId, GrantId, Instant, NodeId, SessionId

SCOPES = ("openid", "profile", "email", "phone", "offline_access", "roles")
"""The scopes that have a meaning here; an app may be given scopes of its own resources besides."""


class AuthMethod(StrEnum):
    """How an app proves itself at the token endpoint."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    PRIVATE_KEY_JWT = "private_key_jwt"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """An app registered at a node: it may be used by people homed in that node's subtree and by members of it."""

    client_id: ClientId
    node: NodeId
    name: str
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    backchannel_logout_uri: str
    auth_method: AuthMethod
    roleless: bool
    """Whether everybody of the tenant may use it without a role (R-092)."""
    first_party: bool
    grants: tuple[str, ...]
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    pkce_required: bool
    id_token_alg: str
    access_token_alg: str
    second_factor_unsupported: bool
    disabled_at: Instant | None
    created_at: Instant
    jwks: str = ""
    """JSON of the app's public keys, where it proves itself by private_key_jwt."""
    jwks_uri: str = ""
    """Where the app publishes them instead."""
    epoch: int = 0
    """Raised when the app is switched off: what it was granted under an older one is dead."""

    @property
    def public(self) -> bool:
        """Whether the app can keep no secret."""
        return self.auth_method is AuthMethod.NONE


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """An authorization request that passed validation, as stored with its sign-in (OIDC Core §3.1.2.1)."""

    client_id: ClientId
    redirect_uri: str
    scope: tuple[str, ...]
    state: str = ""
    nonce: str = ""
    code_challenge: str = ""
    response_mode: str = "query"
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    """Seconds since the last active authentication that the app accepts."""
    login_hint: str = ""
    domain_hint: str = ""
    idp_hint: str = ""
    tenant: str = ""
    """Slug of the acting tenant asked for; it never routes (decisions.md 10)."""
    resource: tuple[str, ...] = ()
    hinted_subject: str = ""
    """The `sub` of a valid id_token_hint."""
    acr_values: tuple[str, ...] = ()
    """Wished for in this order; a wish and no demand (OIDC Core §5.5.1.1)."""

    def to_json(self) -> str:
        """Return the request as stored."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "AuthorizationRequest":
        """Return the request that `to_json` stored."""
        stored: dict[str, Any] = json.loads(text)
        arguments: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
        return cls(**arguments)


class Level(StrEnum):
    """How strongly somebody authenticated; `acr` is `<public URL>/acr/<level>` (decisions.md 5)."""

    ONE_FACTOR = "1fa"
    MULTI_FACTOR = "mfa"
    FEDERATED = "fed"


@dataclass(frozen=True, slots=True)
class Means:
    """By what means somebody authenticated, and when."""

    level: Level
    amr: tuple[str, ...]
    """RFC 8176 values."""
    auth_time: Instant
    provider: str = ""
    """Id of the identity provider; empty for local means."""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser at one issuer. Its secret is not here."""

    sid: SessionId
    node: NodeId
    account: AccountId
    means: Means
    epoch: int
    """Sum of the epochs of home's and issuer's chains when it was opened (decisions.md 16)."""
    created_at: Instant
    seen_at: Instant
    expires_at: Instant
    ended_at: Instant | None


@dataclass(frozen=True, slots=True)
class Grant:
    """What one person, acting in one tenant, gave one app in one session: codes, access and refresh tokens belong to it."""

    id: GrantId
    node: NodeId
    client_id: ClientId
    account: AccountId
    session: SessionId
    acting: NodeId
    scope: tuple[str, ...]
    resource: tuple[str, ...]
    redirect_uri: str
    nonce: str
    means: Means
    epoch: int
    """Sum of the epochs of home, issuer and the tenant acted in, with those above them (decisions.md 16)."""
    app_epoch: int
    created_at: Instant
    expires_at: Instant
    """When its refresh tokens end at the latest."""
    ended_at: Instant | None


def userinfo_claims(profile: Mapping[str, str], scope: tuple[str, ...]) -> dict[str, str]:
    """Return the claims of a profile that the scope allows, without empty ones (OIDC Core §5.4).

    `profile` maps claim names to text.
    """
    by_scope = {
        "profile": ("name", "given_name", "family_name", "preferred_username", "locale", "zoneinfo"),
        "email": ("email",),
        "phone": ("phone_number",),
    }
    names = (name for item in scope for name in by_scope.get(item, ()))
    return {name: profile[name] for name in names if profile.get(name)}
