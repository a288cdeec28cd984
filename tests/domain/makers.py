"""Whole values of the domain, made from the few facts that a test is about."""

from typing import Any

from gateway.domain.identity import Assertion, Candidate, Criterion, EmailTrust, IdentityProvider, Vendor
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import Account, AccountType
from gateway.domain.relying_party import AuthMethod, AuthorizationRequest, RelyingParty
from gateway.domain.sign_in import SignIn
from gateway.domain.values import AccountId, ClientId, Instant, NamespaceId, NodeId, ProviderId, SignInId

NOW = Instant(1_790_000_000_000)


def node(**facts: Any) -> Node:
    """A live customer without policies."""
    slug = facts.get("slug", "acme")
    defaults: dict[str, Any] = {
        "id": NodeId(f"node-{slug}"),
        "slug": slug,
        "name": slug.title(),
        "kind": NodeKind.CUSTOMER,
        "parent": NodeId("node-platform"),
        "namespace": NamespaceId(f"names-{slug}"),
        "issuer": f"https://id.example.com/t/{slug}",
        "private_outbound": False,
        "epoch": 0,
        "policies": "{}",
        "disabled_at": None,
        "deleted_at": None,
        "created_at": NOW,
    }
    return Node(**(defaults | facts))


def account(**facts: Any) -> Account:
    """An active person of `acme` who may sign in by any means."""
    defaults: dict[str, Any] = {
        "id": AccountId("anna"),
        "home": NodeId("node-acme"),
        "namespace": NamespaceId("names-acme"),
        "type": AccountType.HUMAN,
        "login": "anna@acme.example",
        "email": "anna@acme.example",
        "given_name": "Anna",
        "family_name": "Ash",
        "display_name": "Anna Ash",
        "phone": "",
        "business_phone": "",
        "job_title": "",
        "language": "",
        "time_zone": "",
        "activated_at": NOW,
        "email_validated_at": NOW,
        "enabled_by_admin": True,
        "active_by_scim": True,
        "disable_after": None,
        "admin_locked_at": None,
        "must_change_password": False,
        "mfa_required": False,
        "federated_only": False,
        "matching": "",
        "self_registered": False,
        "managed_by": None,
        "version": 1,
        "created_at": NOW,
        "updated_at": NOW,
        "deleted_at": None,
        "document": "{}",
    }
    return Account(**(defaults | facts))


def provider(**facts: Any) -> IdentityProvider:
    """An active provider of `acme` that matches by e-mail address and is trusted for nothing."""
    defaults: dict[str, Any] = {
        "id": ProviderId("corp"),
        "node": NodeId("node-acme"),
        "key": "corp",
        "name": "Corp",
        "issuer": "https://corp.example",
        "client_id": "moongate",
        "vendor": Vendor.GENERIC,
        "matching": Criterion.EMAIL,
        "claim": "preferred_username",
        "exact_case": False,
        "email_trust": EmailTrust.CLAIM,
        "external_id_claim": "sub",
        "link_only": False,
        "mfa_amr": (),
        "mfa_acr": (),
        "active": True,
        "created_at": NOW,
    }
    return IdentityProvider(**(defaults | facts))


def assertion(**claims: object) -> Assertion:
    """What `corp` says about Anna: a verified e-mail address and a login, unless claims say otherwise."""
    known: dict[str, object] = {"email": "anna@acme.example", "email_verified": True, "preferred_username": "anna"}
    return Assertion(issuer="https://corp.example", subject="s1", claims={k: v for k, v in (known | claims).items() if v is not None})


def candidate(**facts: Any) -> Candidate:
    """Anna's account, found by e-mail, with nothing that speaks against a link."""
    defaults: dict[str, Any] = {
        "account": AccountId("anna"),
        "criterion": Criterion.EMAIL,
        "own_criterion": "",
        "linked_subject": None,
        "managed_by_tied_connection": False,
        "self_registered_unproved": False,
        "email_domain_proved": False,
    }
    return Candidate(**(defaults | facts))


def app(**facts: Any) -> RelyingParty:
    """A confidential app of `acme`."""
    defaults: dict[str, Any] = {
        "client_id": ClientId("portal"),
        "node": NodeId("node-acme"),
        "name": "Portal",
        "redirect_uris": ("https://app.example/callback",),
        "post_logout_redirect_uris": (),
        "backchannel_logout_uri": "",
        "auth_method": AuthMethod.BASIC,
        "roleless": False,
        "first_party": False,
        "grants": ("authorization_code",),
        "scopes": ("openid",),
        "resources": (),
        "pkce_required": True,
        "id_token_alg": "RS256",
        "access_token_alg": "ES256",
        "second_factor_unsupported": False,
        "disabled_at": None,
        "created_at": NOW,
    }
    return RelyingParty(**(defaults | facts))


def sign_in(**facts: Any) -> SignIn:
    """A sign-in that has just begun."""
    defaults: dict[str, Any] = {
        "id": SignInId("s"),
        "node": NodeId("node-acme"),
        "parent": None,
        "request": AuthorizationRequest(ClientId("portal"), "https://app.example/callback", ("openid",)),
        "correlation_id": "c",
        "login": "",
        "proof": None,
        "tenant": "",
        "due": "",
        "session": None,
        "created_at": NOW,
        "expires_at": NOW,
        "finished_at": None,
    }
    return SignIn(**(defaults | facts))
