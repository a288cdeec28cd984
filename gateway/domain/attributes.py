"""Bodies that clients send, brought to canonical form: names as the tables spell them, nothing unassigned, every value of its type."""

from dataclasses import dataclass
from typing import NoReturn

from gateway.domain.errors import Refusal
from gateway.domain.filter import has_zone, microseconds
from gateway.domain.schema import Attribute, Json, JsonObject, Mutability, ResourceType, Schema, Type

_TEXTS = frozenset({Type.STRING, Type.REFERENCE, Type.BINARY, Type.DATETIME})


@dataclass(frozen=True, slots=True)
class Canonical:
    """A body in canonical form, and what it held beyond the tables."""

    document: JsonObject
    unknown: tuple[str, ...]
    """Names of attributes that no table knows; left out of the document. The connection's profile refuses or logs them."""


def canonical(body: JsonObject, resource: ResourceType) -> Canonical:
    """Return a POST or PUT body in canonical form.

    Null, "" and empty lists and objects are unassigned (RFC 7643 §2.5) and readOnly attributes ignored (RFC 7644 §3.3): neither is
    part of the document. `schemas` is computed from the extensions that remain.

    Raises Refusal: `E_Field_Required` (a required attribute is missing or blank), `E_Field_Invalid` (wrong type, two primary values),
    `E_Syntax` (one attribute in two spellings).
    """
    unknown: list[str] = []
    document: JsonObject = {"schemas": [resource.core.urn]}
    urns = []
    for key, value in body.items():
        extension = resource.find_extension(key) if ":" in key else None
        if extension:
            content = canonical_extension(extension, value, unknown)
            if content:
                _set_once(document, extension.urn, content)
                urns.append(extension.urn)
            continue
        attribute = resource.find(key)
        if attribute is None:
            unknown.append(key)
        elif attribute.name != "schemas" and attribute.mutability is not Mutability.READ_ONLY:
            found = canonical_value(attribute, value, attribute.name, unknown)
            if found is not None:
                _set_once(document, attribute.name, found)
    document["schemas"] = [resource.core.urn, *urns]
    require_complete(document, resource)
    return Canonical(document, tuple(unknown))


def require_complete(document: JsonObject, resource: ResourceType) -> None:
    """Refuse a document in which a required attribute is missing or blank (RFC 7643 §4.1.1: userName is not empty)."""
    for attribute in resource.core.attributes:
        value = document.get(attribute.name)
        if attribute.required and (value is None or (isinstance(value, str) and not value.strip())):
            raise Refusal("E_Field_Required", field=attribute.name, data={"field": attribute.name})


def canonical_extension(extension: Schema, value: Json, unknown: list[str]) -> JsonObject:
    """Return the content of an extension's object in canonical form, empty when nothing is assigned; unknown names are appended."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        _refuse_type(extension.urn, "an object")
    content: JsonObject = {}
    for key, part in value.items():
        attribute = extension.find(key)
        if attribute is None:
            # Clients built on scim2-models repeat `schemas` inside an extension's object; it says nothing there.
            unknown += [] if key.lower() == "schemas" else [f"{extension.urn}:{key}"]
        elif attribute.mutability is not Mutability.READ_ONLY:
            found = canonical_value(attribute, part, f"{extension.urn}:{attribute.name}", unknown)
            if found is not None:
                _set_once(content, attribute.name, found)
    return content


def canonical_value(attribute: Attribute, value: Json, where: str, unknown: list[str]) -> Json:
    """Return a value of `attribute` in canonical form, or None when it is unassigned.

    `where` names the attribute in refusals; names of unknown sub-attributes are appended to `unknown`.
    Raises Refusal `E_Field_Invalid` or `E_Syntax`.
    """
    if value is None:
        return None
    if not attribute.multi_valued:
        return canonical_element(attribute, value, where, unknown)
    if not isinstance(value, list):
        _refuse_type(where, "a list")
    elements: list[Json] = [found for part in value if (found := canonical_element(attribute, part, where, unknown)) is not None]
    require_one_primary(elements, where)
    return elements or None


def canonical_element(attribute: Attribute, value: Json, where: str, unknown: list[str]) -> Json:
    """Return one element of a multi-valued attribute, or a single value, in canonical form; None when it is unassigned."""
    if value is None:
        return None
    if attribute.type in _TEXTS:
        return _canonical_text(attribute, value, where)
    if attribute.complex:
        return _canonical_complex(attribute, value, where, unknown) or None
    if attribute.type is Type.BOOLEAN:
        if not isinstance(value, bool):
            _refuse_type(where, "true or false")
    elif isinstance(value, bool) or not isinstance(value, int if attribute.type is Type.INTEGER else (int, float)):
        _refuse_type(where, f"of type {attribute.type}")
    return value


def require_one_primary(elements: list[Json], where: str) -> None:
    """Refuse more than one primary element (RFC 7643 §2.4)."""
    if sum(1 for element in elements if isinstance(element, dict) and element.get("primary") is True) > 1:
        raise Refusal("E_Field_Invalid", field=where, data={"field": where, "rule": "only one element may be primary"})


def _canonical_text(attribute: Attribute, value: Json, where: str) -> str | None:
    if not isinstance(value, str):
        _refuse_type(where, "a text")
    if attribute.type is Type.DATETIME and value and (not has_zone(value) or microseconds(value) is None):
        _refuse_type(where, "a date and time with zone")
    return value or None


def _canonical_complex(attribute: Attribute, value: Json, where: str, unknown: list[str]) -> JsonObject:
    if not isinstance(value, dict):
        _refuse_type(where, "an object")
    content: JsonObject = {}
    for key, part in value.items():
        sub = attribute.find_sub(key)
        if sub is None:
            unknown.append(f"{where}.{key}")
        elif sub.mutability is not Mutability.READ_ONLY:
            found = canonical_value(sub, part, f"{where}.{sub.name}", unknown)
            if found is not None:
                _set_once(content, sub.name, found)
    return content


def _set_once(target: JsonObject, name: str, value: Json) -> None:
    """Set an attribute, or refuse the body: of two spellings of one name, readers would disagree which counts."""
    if name in target:
        raise Refusal("E_Syntax", field=name, data={"value": f"{name} is given twice"})
    target[name] = value


def _refuse_type(where: str, expected: str) -> NoReturn:
    raise Refusal("E_Field_Invalid", field=where, data={"field": where, "rule": f"must be {expected}"})
