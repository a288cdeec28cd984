"""Userinfo: what an access token lets its app know of the person (OIDC Core §5.3)."""

from flask import Response, request

from federation import claims
from federation.claims import Subject
from federation.downstream import bearer, tokens
from federation.downstream.machine import answered_in_json
from federation.downstream.ready import in_json
from gateway.domain.audit import Channel
from gateway.http import journal, requests, tenancy
from gateway.services import access
from gateway.services.people import node_of
from gateway.tokens.claims import TokenRejected


@answered_in_json
def userinfo() -> Response:
    """Answer a bearer token in the header, by GET or POST; one in query or form counts as none (RFC 6750 §2, openid.md 32)."""
    node, context = tenancy.current_node(), requests.context(Channel.APP)
    scheme, _, unverified_token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not unverified_token.strip():
        return _challenge(401, "")
    try:
        verified, grant, account = bearer.verify(context, node, unverified_token.strip(), tokens.userinfo_url(node))
    except TokenRejected:
        return _challenge(401, "invalid_token")
    scope = tuple(str(verified.claims.get("scope", "")).split())
    if "openid" not in scope:
        return _challenge(403, "insufficient_scope")
    roles = access.held_role_names(context, account, grant.client_id, grant.acting)
    acting = node if grant.acting == node.id else node_of(context, grant.acting)
    told = claims.userinfo(Subject(grant, account, acting, roles), scope)
    return in_json(told)


def _challenge(status: int, error: str) -> Response:
    """Return a refusal as RFC 6750 §3 wants it: in the header, with no error code where no token came at all."""
    journal.tell_error(request.environ, error or "no_token")
    challenge = f'Bearer realm="userinfo", error="{error}"' if error else 'Bearer realm="userinfo"'
    return in_json({"error": error or "invalid_token"}, status, [("WWW-Authenticate", challenge)])
