"""The identity providers of a node: added by discovery, tested, switched on and off (R-060 to R-075).

What calls the outside takes the fetcher as an argument and never runs inside a transaction (decisions.md 42).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.domain.audit import Event
from gateway.domain.errors import Refusal
from gateway.domain.identity import AuthMethod, Criterion, EmailTrust, IdentityProvider, Vendor
from gateway.domain.nodes import Node
from gateway.domain.people import has_controls, require_text
from gateway.domain.ports import HttpFetcher, Reply, Unreachable
from gateway.domain.provider_metadata import (
    TENANT_PLACEHOLDER,
    MetadataRejected,
    ProviderMetadata,
    discovery_url,
    is_issuer,
    read_metadata,
)
from gateway.domain.values import NodeId, ProviderId
from gateway.domain.vendors import FACTS, recognise_vendor
from gateway.services import access
from gateway.services.context import Context
from gateway.storage import identity_providers
from gateway.storage.database import Duplicate
from gateway.tokens.verification import ALGORITHMS, KeySet, import_key_set

_KEY = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_TENANT_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UNKNOWN_CLIENT = ("invalid_client", "unauthorized_client")
"""What a token endpoint says to a client that it does not know (RFC 6749 §5.2)."""
_PURPOSE = "client secret of a provider"


@dataclass(frozen=True, slots=True)
class NewProvider:
    """What an administrator gives to add a provider; what is left out follows from whose product it is."""

    key: str
    issuer: str
    client_id: str
    client_secret: str
    name: str = ""
    vendor: Vendor | None = None
    matching: Criterion | None = None
    claim: str = ""
    exact_case: bool = False
    email_trust: EmailTrust = EmailTrust.CLAIM
    external_id_claim: str = ""
    link_only: bool = False
    mfa_amr: Sequence[str] = ()
    mfa_acr: Sequence[str] = ()
    issuer_tenants: Sequence[str] = ()
    activate: bool = False
    jit: bool = False
    jit_role: str = ""
    """Name of a role of the node."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What an administrator changes; None leaves a thing as it is."""

    name: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    matching: Criterion | None = None
    claim: str | None = None
    exact_case: bool | None = None
    email_trust: EmailTrust | None = None
    external_id_claim: str | None = None
    link_only: bool | None = None
    mfa_amr: Sequence[str] | None = None
    mfa_acr: Sequence[str] | None = None
    jit: bool | None = None
    jit_role: str | None = None
    """Name of a role of the node; empty: none."""


@dataclass(frozen=True, slots=True)
class Tested:
    """What a test found in order."""

    provider: IdentityProvider
    metadata: ProviderMetadata
    keys: int
    """How many of its published keys can verify a token."""


def add_provider(context: Context, fetcher: HttpFetcher, node: Node, new: NewProvider) -> IdentityProvider:
    """Add the provider that publishes itself at `new.issuer`; it stays inactive unless `new.activate` says otherwise (R-072).

    Refuses with `E_Idp_Unreachable` or `E_Idp_Config` where its discovery document cannot be had or used.
    """
    _require_new(new)
    if new.issuer.rstrip("/") == node.issuer.rstrip("/"):
        # Its sign-ins would lead to itself, without end.
        raise Refusal("E_Field_Invalid", field="issuer", data={"field": "issuer", "rule": "another one than this tenant's own"})
    metadata = fetch_metadata(fetcher, node, new.issuer)
    vendor = new.vendor or recognise_vendor(new.issuer)
    facts = FACTS[vendor]
    provider = IdentityProvider(
        id=ProviderId(context.new_id()),
        node=node.id,
        key=new.key,
        name=new.name or new.key,
        issuer=new.issuer,
        client_id=new.client_id,
        vendor=vendor,
        matching=new.matching or facts.matching,
        claim=new.claim or facts.claim,
        exact_case=new.exact_case,
        email_trust=new.email_trust,
        external_id_claim=new.external_id_claim or facts.external_id_claim,
        link_only=new.link_only,
        mfa_amr=tuple(new.mfa_amr),
        mfa_acr=tuple(new.mfa_acr),
        active=new.activate,
        created_at=context.now(),
        auth_method=_auth_method(metadata, facts.auth_methods),
        algorithms=_pinned(metadata),
        issuer_tenants=tuple(new.issuer_tenants),
        jit=new.jit,
        jit_role=_role(context, node.id, new.jit_role),
    )
    with context.database.transaction():
        try:
            identity_providers.insert_provider(context.database, provider, wrapped_secret=_wrapped(context, provider.id, new.client_secret))
        except Duplicate as error:
            raise Refusal("E_Field_Invalid", field="key", data={"field": "key", "rule": "not used in this tenant yet"}) from error
        detail = {"key": provider.key, "issuer": provider.issuer, "vendor": provider.vendor, "active": provider.active}
        context.publish(Event(node.id, "provider.added", "provider", provider.id, detail=detail))
    return provider


def change_provider(context: Context, provider: IdentityProvider, changes: Changes) -> IdentityProvider:
    """Change a provider; its key, issuer and vendor are for life."""
    plain: dict[str, Any] = {name: value for name in _CHANGEABLE if (value := getattr(changes, name)) is not None}
    plain |= {name: tuple(plain[name]) for name in ("mfa_amr", "mfa_acr") if name in plain}
    for name, value in plain.items():
        if isinstance(value, str) and name != "client_id":
            require_text(name, value)
        if value == "":
            raise Refusal("E_Field_Required", field=name, data={"field": name})
    _require_credential("client_id", plain.get("client_id", provider.client_id))
    with context.database.transaction():
        if changes.jit_role is not None:
            plain["jit_role"] = _role(context, provider.node, changes.jit_role)
        changed = replace(_current(context, provider), **plain)
        identity_providers.change_provider(context.database, changed)
        if changes.client_secret is not None:
            _require_credential("client_secret", changes.client_secret)
            identity_providers.change_secret(context.database, provider.id, _wrapped(context, provider.id, changes.client_secret))
        detail = {name: {"old": getattr(provider, name), "new": value} for name, value in plain.items() if getattr(provider, name) != value}
        if changes.client_secret is not None:
            detail["client_secret"] = {"old": "set", "new": "set"}
        context.publish(Event(provider.node, "provider.changed", "provider", provider.id, detail=detail))
    return changed


def test_provider(context: Context, fetcher: HttpFetcher, node: Node, provider: IdentityProvider) -> Tested:
    """Fetch the provider's discovery document and keys anew, ask whether it knows us, and note that all is in order, or refuse.

    An administrator who tests accepts what the provider signs with now: the algorithms are pinned anew.
    """
    metadata = fetch_metadata(fetcher, node, provider.issuer)
    keys = fetch_keys(fetcher, node, metadata)
    usable = [key for key in keys.keys if key.fault is None]
    if not usable:
        faults = ", ".join(key.fault for key in keys.keys if key.fault) or "it holds none"
        raise Refusal("E_Idp_Config", data={"provider": provider.name}, reason=f"no key of {metadata.jwks_uri} can be used: {faults}")
    _require_known_client(context, fetcher, node, provider, metadata)
    with context.database.transaction():
        # The calls took seconds; who switched the provider off meanwhile meant it.
        tested = replace(_current(context, provider), tested_at=context.now(), algorithms=_pinned(metadata))
        identity_providers.change_provider(context.database, tested)
        detail = {"algorithms": {"old": provider.algorithms, "new": tested.algorithms}, "keys": len(usable)}
        context.record(Event(provider.node, "provider.tested", "provider", provider.id, detail=detail))
    return Tested(tested, metadata, len(usable))


def activate_provider(context: Context, provider: IdentityProvider) -> IdentityProvider:
    """Let people sign in by a provider that was tested; refuses one that never was (R-072)."""
    if provider.tested_at is None:
        raise Refusal("E_Idp_Config", field="key", data={"provider": provider.name}, reason="it was never tested: moongate idp test")
    return _set_active(context, provider, active=True)


def deactivate_provider(context: Context, provider: IdentityProvider) -> tuple[IdentityProvider, list[str]]:
    """Let nobody sign in by a provider any more; return the logins of those who now cannot sign in at all (R-073)."""
    stranded = list_stranded(context, provider)
    return _set_active(context, provider, active=False), stranded


def list_stranded(context: Context, provider: IdentityProvider) -> list[str]:
    """Return the logins of the Federated Only people who can sign in by no other active provider (R-073)."""
    others = {
        other.id for other in identity_providers.list_providers(context.database, provider.node) if other.active and not other.link_only
    } - {provider.id}
    stranded = []
    for account_id, login in identity_providers.list_federated_only(context.database, provider.node):
        named = {method.provider for method in identity_providers.list_sign_in_methods(context.database, account_id)}
        if not (named & others if named else others):
            stranded.append(login)
    return stranded


def delete_provider(context: Context, provider: IdentityProvider) -> None:
    """Remove an inactive provider with its links; refuses an active one, whose people would be surprised."""
    if provider.active:
        raise Refusal("E_Delete_Enabled_User", field="key", reason="a provider is deactivated before it is deleted")
    with context.database.transaction():
        identity_providers.delete_provider(context.database, provider.id)
        detail = {"key": provider.key, "issuer": provider.issuer}
        context.publish(Event(provider.node, "provider.deleted", "provider", provider.id, detail=detail))


def get_provider(context: Context, node: Node, unverified_key: str) -> IdentityProvider:
    """Return the node's own provider of that key, active or not; another node's is as unknown as none (openid.md 53)."""
    provider = identity_providers.find_provider_by_key(context.database, node.id, unverified_key)
    if provider is None:
        raise Refusal("E_Idp_Unknown", field="key", data={"value": unverified_key[:64]}, reason=f"no provider of that key at {node.slug}")
    return provider


def list_providers(context: Context, node: Node) -> list[IdentityProvider]:
    """Return a node's providers by key, inactive ones too."""
    return identity_providers.list_providers(context.database, node.id)


def get_client_secret(context: Context, provider: IdentityProvider) -> str:
    """Return the secret by which we prove ourselves to a provider."""
    wrapped = identity_providers.get_wrapped_secret(context.database, provider.id)
    return context.keyring.unwrap(wrapped, purpose=_PURPOSE, owner=provider.id).decode()


def ask_for_tokens(
    context: Context, fetcher: HttpFetcher, node: Node, provider: IdentityProvider, *, endpoint: str, form: Mapping[str, str]
) -> Reply:
    """Post `form` to a provider's token endpoint, with our proof of who we are, and return the answer, whatever it says.

    Raises Unreachable.
    """
    client_id, secret = provider.client_id, get_client_secret(context, provider)
    if provider.auth_method is AuthMethod.BASIC:
        return fetcher.post_form(endpoint, form, private_outbound=node.private_outbound, auth=(client_id, secret))
    proof = {"client_id": client_id, "client_secret": secret}
    return fetcher.post_form(endpoint, {**form, **proof}, private_outbound=node.private_outbound)


def fetch_metadata(fetcher: HttpFetcher, node: Node, issuer: str) -> ProviderMetadata:
    """Return what the provider of an issuer publishes about itself, fetched now; refuses with `E_Idp_Unreachable` or `E_Idp_Config`."""
    url = discovery_url(issuer)
    try:
        return read_metadata(fetcher.get_json(url, private_outbound=node.private_outbound), issuer)
    except Unreachable as error:
        raise Refusal("E_Idp_Unreachable", field="issuer", data={"provider": issuer}, reason=f"{url}: {error.reason}") from error
    except MetadataRejected as error:
        raise Refusal("E_Idp_Config", field="issuer", data={"provider": issuer}, reason=f"{url}: {error}") from error


def fetch_keys(fetcher: HttpFetcher, node: Node, metadata: ProviderMetadata) -> KeySet:
    """Return the keys a provider publishes, fetched now; refuses as `fetch_metadata` does."""
    try:
        return import_key_set(fetcher.get_json(metadata.jwks_uri, private_outbound=node.private_outbound))
    except Unreachable as error:
        reason = f"{metadata.jwks_uri}: {error.reason}"
        raise Refusal("E_Idp_Unreachable", data={"provider": metadata.issuer}, reason=reason) from error
    except ValueError as error:
        raise Refusal("E_Idp_Config", data={"provider": metadata.issuer}, reason=f"{metadata.jwks_uri}: {error}") from error


_CHANGEABLE = (
    "name",
    "client_id",
    "matching",
    "claim",
    "exact_case",
    "email_trust",
    "external_id_claim",
    "link_only",
    "jit",
    "mfa_amr",
    "mfa_acr",
)


def _require_new(new: NewProvider) -> None:
    if not _KEY.fullmatch(new.key):
        raise Refusal("E_Field_Invalid", field="key", data={"field": "key", "rule": "1-63 of a-z, 0-9 and inner hyphens"})
    for name in ("name", "claim", "external_id_claim"):
        require_text(name, getattr(new, name))
    _require_credential("client_id", new.client_id)
    _require_credential("client_secret", new.client_secret)
    if not is_issuer(new.issuer):
        raise Refusal("E_Field_Invalid", field="issuer", data={"field": "issuer", "rule": "an http(s) URL without query and fragment"})
    _require_tenants(new)


def _require_known_client(
    context: Context, fetcher: HttpFetcher, node: Node, provider: IdentityProvider, metadata: ProviderMetadata
) -> None:
    """Refuse a client id or secret that the provider does not know; asked with a code that nobody gave, so nothing else can come of it."""
    form = {"grant_type": "authorization_code", "code": "moongate-test", "redirect_uri": node.issuer}
    try:
        reply = ask_for_tokens(context, fetcher, node, provider, endpoint=metadata.token_endpoint, form=form)
    except Unreachable as error:
        data = {"provider": provider.name, "value": metadata.token_endpoint}
        raise Refusal("E_Idp_Unreachable", data=data, reason=f"{metadata.token_endpoint}: {error.reason}") from error
    told = next((code for code in _UNKNOWN_CLIENT if code.encode() in reply.body), "")
    if told:
        raise Refusal("E_Idp_Config", data={"provider": provider.name, "value": told}, reason=f"the token endpoint says {told}")


def _require_tenants(new: NewProvider) -> None:
    """Refuse an issuer that stands for every tenant of Entra without a list of those we trust: anybody can found a tenant there."""
    fits = all(_TENANT_ID.fullmatch(tenant) for tenant in new.issuer_tenants)
    if bool(new.issuer_tenants) != (TENANT_PLACEHOLDER in new.issuer) or not fits:
        rule = f"ids of Entra tenants, exactly where the issuer holds {TENANT_PLACEHOLDER}"
        raise Refusal("E_Field_Invalid", field="issuer_tenants", data={"field": "issuer tenants", "rule": rule})


def _require_credential(name: str, value: str) -> None:
    if not value or len(value) > 4096 or has_controls(value):  # noqa: PLR2004 -- longer is no credential
        raise Refusal("E_Field_Required" if not value else "E_Field_Invalid", field=name, data={"field": name, "rule": "one line of text"})


def _auth_method(metadata: ProviderMetadata, preferred: Sequence[AuthMethod]) -> AuthMethod:
    offered = [method for method in preferred if method in metadata.auth_methods]
    if not offered:
        reason = f"its token endpoint takes only {', '.join(metadata.auth_methods)}"
        raise Refusal("E_Idp_Config", field="issuer", data={"provider": metadata.issuer}, reason=reason)
    return offered[0]


def _pinned(metadata: ProviderMetadata) -> tuple[str, ...]:
    """Return the algorithms that the provider announces and we may ever believe: public keys only."""
    pinned = tuple(name for name in metadata.signing_algorithms if name in ALGORITHMS)
    if not pinned:
        reason = f"it signs ID tokens only with {', '.join(metadata.signing_algorithms)}"
        raise Refusal("E_Idp_Config", field="issuer", data={"provider": metadata.issuer}, reason=reason)
    return pinned


def _set_active(context: Context, provider: IdentityProvider, *, active: bool) -> IdentityProvider:
    with context.database.transaction():
        changed = replace(_current(context, provider), active=active)
        identity_providers.change_provider(context.database, changed)
        action = "provider.activated" if active else "provider.deactivated"
        context.publish(Event(provider.node, action, "provider", provider.id, detail={"key": provider.key}))
    return changed


def _current(context: Context, provider: IdentityProvider) -> IdentityProvider:
    """Return a provider as it is stored under the write lock, or refuse one that was deleted meanwhile."""
    identity_providers.hold_provider(context.database, provider.id)
    current = identity_providers.find_provider(context.database, provider.id)
    if current is None:
        raise Refusal("E_Idp_Unknown", field="key", data={"value": provider.key}, reason="it was deleted meanwhile")
    return current


def _role(context: Context, node_id: NodeId, name: str) -> str:
    """Return the id of the role that newcomers get, or refuse one that nobody gets by signing in: an administrator's."""
    if not name:
        return ""
    role = access.get_role(context, node_id, name)
    if role.type == "hierarchy":
        raise Refusal("E_Field_Invalid", field="jit_role", data={"field": "role of newcomers", "rule": "no administrator's role"})
    return role.id


def _wrapped(context: Context, provider_id: ProviderId, secret: str) -> str:
    return context.keyring.wrap(secret.encode(), purpose=_PURPOSE, owner=provider_id)
