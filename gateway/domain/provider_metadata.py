"""What an identity provider publishes about itself (OpenID Connect Discovery §3), read with distrust."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

MAX_URL_LENGTH = 2048
DISCOVERY_PATH = "/.well-known/openid-configuration"
TENANT_PLACEHOLDER = "{tenantid}"
"""Stands in the issuer of an Entra endpoint that serves several of its tenants; tokens carry the tenant's id in its place."""


class MetadataRejected(Exception):
    """A discovery document cannot be used. `reason` is for the administrator."""

    def __init__(self, field: str, reason: str) -> None:
        """Name the member at fault and say what is wrong with it."""
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ProviderMetadata:
    """The members of a discovery document that we use."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    """Empty: there is none."""
    auth_methods: tuple[str, ...]
    signing_algorithms: tuple[str, ...]
    pkce_methods: tuple[str, ...] | None
    """None: the document does not tell, which says nothing about the provider (Entra does PKCE and keeps silent)."""
    names_issuer: bool
    """Whether `iss` comes with every answer of the authorization endpoint (RFC 9207 §3)."""

    @property
    def takes_pkce(self) -> bool:
        """Whether a code challenge may be sent: unless the provider says that it cannot do S256."""
        return self.pkce_methods is None or "S256" in self.pkce_methods


def discovery_url(issuer: str) -> str:
    """Return where the discovery document of an issuer lies (Discovery §4)."""
    return issuer.replace(TENANT_PLACEHOLDER, "organizations").removesuffix("/") + DISCOVERY_PATH


def read_metadata(unverified_document: Mapping[str, object], issuer: str) -> ProviderMetadata:
    """Return the metadata of `issuer`, or raise MetadataRejected.

    The document's issuer must equal ours to the letter, or another party's tokens would be taken for this one's (Discovery §4.3).
    """
    document = unverified_document
    if document.get("issuer") != issuer:
        raise MetadataRejected("issuer", f"the document says {str(document.get('issuer'))[:200]!r}, configured is {issuer!r}")
    return ProviderMetadata(
        issuer=issuer,
        authorization_endpoint=_url(document, "authorization_endpoint", issuer),
        token_endpoint=_url(document, "token_endpoint", issuer),
        jwks_uri=_url(document, "jwks_uri", issuer),
        userinfo_endpoint=_url(document, "userinfo_endpoint", issuer) if "userinfo_endpoint" in document else "",
        auth_methods=_texts(document, "token_endpoint_auth_methods_supported") or ("client_secret_basic",),
        signing_algorithms=_texts(document, "id_token_signing_alg_values_supported") or ("RS256",),
        pkce_methods=_texts(document, "code_challenge_methods_supported"),
        names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )


def is_issuer(text: str) -> bool:
    """Return whether a text can be an issuer: an http(s) URL without query, fragment or user (Discovery §3)."""
    return _fault_of(text) == "" and not urlsplit(text).query


def _url(document: Mapping[str, object], name: str, issuer: str) -> str:
    """Return the URL `name`: https, or http where the issuer itself is (a provider on the same machine)."""
    value = document.get(name)
    if not isinstance(value, str):
        raise MetadataRejected(name, "is missing")
    if fault := _fault_of(value):
        raise MetadataRejected(name, fault)
    if issuer.startswith("https:") and not value.startswith("https:"):
        raise MetadataRejected(name, "is not https, although the issuer is")
    return value


def _fault_of(text: str) -> str:
    if len(text) > MAX_URL_LENGTH or not text.isascii() or not text.isprintable() or any(mark in text for mark in ' \\#"<>'):
        return "is no plain URL"
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"https", "http"} and parts.hostname and parts.port != 0
    except ValueError:
        return "is no URL"
    return "" if usable and "@" not in parts.netloc else "is no http(s) URL with a host"


def _texts(document: Mapping[str, object], name: str) -> tuple[str, ...] | None:
    """Return a list of texts, or None where the document has none of that name."""
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise MetadataRejected(name, "is no list of texts")
    return tuple(value)
