"""The discovery documents, answered as they were prepared (RFC 7644 §4)."""

from gateway.domain.errors import Refusal
from gateway.domain.schema import GROUP
from scim import schemas
from scim.exchange import Answer, Exchange
from scim.routing import Kind, Route


def read(exchange: Exchange, route: Route) -> Answer:
    """Answer a discovery document; filters on it are forbidden (RFC 7644 §4), other parameters ignored."""
    if "filter" in exchange.parameters:
        raise Refusal("E_Forbidden", field="filter", reason="discovery takes no filter")
    documents = schemas.discovery(exchange.base, (exchange.profile.user, GROUP), reduced=exchange.profile.reduced_schema)
    if route.kind is Kind.SERVICE_PROVIDER_CONFIG:
        return Answer(200, documents.service_provider_config)
    if route.kind is Kind.RESOURCE_TYPES:
        found = documents.resource_type.get(route.name) if route.name else documents.resource_types
    else:
        found = documents.schema.get(route.name.lower()) if route.name else documents.schemas
    if found is None:
        raise Refusal("E_Resource_Not_Found", data={"value": route.name[:128]})
    return Answer(200, found)
