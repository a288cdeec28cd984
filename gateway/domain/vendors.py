"""What we know of the makers of identity providers, as data: it decides the defaults of a provider when it is added, and nothing later.

A vendor is recognised once, by its issuer or by what the administrator says (decisions.md 11).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.domain.identity import AuthMethod, Criterion, Vendor


@dataclass(frozen=True, slots=True)
class VendorFacts:
    """How a maker's providers behave where nobody changed their settings."""

    matching: Criterion = Criterion.EMAIL
    claim: str = "preferred_username"
    """The claim that holds what people type as their login there."""
    external_id_claim: str = "sub"
    auth_methods: tuple[AuthMethod, ...] = (AuthMethod.BASIC, AuthMethod.POST)
    """How we prove ourselves at the token endpoint, best first."""
    scope: str = "openid profile email"
    bound_claims: tuple[str, ...] = ("sub",)
    """The claims that together name a person for good."""
    domain_parameter: str = "domain_hint"
    """The parameter of the authorization request that names the person's domain."""
    fresh_prompt: str = "login"
    """The value of `prompt` that makes people sign in anew."""
    tells_auth_time: bool = True
    """Whether `auth_time` comes where `max_age` asks for it (OIDC Core §2); if not, the person is asked to sign in anew."""


FACTS: Mapping[Vendor, VendorFacts] = {
    # `sub` is pairwise and dies with the app registration. UPN is the default source of SCIM's userName and of `preferred_username`; the
    # e-mail address is a free text there that nobody verified (nOAuth). `auth_time` is an optional claim that is off.
    Vendor.ENTRA: VendorFacts(
        matching=Criterion.CUSTOM_LOGIN,
        external_id_claim="oid",
        auth_methods=(AuthMethod.POST, AuthMethod.BASIC),
        bound_claims=("tid", "oid"),
        tells_auth_time=False,
    ),
    Vendor.OKTA: VendorFacts(),
    # It refuses `prompt=login`; choosing the account is the most that can be asked of it.
    Vendor.GOOGLE: VendorFacts(
        claim="email",
        auth_methods=(AuthMethod.POST, AuthMethod.BASIC),
        domain_parameter="hd",
        fresh_prompt="select_account",
        tells_auth_time=False,
    ),
    Vendor.KEYCLOAK: VendorFacts(),
    # Only `allatclaims` puts claims into the ID token, and userinfo holds nothing but `sub`.
    Vendor.ADFS: VendorFacts(claim="upn", auth_methods=(AuthMethod.POST, AuthMethod.BASIC), scope="openid profile email allatclaims"),
    Vendor.GENERIC: VendorFacts(),
}

_HOSTS: Mapping[Vendor, tuple[str, ...]] = {
    Vendor.ENTRA: (
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.partner.microsoftonline.cn",
        "sts.windows.net",
        ".ciamlogin.com",
    ),
    Vendor.OKTA: (".okta.com", ".oktapreview.com", ".okta-emea.com", ".okta-gov.com"),
    Vendor.GOOGLE: ("accounts.google.com",),
}
_PATHS: Mapping[Vendor, re.Pattern[str]] = {
    Vendor.KEYCLOAK: re.compile(r"(?:/[^/]+)*/realms/[^/]+"),
    Vendor.ADFS: re.compile(r"/adfs"),
}


def recognise_vendor(issuer: str) -> Vendor:
    """Return whose product an issuer is, by its host or the form of its path; GENERIC where nothing tells."""
    parts = urlsplit(issuer)
    host = parts.hostname or ""
    for vendor, names in _HOSTS.items():
        if any(host.endswith(name) if name.startswith(".") else host == name for name in names):
            return vendor
    return next((vendor for vendor, path in _PATHS.items() if path.fullmatch(parts.path)), Vendor.GENERIC)
