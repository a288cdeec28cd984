"""The SCIM document of a person: what is stored, what is spliced in when it is read, and which of its attributes are columns.

Stored is compact JSON that begins with `schemas` and leaves out what other rows know: externalId (it belongs to a connection), groups,
meta, and our whole extension (decisions.md 36). Every door that changes a person changes this document too: see `updated_document`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring
from zlib import crc32

from gateway.domain.schema import CORE_USER_URN, ENTERPRISE_URN, MOONGATE_URN, Json, JsonObject
from gateway.domain.values import Instant

_APART = frozenset({"schemas", "externalId", "password", "groups", "meta", MOONGATE_URN})


@dataclass(frozen=True, slots=True)
class PersonFields:
    """The attributes of a person that are columns, because other rooms than SCIM use them. Empty texts mean unassigned."""

    user_name: str
    given_name: str = ""
    family_name: str = ""
    display_name: str = ""
    email: str = ""
    """The primary address, else the first."""
    phone: str = ""
    """The mobile number, else the first that is neither work, fax nor pager."""
    business_phone: str = ""
    """The work number: another field than `phone` (decisions.md 17)."""
    job_title: str = ""
    language: str = ""
    """preferredLanguage, else locale."""
    time_zone: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True)
class Parts:
    """A document taken apart: what is stored as JSON, and what is stored elsewhere."""

    stored: JsonObject
    external_id: str | None
    password: str | None
    """Only ever on its way to the credential service; never in a stored document."""
    extension: JsonObject
    """What was said about our own extension."""


def parted(document: JsonObject) -> Parts:
    """Return a canonical document taken apart for storage."""
    stored: JsonObject = {"schemas": [CORE_USER_URN, *([ENTERPRISE_URN] if ENTERPRISE_URN in document else [])]}
    stored.update((name, value) for name, value in document.items() if name not in _APART)
    external_id, password, extension = document.get("externalId"), document.get("password"), document.get(MOONGATE_URN)
    return Parts(
        stored,
        external_id if isinstance(external_id, str) else None,
        password if isinstance(password, str) else None,
        extension if isinstance(extension, dict) else {},
    )


def joined(stored: JsonObject, *, external_id: str | None, extension: JsonObject) -> JsonObject:
    """Return the whole document that a PATCH changes: the stored one with externalId and our extension; shares the stored values."""
    document = dict(stored)
    if external_id is not None:
        document["externalId"] = external_id
    if extension:
        document[MOONGATE_URN] = extension
    return document


def splice(version: str, *, created_at: Instant, updated_at: Instant, external_id: str | None = None, extension: str = "") -> str:
    """Return what is spliced into a stored document besides groups and location.

    `version` is what the ETag says (RFC 7644 §3.14) as far as it does not depend on groups; `extension` is our extension's JSON object.
    """
    parts = [_EXTENSION_KEY, extension] if extension else []
    if external_id is not None:
        parts += (',"externalId":', encode_basestring(external_id))
    parts += (',"meta":{"resourceType":"User","created":"', timestamp(created_at))
    parts += ('","lastModified":"', timestamp(updated_at), '","version":"', _TAG, version)
    return "".join(parts)


def whole(stored: str, spliced: str, *, location: str, groups_json: str = "") -> bytes:
    """Return the full document as JSON, made by joining texts and without parsing.

    `stored` comes from `storage.people.stored_json`, `spliced` from `splice`. `location` is an absolute URL that JSON need not escape;
    `groups_json` is a JSON list, and empty leaves the attribute out.
    """
    # `schemas` must name every extension present (RFC 7643 §3); the core URN is always its first element.
    head, start = (_EXTENDED_OPENING, _OPENING_LENGTH) if spliced.startswith(_EXTENSION_KEY) else ("", 0)
    if groups_json:
        mark = _mark(groups_json)
        return f'{head}{stored[start:-1]}{spliced}{mark}\\"","location":"{location}"}},"groups":{groups_json}}}'.encode()
    return f'{head}{stored[start:-1]}{spliced}\\"","location":"{location}"}}}}'.encode()


def etag(spliced: str, groups_json: str = "") -> str:
    """Return the ETag that `whole` puts into a document, as in the header."""
    return f'W/"{spliced[spliced.rindex(_TAG) + len(_TAG) :]}{_mark(groups_json)}"'


@lru_cache(maxsize=4096)
def _mark(groups_json: str) -> str:
    """Return what the version says of groups, of which people of a page mostly have the same."""
    return f"-{crc32(groups_json.encode()):x}" if groups_json else ""


def person_from_document(document: Mapping[str, Json]) -> PersonFields:
    """Return the columns of the person a canonical document describes; `active` is true unless the document says otherwise."""
    name = document.get("name")
    name = name if isinstance(name, dict) else {}
    email = _primary(_elements(document, "emails"))
    phone, business_phone = _phone(document), _of_type(_elements(document, "phoneNumbers"), "work")
    return PersonFields(
        user_name=_string(document, "userName"),
        given_name=_string(name, "givenName"),
        family_name=_string(name, "familyName"),
        display_name=_string(document, "displayName"),
        email=_string(email or {}, "value"),
        phone=_string(phone or {}, "value"),
        business_phone=_string(business_phone or {}, "value"),
        job_title=_string(document, "title"),
        language=_string(document, "preferredLanguage") or _string(document, "locale"),
        time_zone=_string(document, "timezone"),
        active=document.get("active") is not False,
    )


def render(person: PersonFields, extras: JsonObject | None = None) -> JsonObject:
    """Return the canonical document of a person whom no directory pushed, on top of `extras` (for instance an `id`)."""
    document: JsonObject = {"schemas": [CORE_USER_URN], **(extras or {})}
    return updated_document(document, person) | {"active": person.active}


def updated_document(document: JsonObject, person: PersonFields) -> JsonObject:
    """Return a copy of the document in which the changed fields are overwritten and all else is as the directory pushed it.

    Only fields that differ from what the document says are written, so that a second address or a locale stays where it is.
    """
    before = person_from_document(document)
    changed = {field.name for field in fields(PersonFields) if getattr(before, field.name) != getattr(person, field.name)}
    updated = dict(document)
    for field_name, attribute in _SIMPLE.items():
        if field_name in changed:
            _assign(updated, attribute, getattr(person, field_name))
    if changed & {"given_name", "family_name"}:
        _write_name(updated, person)
    if "email" in changed:
        _write_element(updated, "emails", _primary(_elements(updated, "emails")), person.email, {"type": "work", "primary": True})
    if "phone" in changed:
        _write_element(updated, "phoneNumbers", _phone(updated), person.phone, {"type": "mobile"})
    if "business_phone" in changed:
        work = _of_type(_elements(updated, "phoneNumbers"), "work")
        _write_element(updated, "phoneNumbers", work, person.business_phone, {"type": "work"})
    if "active" in changed:
        updated["active"] = person.active
    return updated


@lru_cache(maxsize=16_384)
def timestamp(instant: Instant) -> str:
    """Return an instant as a SCIM dateTime in UTC (RFC 7643 §2.3.5)."""
    seconds, milliseconds = divmod(instant, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{milliseconds:03d}Z"


_OPENING = f'{{"schemas":["{CORE_USER_URN}"'
_OPENING_LENGTH = len(_OPENING)
_EXTENDED_OPENING = f'{_OPENING},"{MOONGATE_URN}"'
_EXTENSION_KEY = f',"{MOONGATE_URN}":'
_TAG = 'W/\\"'
"""How an ETag begins inside JSON."""
_SIMPLE = {
    "user_name": "userName",
    "display_name": "displayName",
    "job_title": "title",
    "language": "preferredLanguage",
    "time_zone": "timezone",
}
_NOT_PERSONAL = frozenset({"work", "fax", "pager"})


def _string(container: Mapping[str, Json], name: str) -> str:
    value = container.get(name)
    return value if isinstance(value, str) else ""


def _elements(document: Mapping[str, Json], name: str) -> list[JsonObject]:
    value = document.get(name)
    return [element for element in value if isinstance(element, dict)] if isinstance(value, list) else []


def _primary(elements: list[JsonObject]) -> JsonObject | None:
    """Return the primary element that has a value, else the first that has one (requirements.md section 7)."""
    valued = [element for element in elements if element.get("value")]
    return next((element for element in valued if element.get("primary") is True), valued[0] if valued else None)


def _of_type(elements: list[JsonObject], kind: str) -> JsonObject | None:
    return next((element for element in elements if _string(element, "type").lower() == kind and element.get("value")), None)


def _phone(document: Mapping[str, Json]) -> JsonObject | None:
    elements = _elements(document, "phoneNumbers")
    personal = [element for element in elements if _string(element, "type").lower() not in _NOT_PERSONAL and element.get("value")]
    return _of_type(elements, "mobile") or (personal[0] if personal else None)


def _assign(container: JsonObject, name: str, value: str) -> None:
    if value:
        container[name] = value
    else:
        container.pop(name, None)


def _write_name(document: JsonObject, person: PersonFields) -> None:
    old = document.get("name")
    name = dict(old) if isinstance(old, dict) else {}
    # A formatted name in the old spelling would contradict the new parts, and clients may show either.
    name.pop("formatted", None)
    _assign(name, "givenName", person.given_name)
    _assign(name, "familyName", person.family_name)
    document.pop("name", None)
    if name:
        document["name"] = name


def _write_element(document: JsonObject, attribute: str, target: JsonObject | None, value: str, defaults: JsonObject) -> None:
    """Give the target element that value; make one where there is none; drop it when the value is empty."""
    elements: list[Json] = []
    for element in _elements(document, attribute):
        if element is not target:
            elements.append(element)
        elif value:
            elements.append({**element, "value": value})
    if target is None and value:
        elements.append({"value": value, **defaults})
    document.pop(attribute, None)
    if elements:
        document[attribute] = elements
