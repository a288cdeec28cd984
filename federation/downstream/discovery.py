"""What we say of ourselves: discovery (OpenID Connect Discovery §3, RFC 8414) and the public keys."""

import json

from flask import Response

from federation import claims
from federation.downstream.answers import MODES
from federation.downstream.assertions import ALGORITHMS as ASSERTION_ALGORITHMS
from federation.downstream.authorization_request import PROMPTS
from gateway.domain.audit import Channel
from gateway.domain.nodes import Node
from gateway.domain.relying_party import SCOPES, AuthMethod, Level
from gateway.domain.values import SECOND_MS
from gateway.http import endpoints, requests, tenancy
from gateway.services import keys
from gateway.services.relying_parties import GRANTS

KEEP_SECONDS = keys.LEAD_MS // SECOND_MS // 2
"""How long keys may be kept: half the time for which a new one is published before it signs (openid.md 37)."""
_AUTH_METHODS = [method.value for method in AuthMethod]
_AUTHENTICATING = [method.value for method in AuthMethod if method is not AuthMethod.NONE]
_CLAIMS = (
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "sid",
    "at_hash",
    "tenant",
    "tenant_id",
    "roles",
    "name",
    "given_name",
    "family_name",
    "preferred_username",
    "locale",
    "zoneinfo",
    "updated_at",
    "email",
    "email_verified",
    "phone_number",
)


def metadata() -> Response:
    """Return the issuer's metadata; it stays readable while the node is switched off (decisions.md 16)."""
    return _public(document(tenancy.current_node(), requests.house().settings.public_url))


def jwks() -> Response:
    """Return the issuer's public keys (RFC 7517 §5)."""
    node, context = tenancy.current_node(), requests.context(Channel.APP)
    return _public({"keys": keys.list_public_keys(context, node.id)})


def document(node: Node, public_url: str) -> dict[str, object]:
    """Return the metadata of a node's issuer."""
    return {
        "issuer": node.issuer,
        "authorization_endpoint": endpoints.below(node, endpoints.AUTHORIZE),
        "token_endpoint": endpoints.below(node, endpoints.TOKEN),
        "userinfo_endpoint": endpoints.below(node, endpoints.USERINFO),
        "jwks_uri": endpoints.below(node, endpoints.JWKS),
        "end_session_endpoint": endpoints.below(node, endpoints.LOGOUT),
        "introspection_endpoint": endpoints.below(node, endpoints.INTROSPECT),
        "revocation_endpoint": endpoints.below(node, endpoints.REVOKE),
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": list(MODES),
        "grant_types_supported": list(GRANTS),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(keys.ALGORITHMS),
        "token_endpoint_auth_methods_supported": _AUTH_METHODS,
        "token_endpoint_auth_signing_alg_values_supported": sorted(ASSERTION_ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": _AUTHENTICATING,
        "introspection_endpoint_auth_signing_alg_values_supported": sorted(ASSERTION_ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": _AUTH_METHODS,
        "revocation_endpoint_auth_signing_alg_values_supported": sorted(ASSERTION_ALGORITHMS),
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": sorted(PROMPTS),
        "acr_values_supported": [claims.acr(public_url, level) for level in Level],
        "claim_types_supported": ["normal"],
        "claims_supported": list(_CLAIMS),
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "require_request_uri_registration": False,
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }


def _public(content: dict[str, object]) -> Response:
    response = Response(json.dumps(content), mimetype="application/json")
    response.headers["Cache-Control"] = f"public, max-age={KEEP_SECONDS}"
    return response
