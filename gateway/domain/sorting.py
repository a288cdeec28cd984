"""In which order a search answers: `sortBy` and `sortOrder` (RFC 7644 §3.4.2.3)."""

from dataclasses import dataclass
from typing import NoReturn

from gateway.domain.errors import Refusal
from gateway.domain.filter import microseconds
from gateway.domain.query import AttributePath, parse_attribute_path
from gateway.domain.schema import Attribute, Json, JsonObject, ResourceType, Returned, Type
from gateway.domain.values import comparison_key


@dataclass(frozen=True, slots=True)
class Sorting:
    """An order by one attribute; what has no value comes last ascending and first descending."""

    path: AttributePath
    """In canonical spelling; `emails` stands as `emails.value`."""
    descending: bool = False


def parse_sorting(sort_by: str, sort_order: str, resource: ResourceType) -> Sorting | None:
    """Return the order asked for, or None. Raises Refusal `E_Field_Invalid` for an unknown attribute, a secret one, or an unknown order."""
    order = sort_order.lower() or "ascending"
    if order not in {"ascending", "descending"}:
        raise Refusal("E_Field_Invalid", field="sortOrder", data={"field": "sortOrder", "rule": "ascending or descending"})
    if not sort_by:
        return None
    path = parse_attribute_path(sort_by)
    binding = resource.bind(path.urn, path.name, path.sub) if path else None
    attribute = binding.attribute if binding else None
    if binding is None or attribute is None or attribute.returned is Returned.NEVER:
        _refuse("an attribute of this resource")
    sub = binding.sub
    if attribute.complex and sub is None:
        sub = attribute.find_sub("value")
        if sub is None:
            _refuse("a sub-attribute of a complex attribute")
    urn = binding.extension.urn if binding.extension else ""
    return Sorting(AttributePath(urn, attribute.name, sub.name if sub else ""), descending=order == "descending")


def sort_key(document: JsonObject, sorting: Sorting, resource: ResourceType) -> tuple[bool, int | float | str]:
    """Return by what a canonical document is sorted, ascending: the primary element's value, else the first one's."""
    path = sorting.path
    binding = resource.bind(path.urn, path.name, path.sub)
    container = document.get(path.urn) if path.urn else document
    value = container.get(path.name) if isinstance(container, dict) else None
    if isinstance(value, list):
        value = _leading(value)
    if path.sub:
        value = value.get(path.sub) if isinstance(value, dict) else None
    leaf = (binding.sub or binding.attribute) if binding else None
    return (value is None or value == "", _comparable(value, leaf))


def _comparable(value: Json, attribute: Attribute | None) -> int | float | str:
    if isinstance(value, bool | int | float):
        return value
    if not isinstance(value, str) or attribute is None:
        return ""
    if attribute.type is Type.DATETIME:
        return microseconds(value) or 0
    return value if attribute.case_exact else comparison_key(value)


def _leading(elements: list[Json]) -> Json:
    primary = (element for element in elements if isinstance(element, dict) and element.get("primary") is True)
    return next(primary, elements[0] if elements else None)


def _refuse(rule: str) -> NoReturn:
    raise Refusal("E_Field_Invalid", field="sortBy", data={"field": "sortBy", "rule": rule})
