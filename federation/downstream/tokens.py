"""Making the tokens of an answer: claims from what was granted, signed with the node's keys."""

from typing import Any

from federation import claims
from federation.claims import Stamp, Subject
from gateway.domain.nodes import Node
from gateway.domain.relying_party import RelyingParty
from gateway.domain.values import HOUR_MS, SECOND_MS
from gateway.http import endpoints
from gateway.services import grants, keys
from gateway.services.context import Context
from gateway.services.grants import Issued
from gateway.tokens.digests import at_hash
from gateway.tokens.signing import sign

LONGEST_APP_TOKEN_MS = HOUR_MS
"""For tokens that an app gets for itself (R-172)."""
ID_TOKEN_TYPE, ACCESS_TOKEN_TYPE = "JWT", "at+jwt"


def issue(context: Context, node: Node, client: RelyingParty, issued: Issued, *, nonce: str) -> dict[str, Any]:
    """Return the token answer for a person's grant (RFC 6749 §5.1, OIDC Core §3.1.3.3)."""
    subject = Subject(issued.grant, issued.account, issued.acting, issued.roles)
    key = keys.get_signing_key(context, node.id, client.access_token_alg)
    access_token = sign(
        claims.access_token_claims(
            subject,
            _stamp(context, node, issued.lifetimes.access_token),
            audience=audience(context, node, issued.resource, openid="openid" in issued.scope),
            scope=issued.scope,
            token_id=context.new_id(),
        ),
        key,
        typ=ACCESS_TOKEN_TYPE,
    )
    answer = _answer(access_token, issued.lifetimes.access_token, issued.scope)
    if issued.refresh_token:
        answer["refresh_token"] = issued.refresh_token
    if "openid" in issued.scope:
        told = claims.id_token_claims(
            subject,
            _stamp(context, node, issued.lifetimes.id_token),
            nonce=nonce,
            at_hash=at_hash(access_token, client.id_token_alg),
        )
        if client.id_token_alg != client.access_token_alg:
            key = keys.get_signing_key(context, node.id, client.id_token_alg)
        answer["id_token"] = sign(told, key, typ=ID_TOKEN_TYPE)
    return answer


def issue_for_app(context: Context, node: Node, client: RelyingParty, *, scope: tuple[str, ...], resource: str) -> dict[str, Any]:
    """Return the token answer for an app that acts for itself. Raises Refusal while the node is switched off."""
    lifetime = min(grants.require_open(context, node).access_token, LONGEST_APP_TOKEN_MS)
    told = claims.app_token_claims(
        client.client_id,
        _stamp(context, node, lifetime),
        tenant=node,
        audience=audience(context, node, resource or next(iter(client.resources), ""), openid=False),
        scope=scope,
        token_id=context.new_id(),
    )
    token = sign(told, keys.get_signing_key(context, node.id, client.access_token_alg), typ=ACCESS_TOKEN_TYPE)
    return _answer(token, lifetime, scope)


def audience(context: Context, node: Node, resource: str, *, openid: bool) -> list[str]:
    """Return what an access token is good for: one resource, and userinfo besides; our own APIs stand alone (decisions.md 30)."""
    alone = {f"{context.urls.public_url}/api/v1", node.scim_base}
    userinfo = [userinfo_url(node)] if openid and resource not in alone else []
    return [item for item in (resource, *userinfo) if item] or [node.issuer]


def userinfo_url(node: Node) -> str:
    """Return the address of userinfo, which is its audience too."""
    return endpoints.below(node, endpoints.USERINFO)


def _stamp(context: Context, node: Node, lifetime: int) -> Stamp:
    return Stamp(issuer=node.issuer, public_url=context.urls.public_url, now=context.now(), lifetime=lifetime)


def _answer(access_token: str, lifetime: int, scope: tuple[str, ...]) -> dict[str, Any]:
    return {"access_token": access_token, "token_type": "Bearer", "expires_in": lifetime // SECOND_MS, "scope": " ".join(scope)}
