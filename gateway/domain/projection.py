"""Which attributes of a document an answer holds: `attributes` and `excludedAttributes` (RFC 7644 §3.9)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.domain.errors import Refusal
from gateway.domain.query import parse_attribute_path
from gateway.domain.schema import Attribute, Json, JsonObject, ResourceType, Returned

_Names = Mapping[str, Mapping[str, frozenset[str] | None] | None]
"""URN (empty for the core) to attribute to sub-attributes; None: all of it."""


@dataclass(frozen=True, slots=True)
class Projection:
    """A parsed request for part of a document."""

    names: _Names
    excluding: bool

    def wants(self, name: str, urn: str = "") -> bool:
        """Return whether any of that attribute can appear in the answer, so that costly ones (groups, members) are not even loaded."""
        attributes = self.names.get(urn, {})
        if self.excluding:
            return attributes is not None and not (name in attributes and attributes[name] is None)
        return attributes is None or name in attributes


def parse_projection(resource: ResourceType, *, attributes: Iterable[str] = (), excluded: Iterable[str] = ()) -> Projection | None:
    """Return what the parameters ask for, or None when they ask for nothing; unknown names ask for nothing.

    A filter behind a name (`emails[type eq "work"]`, as Microsoft's test collection sends it) is ignored.
    Raises Refusal `E_Field_Invalid` when both are given (§3.9: mutually exclusive).
    """
    attributes, excluded = [name for name in attributes if name.strip()], [name for name in excluded if name.strip()]
    if attributes and excluded:
        raise Refusal("E_Field_Invalid", field="attributes", data={"field": "attributes", "rule": "not together with excludedAttributes"})
    if not attributes and not excluded:
        return None
    return Projection(_names(resource, attributes or excluded), excluding=bool(excluded))


def project(document: JsonObject, resource: ResourceType, projection: Projection | None) -> JsonObject:
    """Return the part of a canonical document that an answer may hold.

    `id` and `schemas` are always returned, secrets never, and what is returned on request only when named (RFC 7643 §7).
    """
    result: JsonObject = {}
    for key, value in document.items():
        extension = resource.find_extension(key) if ":" in key else None
        if extension is None:
            attribute = resource.find(key)
            if attribute is not None:
                _take(result, attribute, value, "", projection)
        elif isinstance(value, dict):
            part: JsonObject = {}
            for name, inner in value.items():
                inner_attribute = extension.find(name)
                if inner_attribute is not None:
                    _take(part, inner_attribute, inner, extension.urn, projection)
            if part:
                result[key] = part
    return result


def _names(resource: ResourceType, texts: Iterable[str]) -> _Names:
    names: dict[str, dict[str, frozenset[str] | None] | None] = {}
    for text in texts:
        path = parse_attribute_path(text.strip().partition("[")[0])
        binding = resource.bind(path.urn, path.name, path.sub) if path else None
        if binding is None:
            continue
        urn = binding.extension.urn if binding.extension else ""
        if binding.attribute is None:
            names[urn] = None
            continue
        attributes = names.setdefault(urn, {})
        if attributes is None:
            continue
        subs = attributes.get(binding.attribute.name, frozenset())
        attributes[binding.attribute.name] = subs | {binding.sub.name} if binding.sub and subs is not None else None
    return names


def _take(target: JsonObject, attribute: Attribute, value: Json, urn: str, projection: Projection | None) -> None:
    """Put the part of a value that may be answered into `target`."""
    if attribute.returned is Returned.ALWAYS:
        target[attribute.name] = value
    elif attribute.returned is Returned.NEVER:
        return
    elif projection is None:
        if attribute.returned is not Returned.REQUEST:
            target[attribute.name] = value
    elif projection.wants(attribute.name, urn):
        attributes = projection.names.get(urn, {})
        subs = attributes.get(attribute.name) if attributes is not None else None
        part = _part(value, subs, excluding=projection.excluding) if subs else value
        if part not in ({}, []):
            target[attribute.name] = part


def _part(value: Json, subs: frozenset[str], *, excluding: bool) -> Json:
    """Return the named sub-attributes of a complex value, or all others."""
    if isinstance(value, list):
        return [part for element in value if (part := _part(element, subs, excluding=excluding))]
    if isinstance(value, dict):
        return {name: inner for name, inner in value.items() if (name in subs) is not excluding}
    return value
