"""Making the tokens of an answer: claims from what was granted, signed with the node's keys."""

from dataclasses import dataclass
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
from gateway.tokens.signing import SigningKey, sign
from gateway.tokens.verification import KeySet, remember_access_token

LONGEST_APP_TOKEN_MS = HOUR_MS
"""For tokens that an app gets for itself (R-172)."""
ID_TOKEN_TYPE, ACCESS_TOKEN_TYPE = "JWT", "at+jwt"


@dataclass(frozen=True, slots=True)
class Signers:
    """The keys of one answer, and those by which its access token is known again."""

    access_token: SigningKey
    id_token: SigningKey
    published: KeySet


def signers_of(context: Context, node: Node, client: RelyingParty) -> Signers:
    """Return the keys that sign for an app now. To be asked before what is granted is stored: a commit makes the next look costly."""
    access_token = keys.get_signing_key(context, node.id, client.access_token_alg)
    same = client.id_token_alg == client.access_token_alg
    id_token = access_token if same else keys.get_signing_key(context, node.id, client.id_token_alg)
    return Signers(access_token, id_token, keys.verification_keys(context, node.id))


def issue(context: Context, node: Node, client: RelyingParty, issued: Issued, signers: Signers, *, nonce: str) -> dict[str, Any]:
    """Return the token answer for a person's grant (RFC 6749 §5.1, OIDC Core §3.1.3.3)."""
    subject = Subject(issued.grant, issued.account, issued.acting, issued.roles)
    key = signers.access_token
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
    remember_access_token(access_token, signers.published, kid=key.kid, alg=key.alg)
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
        answer["id_token"] = sign(told, signers.id_token, typ=ID_TOKEN_TYPE)
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
