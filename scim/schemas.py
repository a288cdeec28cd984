"""Discovery: ServiceProviderConfig, ResourceTypes and Schemas (RFC 7644 §4, RFC 7643 §5-7), made from the domain's attribute tables.

scim2-models checks and writes the documents once per process; a request only puts the issuer's base URL in.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from scim2_models import BaseModel, Context, EnterpriseUser, Group, ListResponse, Meta, ServiceProviderConfig, User
from scim2_models import ResourceType as ResourceTypeDocument
from scim2_models import Schema as SchemaDocument

from gateway.domain.schema import MOONGATE_USER, Attribute, ResourceType, Schema

MAX_RESULTS = 1000
"""Resources on one page at most."""

_BASE = "https://base.invalid"
"""Stands in the prepared documents where the issuer's base URL goes."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """The discovery documents of one issuer as JSON."""

    service_provider_config: bytes
    resource_types: bytes
    """The ListResponse of all."""
    schemas: bytes
    """The ListResponse of all."""
    resource_type: Mapping[str, bytes]
    """By name."""
    schema: Mapping[str, bytes]
    """By URN in lower case."""


def discovery(base: str, resources: tuple[ResourceType, ...], *, reduced: bool) -> Discovery:
    """Return the documents for the SCIM base URL `base` (absolute, without slash at the end).

    `resources` are the endpoints that exist. `reduced` leaves out the `display` of multi-valued attributes, which Entra's "Test Schema"
    rejects (scim.md E27).
    """
    prepared = _prepared(resources, reduced=reduced)
    url = json.dumps(base)[1:-1].encode()

    def located(document: bytes) -> bytes:
        return document.replace(_BASE.encode(), url)

    return Discovery(
        located(prepared.service_provider_config),
        located(prepared.resource_types),
        located(prepared.schemas),
        {name: located(document) for name, document in prepared.resource_type.items()},
        {urn: located(document) for urn, document in prepared.schema.items()},
    )


@lru_cache(maxsize=8)
def _prepared(resources: tuple[ResourceType, ...], *, reduced: bool) -> Discovery:
    types = [_resource_type(resource) for resource in resources]
    tables = {table.urn: table for resource in resources for table in (resource.core, *resource.extensions)}
    schemas = [_schema(table, reduced=reduced) for table in tables.values()]
    return Discovery(
        _json(_service_provider_config()),
        _json(ListResponse[ResourceTypeDocument](total_results=len(types), items_per_page=len(types), start_index=1, resources=types)),
        _json(ListResponse[SchemaDocument](total_results=len(schemas), items_per_page=len(schemas), start_index=1, resources=schemas)),
        {str(document.id): _json(document) for document in types},
        {str(document.id).lower(): _json(document) for document in schemas},
    )


def _json(document: BaseModel) -> bytes:
    """Return the JSON without nulls and in camelCase, as Entra insists (E26)."""
    return document.model_dump_json(scim_ctx=Context.RESOURCE_QUERY_RESPONSE).encode()


def _service_provider_config() -> ServiceProviderConfig:
    return ServiceProviderConfig.model_validate(
        {
            "patch": {"supported": True},
            "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
            "filter": {"supported": True, "maxResults": MAX_RESULTS},
            "changePassword": {"supported": False},
            "sort": {"supported": True},
            "etag": {"supported": True},
            "authenticationSchemes": [
                {
                    "type": "oauthbearertoken",
                    "name": "Bearer token",
                    "description": "A token of the SCIM connection, in the header Authorization.",
                    "specUri": "https://www.rfc-editor.org/info/rfc6750",
                    "primary": True,
                }
            ],
            "meta": _meta("ServiceProviderConfig", "/ServiceProviderConfig"),
        }
    )


def _resource_type(resource: ResourceType) -> ResourceTypeDocument:
    return ResourceTypeDocument.model_validate(
        {
            "id": resource.name,
            "name": resource.name,
            "description": _DESCRIPTIONS[resource.core.urn].get("", resource.name),
            "endpoint": resource.endpoint,
            "schema": resource.core.urn,
            "schemaExtensions": [{"schema": extension.urn, "required": False} for extension in resource.extensions] or None,
            "meta": _meta("ResourceType", f"/ResourceTypes/{resource.name}"),
        }
    )


def _schema(table: Schema, *, reduced: bool) -> SchemaDocument:
    descriptions = _DESCRIPTIONS[table.urn]
    return SchemaDocument.model_validate(
        {
            "id": table.urn,
            "name": table.name,
            "description": descriptions.get("", table.name),
            "attributes": [_attribute(attribute, attribute.name, descriptions, reduced=reduced) for attribute in table.attributes],
            "meta": _meta("Schema", f"/Schemas/{table.urn}"),
        }
    )


def _attribute(attribute: Attribute, path: str, descriptions: Mapping[str, str], *, reduced: bool) -> dict[str, object]:
    """Return an attribute as RFC 7643 §7 describes it."""
    subs: Iterable[Attribute] = attribute.sub_attributes
    if reduced and attribute.multi_valued:
        subs = (sub for sub in subs if sub.name != "display")
    described: dict[str, object] = {
        "name": attribute.name,
        "type": attribute.type.value,
        "multiValued": attribute.multi_valued,
        "description": " ".join(descriptions.get(path, attribute.name).split()),
        "required": attribute.required,
        "caseExact": attribute.case_exact,
        "mutability": attribute.mutability.value,
        "returned": attribute.returned.value,
        "uniqueness": attribute.uniqueness.value,
    }
    if attribute.canonical:
        described["canonicalValues"] = list(attribute.canonical)
    if attribute.references:
        described["referenceTypes"] = list(attribute.references)
    if attribute.sub_attributes:
        described["subAttributes"] = [_attribute(sub, f"{path}.{sub.name}", descriptions, reduced=reduced) for sub in subs]
    return described


def _meta(kind: str, path: str) -> Meta:
    return Meta(resource_type=kind, location=f"{_BASE}{path}")


def _published(document: SchemaDocument) -> dict[str, str]:
    """Return the descriptions of a published schema by path; the empty path is the schema's own."""
    found = {"": document.description or ""}
    for attribute in document.attributes or []:
        found[str(attribute.name)] = attribute.description or ""
        found |= {f"{attribute.name}.{sub.name}": sub.description or "" for sub in attribute.sub_attributes or []}
    return found


_MOONGATE_DESCRIPTIONS = {
    "": "What the gateway knows about an account, and the switches that a directory may set.",
    "status": "The account's effective status: active, invited, disabled, lockedOut and others.",
    "signInMethod": "How the person signs in: the identity provider's key, or password.",
    "loginMatching": "The criterion by which an identity provider's user is matched with this account.",
    "customLogin": "The login that the identity provider states for this person, for the criterion custom login.",
    "federatedOnly": "Whether the person signs in through an identity provider only, never with a password.",
    "mfaRequired": "Whether a second factor is demanded of this account whatever the policy says.",
    "mfaStatus": "Whether a second factor is enrolled.",
    "lockedOut": "Whether the account is locked; unlocking is an administrator's act.",
    "emailValidated": "Whether the primary e-mail address is proved.",
    "scope": "The slugs of the places above the account and of its home.",
    "scope.distributor": "The distributor's slug.",
    "scope.partner": "The partner's slug.",
    "scope.tenant": "The slug of the account's home.",
    "companyContacts": "For which matters the person is the company's contact.",
    "language": "The language of mails and pages for this person.",
}

_DESCRIPTIONS: Mapping[str, Mapping[str, str]] = {
    **{str(schema.id): _published(schema) for schema in (User.to_schema(), EnterpriseUser.to_schema(), Group.to_schema())},
    MOONGATE_USER.urn: _MOONGATE_DESCRIPTIONS,
}
