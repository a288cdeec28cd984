"""Userinfo: what an access token lets its app know of the person (OIDC Core §5.3)."""

from federation import claims
from federation.claims import Subject
from federation.downstream import bearer, tokens
from federation.downstream.asked import Asked
from federation.downstream.machine import answered_in_json
from federation.downstream.ready import Answer, in_json
from gateway.http import journal
from gateway.services import access
from gateway.services.people import node_of
from gateway.tokens.claims import TokenRejected


@answered_in_json
def userinfo(request: Asked) -> Answer:
    """Answer a bearer token in the header, by GET or POST; one in query or form counts as none (RFC 6750 §2, openid.md 32)."""
    node, context = request.node, request.context
    scheme, _, unverified_token = request.authorization.partition(" ")
    if scheme.lower() != "bearer" or not unverified_token.strip():
        return _challenge(request, 401, "")
    try:
        verified, grant, account = bearer.verify(context, node, unverified_token.strip(), tokens.userinfo_url(node))
    except TokenRejected:
        return _challenge(request, 401, "invalid_token")
    scope = tuple(str(verified.claims.get("scope", "")).split())
    if "openid" not in scope:
        return _challenge(request, 403, "insufficient_scope")
    roles = access.held_role_names(context, account, grant.client_id, grant.acting) if "roles" in scope else ()
    acting = node if grant.acting == node.id else node_of(context, grant.acting)
    return in_json(claims.userinfo(Subject(grant, account, acting, roles), scope))


def _challenge(request: Asked, status: int, error: str) -> Answer:
    """Return a refusal as RFC 6750 §3 wants it: in the header, with no error code where no token came at all."""
    journal.tell_error(request.environ, error or "no_token")
    challenge = f'Bearer realm="userinfo", error="{error}"' if error else 'Bearer realm="userinfo"'
    return in_json({"error": error or "invalid_token"}, status, [("WWW-Authenticate", challenge)])
