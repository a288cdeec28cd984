"""Bodies: read within limits, and written into the log without their secrets."""

import json
from collections.abc import Iterable
from typing import cast

from gateway.domain.errors import Refusal
from gateway.domain.schema import Json, JsonObject
from gateway.domain.untrusted_json import parse_object
from scim.profiles import Profile

MAX_DEPTH = 32
"""Objects and lists inside one another; no SCIM message needs more than six."""
LOGGED = 16_384
"""Characters of a body that the log keeps."""
_MEDIA_TYPES = frozenset({"application/scim+json", "application/json"})
_MASK = "***"


def require_media_type(content_type: str) -> None:
    """Refuse a body of another type (RFC 7644 §3.1, §8.1); one without a type is taken for ours."""
    if content_type and content_type.partition(";")[0].strip().lower() not in _MEDIA_TYPES:
        raise Refusal("E_Media_Type", data={"value": content_type[:128]})


def parse_body(unverified_body: bytes, profile: Profile) -> JsonObject:
    """Return the JSON object of a body, or refuse it with `E_Syntax`."""
    try:
        document = parse_object(unverified_body)
        if profile.duplicate_keys_refused:
            json.loads(unverified_body, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise Refusal("E_Syntax", data={"value": "the body is no JSON object"}, reason=f"body: {type(error).__name__}") from error
    if unverified_body.count(b"{") + unverified_body.count(b"[") > MAX_DEPTH and _is_deep(document):
        raise Refusal("E_Syntax", data={"value": f"JSON is nested deeper than {MAX_DEPTH}"})
    return cast(JsonObject, document)


def may_name_password(unverified_body: bytes) -> bool:
    """Return whether the word may be in a body. An escape could spell it without its letters: such a body has to be walked through."""
    lowered = unverified_body.lower()
    return b"password" in lowered or b"\\u" in lowered


def find_password(body: JsonObject) -> str:
    """Return the password that a body is going to set, the last one it names; empty if it names none.

    It only helps to hash it in time: whether and which one is set, the handlers decide.
    """
    found = ""
    operations = next((value for key, value in body.items() if key.lower() == "operations"), [])
    for part in [body, *(operations if isinstance(operations, list) else [])]:
        if not isinstance(part, dict):
            continue
        values = {key.lower(): value for key, value in part.items()}
        path, value = values.get("path"), values.get("value")
        named = value if isinstance(path, str) and path.lower().endswith("password") else None
        inner = {key.lower(): item for key, item in value.items()} if isinstance(value, dict) else {}
        found = next((text for text in (named, inner.get("password"), values.get("password")) if isinstance(text, str) and text), found)
    return found


def masked(unverified_body: bytes, body: JsonObject | None) -> str:
    """Return a body for the log: passwords masked, long ones cut, and nothing of what could not be read."""
    if body is None:
        return ""
    if not may_name_password(unverified_body):
        return unverified_body.decode()[:LOGGED]
    return json.dumps(_masked(body), ensure_ascii=False, separators=(",", ":"))[:LOGGED]


def _masked(value: Json) -> Json:
    if isinstance(value, list):
        return [_masked(part) for part in value]
    if not isinstance(value, dict):
        return value
    named = any(isinstance(part, str) and "password" in part.lower() for key, part in value.items() if key.lower() == "path")
    return {key: _MASK if "password" in key.lower() or (named and key.lower() == "value") else _masked(part) for key, part in value.items()}


def _is_deep(document: object) -> bool:
    """Whether a document is nested deeper than allowed; walked level by level, so that depth costs no stack."""
    level: list[object] = [document]
    for _ in range(MAX_DEPTH):
        level = [part for value in level for part in _parts(value)]
        if not level:
            return False
    return True


def _parts(value: object) -> Iterable[object]:
    """Return the objects and lists inside a value."""
    parts: Iterable[object] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [part for part in parts if isinstance(part, dict | list)]


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a key is given twice")
    return document
