"""What a path below the SCIM base means (RFC 7644 §3.2): which resource or document, and which methods it has."""

from dataclasses import dataclass
from enum import Enum, auto

_READ = ("GET", "HEAD", "OPTIONS")


class Kind(Enum):
    """The kinds of places."""

    ROOT = auto()
    ROOT_SEARCH = auto()
    ENDPOINT = auto()
    SEARCH = auto()
    ONE = auto()
    SERVICE_PROVIDER_CONFIG = auto()
    RESOURCE_TYPES = auto()
    SCHEMAS = auto()
    UNSUPPORTED = auto()
    """`/Me` and `/Bulk`: known to the RFC, not to us."""
    UNKNOWN = auto()


_ALLOWED = {
    Kind.ROOT: _READ,
    Kind.ROOT_SEARCH: ("POST", "OPTIONS"),
    Kind.ENDPOINT: ("GET", "HEAD", "POST", "OPTIONS"),
    Kind.SEARCH: ("POST", "OPTIONS"),
    Kind.ONE: ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"),
    Kind.SERVICE_PROVIDER_CONFIG: _READ,
    Kind.RESOURCE_TYPES: _READ,
    Kind.SCHEMAS: _READ,
    Kind.UNSUPPORTED: (),
    Kind.UNKNOWN: (),
}

_TEMPLATES = {
    (Kind.ROOT, ""): "",
    (Kind.ROOT_SEARCH, ""): ".search",
    (Kind.SERVICE_PROVIDER_CONFIG, ""): "ServiceProviderConfig",
    (Kind.RESOURCE_TYPES, ""): "ResourceTypes",
    (Kind.SCHEMAS, ""): "Schemas",
    (Kind.UNSUPPORTED, ""): "<unsupported>",
    (Kind.UNKNOWN, ""): "<unknown>",
    **{(Kind.ENDPOINT, endpoint): endpoint for endpoint in ("Users", "Groups")},
    **{(Kind.SEARCH, endpoint): f"{endpoint}/.search" for endpoint in ("Users", "Groups")},
    **{(Kind.ONE, endpoint): f"{endpoint}/<id>" for endpoint in ("Users", "Groups")},
}

_ENDPOINTS = {"users": "Users", "groups": "Groups"}
_DOCUMENTS = {
    "serviceproviderconfig": Kind.SERVICE_PROVIDER_CONFIG,
    # Spellings of SCIM 1.1 and of Microsoft's test collection (scim.md E24).
    "serviceproviderconfigs": Kind.SERVICE_PROVIDER_CONFIG,
    "serviceconfiguration": Kind.SERVICE_PROVIDER_CONFIG,
    "resourcetypes": Kind.RESOURCE_TYPES,
    "schemas": Kind.SCHEMAS,
}
_VERBS = {"GET": "read", "HEAD": "read", "POST": "create", "PUT": "replace", "PATCH": "patch", "DELETE": "remove"}


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes."""

    kind: Kind
    endpoint: str = ""
    """`Users` or `Groups`."""
    name: str = ""
    """Id of a resource, or name of a schema or resource type."""

    @property
    def template(self) -> str:
        """Return the path below the base without what tells one resource from another."""
        return _TEMPLATES[self.kind, self.endpoint]

    @property
    def allowed(self) -> tuple[str, ...]:
        """Return the methods that exist here."""
        return _ALLOWED[self.kind]

    def operation(self, method: str) -> str:
        """Return what the provisioning log calls this: `user.patch`, `group.search`, `discovery.read`."""
        if self.endpoint:
            searches = self.kind is Kind.SEARCH or (self.kind is Kind.ENDPOINT and method in {"GET", "HEAD"})
            return f"{self.endpoint[:-1].lower()}.{'search' if searches else _VERBS.get(method, method.lower())}"
        if self.kind in {Kind.ROOT, Kind.ROOT_SEARCH}:
            return "root.search"
        return f"{'discovery' if self.kind in _DOCUMENTS.values() else 'path'}.{_VERBS.get(method, method.lower())}"


def route_of(path: str) -> Route:
    """Return where a path below the base leads; endpoints in any case, slashes at the end ignored (scim.md A11)."""
    segments = path.strip("/").split("/")
    first, rest = segments[0].lower(), segments[1:]
    if not rest and first in {"", ".search"}:
        return Route(Kind.ROOT_SEARCH if first else Kind.ROOT)
    if first in {"me", "bulk"}:
        return Route(Kind.UNSUPPORTED)
    if first in _DOCUMENTS:
        return _document(_DOCUMENTS[first], rest)
    endpoint = _ENDPOINTS.get(first)
    if endpoint is None or len(rest) > 1:
        return Route(Kind.UNKNOWN)
    if not rest:
        return Route(Kind.ENDPOINT, endpoint)
    if rest[0].lower() == ".search":
        return Route(Kind.SEARCH, endpoint)
    return Route(Kind.ONE, endpoint, rest[0])


def _document(kind: Kind, rest: list[str]) -> Route:
    if not rest:
        return Route(kind)
    if kind is Kind.SERVICE_PROVIDER_CONFIG or len(rest) > 1:
        return Route(Kind.UNKNOWN)
    return Route(kind, name=rest[0])
