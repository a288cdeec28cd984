"""Refusals as SCIM tells them (RFC 7644 §3.12): one table, the catalogue's, and a body that is never HTML."""

from collections.abc import Mapping

import orjson

from gateway.domain.errors import Refusal
from scim.exchange import Answer

RETRY_SECONDS = 5
"""After how long a client asks again while the database cannot serve."""

_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"
_SCIM_TYPES = frozenset(
    {
        "invalidFilter", "tooMany", "uniqueness", "mutability", "invalidSyntax", "invalidPath", "noTarget", "invalidValue", "invalidVers",
        "sensitive",
    }
)  # fmt: skip
_BEARER = {401: 'Bearer realm="scim"'}


def answer_of(refusal: Refusal, correlation_id: str, *, headers: Mapping[str, str] | None = None) -> Answer:
    """Return the error of a refusal: `status` as a string, `detail` with the code first and the correlation id last."""
    status, scim_type = status_of(refusal)
    document: dict[str, object] = {"schemas": [_SCHEMA], "status": str(status)}
    if scim_type:
        document["scimType"] = scim_type
    document["detail"] = f"{refusal.code}: {refusal} (correlation {correlation_id})"
    carried = dict(headers or {})
    if status in _BEARER:
        carried["WWW-Authenticate"] = _BEARER[status]
    if refusal.code in {"E_Unavailable", "E_Rate_Limited"}:
        carried["Retry-After"] = str(refusal.data.get("seconds", RETRY_SECONDS))
    return Answer(status, orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS), carried, refusal=refusal)


def status_of(refusal: Refusal) -> tuple[int, str]:
    """Return status and scimType; a code that the catalogue gives no answer for SCIM keeps the status of its page."""
    scim = refusal.entry.scim
    if scim is None:
        return refusal.entry.page_status, ""
    # RFC 7644 table 9 defines the types for 400 and 409 alone.
    return scim.status, scim.scim_type if scim.scim_type in _SCIM_TYPES and scim.status in {400, 409} else ""
