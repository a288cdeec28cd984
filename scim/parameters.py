"""What the parameters of a request ask for: filter, order, page, projection and preference (RFC 7644 §3.4.2, §3.9)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.domain.errors import Refusal
from gateway.domain.projection import Projection, parse_projection
from gateway.domain.query import Filter
from gateway.domain.schema import Json, JsonObject, ResourceType
from gateway.domain.sorting import Sorting, parse_sorting
from scim.exchange import Exchange
from scim.filters import normalise_filter, normalise_root_filter
from scim.normaliser import QUERY_PARAMETERS
from scim.schemas import MAX_RESULTS

DEFAULT_COUNT = 100
_SEARCH_REQUEST = "urn:ietf:params:scim:api:messages:2.0:searchrequest"
_INTEGER = re.compile(r"[+-]?[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Window:
    """Which resources of a result: index paging."""

    start: int
    """Of the first, from 1 on."""
    count: int
    """How many at most; 0: only the total is wanted."""


def window_of(exchange: Exchange) -> Window:
    """Return the page asked for, brought into bounds (RFC 7644 §3.4.2.4): index from 1, at most 1000."""
    start = _integer(exchange.parameters, "startIndex", 1)
    count = _integer(exchange.parameters, "count", DEFAULT_COUNT)
    return Window(max(1, start), min(max(0, count), MAX_RESULTS))


def filter_of(exchange: Exchange, resource: ResourceType, *, root: bool = False) -> tuple[Filter | None, tuple[str, ...]]:
    """Return the resolved filter, None where there is none, and the rewrites applied; refuses `E_Filter_Unsupported`.

    At the root, an attribute that this type of resource does not have is false there (RFC 7644 §3.4.2.1).
    """
    text = exchange.parameters.get("filter", "")
    if not text.strip():
        return None, ()
    normalise = normalise_root_filter if root else normalise_filter
    return normalise(text, resource, exchange.profile)


def sorting_of(exchange: Exchange, resource: ResourceType, *, root: bool = False) -> Sorting | None:
    """Return the order asked for, None where there is none; at the root, an attribute of another type orders nothing here."""
    sort_by, sort_order = exchange.parameters.get("sortBy", ""), exchange.parameters.get("sortOrder", "")
    try:
        return parse_sorting(sort_by, sort_order, resource)
    except Refusal as refusal:
        if not root or refusal.field == "sortOrder":
            raise
        return None


def projection_of(exchange: Exchange, resource: ResourceType) -> Projection | None:
    """Return which attributes are asked for, None where all are."""
    attributes, excluded = exchange.parameters.get("attributes", ""), exchange.parameters.get("excludedAttributes", "")
    if not attributes and not excluded:
        return None
    return parse_projection(resource, attributes=attributes.split(","), excluded=excluded.split(","))


def wants_minimal(exchange: Exchange) -> bool | None:
    """Return whether the header Prefer asks for no body (RFC 7240 §4.2); None where it says nothing."""
    prefer = exchange.prefer.lower().replace(" ", "")
    if "return=minimal" in prefer:
        return True
    return False if "return=representation" in prefer else None


def of_search_request(body: JsonObject) -> dict[str, str]:
    """Return the parameters of a SearchRequest body (RFC 7644 §3.4.3), or refuse one without its schema or with wrong types."""
    schemas = body.get("schemas")
    urns = [urn.lower() for urn in schemas if isinstance(urn, str)] if isinstance(schemas, list) else []
    if _SEARCH_REQUEST not in urns:
        raise Refusal("E_Syntax", field="schemas", data={"value": "schemas must name SearchRequest"})
    known = {name.lower(): name for name in QUERY_PARAMETERS}
    found = ((known.get(key.lower()), value) for key, value in body.items())
    return {name: _text(name, value) for name, value in found if name and value is not None}


def _text(name: str, value: Json) -> str:
    """Return a member of a SearchRequest as the query would spell it."""
    if isinstance(value, list) and name in {"attributes", "excludedAttributes"} and all(isinstance(part, str) for part in value):
        return ",".join(str(part) for part in value)
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and name in {"startIndex", "count"}:
        return str(value)[:16]
    raise Refusal("E_Field_Invalid", field=name, data={"field": name, "rule": "is of the wrong type"})


def _integer(values: Mapping[str, str], name: str, default: int) -> int:
    text = values.get(name, "").strip()
    if not text:
        return default
    if not _INTEGER.fullmatch(text):
        raise Refusal("E_Field_Invalid", field=name, data={"field": name, "rule": "must be a whole number"})
    return int(text)
