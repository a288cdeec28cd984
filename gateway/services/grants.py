"""Grants: a code for an app, redeemed once; refresh tokens rotated, and a replay ends the family (decisions.md 33).

Nothing is stored for a code: it is the grant itself, sealed, and stored by its redemption (ADR 0015).
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.domain.audit import Actor, ActorKind, Channel, Event
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Lifetimes, Node, chain_epoch
from gateway.domain.people import Account, may_stay
from gateway.domain.relying_party import AuthorizationRequest, Grant, RelyingParty, Session
from gateway.domain.sign_in import Path, wants_second_factor
from gateway.domain.values import SECOND_MS, GrantId, Instant, NodeId, hash_token
from gateway.services import access, admission, nodes, refresh_tokens
from gateway.services.admission import Admitted, Attempt
from gateway.services.codes import make_code, open_code
from gateway.services.context import Context
from gateway.storage import grants, relying_parties, sessions
from gateway.storage import nodes as stored_nodes
from gateway.storage.audit import Trace
from gateway.storage.grants import CodeStanding, Standing, StoredRefreshToken
from gateway.storage.sessions import SignedIn
from gateway.tokens.codes import Code, digest_of

REFRESH_GRACE_MS = 10 * SECOND_MS


class GrantRejected(Exception):
    """A code or refresh token is not good: `invalid_grant` to the app (RFC 6749 §5.2). `reason` is for the log."""

    def __init__(self, reason: str) -> None:
        """Keep the reason for the log; the app learns only that the grant is invalid."""
        super().__init__("The grant is invalid, expired, used or revoked.")
        self.reason = reason


class TargetRejected(Exception):
    """A token is asked for a resource that was not granted: `invalid_target` to the app (RFC 8707 §2)."""


class ScopeWidened(Exception):
    """A refresh asks for more than was granted: `invalid_scope` to the app (RFC 6749 §6); the token stays as it was."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What a token answer is made from."""

    grant: Grant
    account: Account
    acting: Node
    lifetimes: Lifetimes
    scope: tuple[str, ...]
    """Of this answer: a refresh may ask for less than was granted."""
    resource: str
    """What the access token is for; empty where only userinfo is meant (decisions.md 30)."""
    refresh_token: str
    """Empty where the app gets none."""
    roles: tuple[str, ...]
    """The active roles of the person where they act."""


_Outcome = Issued | GrantRejected | ScopeWidened | TargetRejected | Refusal


def authorize(
    context: Context, node: Node, client: RelyingParty, request: AuthorizationRequest, session: Session, *, tenant: str
) -> Admitted | str:
    """Return an authorization code for the person of a live session, or what has to be done first.

    Raises Refusal with the code of the chain. `tenant` is the slug asked for or chosen.
    """
    with context.database.transaction():
        current = sessions.find_session_by_sid(context.database, session.sid)
        if current is None or current.ended_at is not None:
            raise Refusal("E_Session_Expired", reason="the session has ended meanwhile")
        outcome = admission.admit(context, _attempt_to_authorize(context, node, client, request, session, tenant=tenant))
    if isinstance(outcome, Refusal):
        raise outcome
    if outcome.due is None and outcome.acting is not None:
        return make_code(context, client, request, session, outcome)
    return outcome


def find_code(
    context: Context, node: Node, client: RelyingParty, request: AuthorizationRequest, signed_in: SignedIn
) -> tuple[str, Trace] | None:
    """Return a code for somebody who was just found signed in, with the trace to keep, if nothing at all stands in the way.

    None otherwise: nothing was written then, and `authorize` is to be asked.
    """
    attempt = _attempt_to_authorize(context, node, client, request, signed_in.session, tenant=request.tenant, signed_in=signed_in)
    found = admission.find_admitted(context, attempt)
    return (make_code(context, client, request, signed_in.session, found[0]), found[1]) if found is not None else None


def redeem_code(
    context: Context, node: Node, client: RelyingParty, code: str, *, redirect_uri: str, verifier: str, resource: str = ""
) -> Issued:
    """Return what the token answer is made from, for the first redemption of a code by its own app.

    A second redemption ends the grant with all its tokens (RFC 9700 §4.5); a code presented by another app, with another
    redirect URI or a wrong verifier is burnt (RFC 7636 §4.6). Raises GrantRejected or TargetRejected.
    """
    opened = open_code(context, code)
    if opened is None:
        raise GrantRejected("unknown code")
    lives = nodes.lifetimes(context, node.id)
    with context.database.transaction():
        outcome = _redeem(context, opened, _Presented(client, redirect_uri, verifier, resource), lives)
    return _issued_or_raise(outcome)


def refresh(context: Context, node: Node, client: RelyingParty, token: str, *, scope: Sequence[str] = (), resource: str = "") -> Issued:
    """Return what the token answer is made from, with the refresh token rotated.

    `scope` narrows this answer's access token. Raises GrantRejected, ScopeWidened, TargetRejected or Refusal.
    """
    with context.database.transaction():
        outcome = _refresh(context, node, client, token, scope=tuple(scope), resource=resource)
    return _issued_or_raise(outcome)


def is_open(context: Context, node: Node) -> bool:
    """Return whether neither the node nor one above it is switched off."""
    return not any(
        item.disabled_at is not None or item.deleted_at is not None for item in stored_nodes.list_chain(context.database, node.id)
    )


def require_open(context: Context, node: Node) -> Lifetimes:
    """Return the lifetimes for a token that an app gets for itself, or refuse while the node or one above it is switched off."""
    if not is_open(context, node):
        raise Refusal("E_Tenant_Not_Allowed", reason="the issuer or a node above it is switched off")
    return nodes.lifetimes(context, node.id)


def find_refreshable(context: Context, node_id: NodeId, token: str) -> tuple[Grant, Account, Instant] | None:
    """Return the live grant of a refresh token that may still be used, its account, and when the token ends by itself."""
    stored = refresh_tokens.find(context, token)
    live = find_live(context, node_id, stored.grant) if stored is not None else None
    if stored is None or live is None:
        return None
    ends = min(stored.expires_at, live[0].expires_at)
    return None if stored.rotated_at is not None or ends <= context.now() else (*live, ends)


def revoke(context: Context, client: RelyingParty, grant: Grant) -> None:
    """End a grant at the wish of its app; another app's grant stays (RFC 7009 §2.1)."""
    if grant.client_id != client.client_id:
        return
    with context.database.transaction():
        if grants.end_grant(context.database, grant.id, "revoked by the app", context.now()):
            context.record(Event(grant.node, "grant.revoked", "grant", grant.id, detail={"app": client.client_id}))


def find_live(context: Context, node_id: NodeId, grant_id: str) -> tuple[Grant, Account] | None:
    """Return a grant of this issuer that is alive, with its account; None when anything ended it (openid.md 36)."""
    found = grants.find_granted(context.database, GrantId(grant_id))
    if found is None:
        return None
    grant, account = found
    if grant.node != node_id or grant.ended_at is not None or not may_stay(account, context.now()):
        return None
    # Asked of the configuration, which is kept in memory: every app asks this for every call of its people.
    party = relying_parties.find_relying_party(context.database, grant.node, grant.client_id)
    if party is None or party.disabled_at is not None or party.epoch != grant.app_epoch:
        return None
    chains = (stored_nodes.list_chain(context.database, place) for place in (account.home, grant.node, grant.acting))
    return found if sum(map(chain_epoch, chains)) == grant.epoch else None


def _attempt_to_authorize(
    context: Context,
    node: Node,
    client: RelyingParty,
    request: AuthorizationRequest,
    session: Session,
    *,
    tenant: str,
    signed_in: SignedIn | None = None,
) -> Attempt:
    silent = "none" in request.prompt
    return Attempt(
        node=node.id,
        path=Path.SESSION,
        client=client,
        account=session.account,
        means=session.means,
        tenant=tenant,
        preferred=grants.find_last_acting(context.database, session.sid, client.client_id) if silent else None,
        may_ask=not silent,
        step_up=wants_second_factor(request, context.urls.public_url),
        signed_in=signed_in,
    )


@dataclass(frozen=True, slots=True)
class _Presented:
    """What comes to the token endpoint with a code."""

    client: RelyingParty
    redirect_uri: str
    verifier: str
    resource: str


def _redeem(context: Context, code: Code, presented: _Presented, lives: Lifetimes) -> _Outcome:
    """Store the grant of a code, once; a code that is refused is burnt by a grant that ended before it began."""
    now, client = context.now(), presented.client
    standing = grants.find_code_standing(
        context.database, code.session, acting=code.acting, client_id=code.client_id, app_epoch=code.app_epoch
    )
    if standing is None:
        return GrantRejected("its session, its account or the tenant acted in is gone")
    if code.expires_at <= now:
        return _replayed_code(context, standing.node, code.grant, "the code expired")
    grant = _grant_of(code, standing, presented.redirect_uri)
    target = _target(client, grant, presented.resource)
    fault = _fault_of(code, standing, presented, now) or (TargetRejected(presented.resource) if target is None else None)
    if not grants.take_grant(context.database, grant if fault is None else replace(grant, ended_at=now)):
        return _replayed_code(context, standing.node, code.grant, "the code was used before")
    if fault is not None:
        return fault
    _as_signed_on(context, code).record(_granted(grant, standing.acting))
    # Read here, where what the commit leaves behind is not read anew.
    roles = tuple(access.held_role_names(context, standing.account, grant.client_id, grant.acting))
    token = refresh_tokens.make_first(context, grant, lives) if "refresh_token" in client.grants else ""
    return Issued(grant, standing.account, standing.acting, lives, grant.scope, target or "", token, roles)


def _fault_of(code: Code, standing: CodeStanding, presented: _Presented, now: Instant) -> GrantRejected | None:
    if code.client_id != presented.client.client_id:
        return GrantRejected("the code belongs to another app")
    if not hmac.compare_digest(code.redirect_digest, digest_of(presented.redirect_uri)):
        return GrantRejected("another redirect_uri than at authorize")
    if not _proves(presented.verifier, code.challenge):
        return GrantRejected("the PKCE verifier does not prove the challenge")
    if standing.session_ended_at is not None or not may_stay(standing.account, now):
        return GrantRejected("the session ended, or its person may not stay")
    if standing.epoch != code.epoch or not standing.app_open:
        return GrantRejected("the app or a tenant was switched off")
    return None


def _grant_of(code: Code, standing: CodeStanding, redirect_uri: str) -> Grant:
    return Grant(
        id=code.grant,
        node=standing.node,
        client_id=code.client_id,
        account=standing.account.id,
        session=code.session,
        acting=code.acting,
        scope=code.scope,
        resource=code.resource,
        redirect_uri=redirect_uri,
        nonce=code.nonce,
        means=code.means,
        epoch=code.epoch,
        app_epoch=code.app_epoch,
        created_at=code.created_at,
        expires_at=code.grant_expires_at,
        ended_at=None,
    )


def _granted(grant: Grant, acting: Node) -> Event:
    detail = {"app": grant.client_id, "tenant": acting.slug, "account": grant.account}
    return Event(grant.node, "sign_in.granted", "app", grant.client_id, detail=detail)


def _as_signed_on(context: Context, code: Code) -> Context:
    """Return the surroundings of the sign-on that a code comes from: its story ends here, where it is worth something."""
    actor = Actor(ActorKind.ANONYMOUS, "", Channel.SIGN_IN)
    return replace(context, actor=actor, correlation_id=code.correlation_id, address=code.address)


def _replayed_code(context: Context, issuer: NodeId, grant_id: GrantId, reason: str) -> GrantRejected:
    """Refuse a code, and end what was granted by it before: whoever comes second may be the rightful one (RFC 9700 §4.5)."""
    if grants.end_grant(context.database, grant_id, "code replayed", context.now()):
        context.record(Event(issuer, "code.replayed", "grant", grant_id, outcome="refused"))
    return GrantRejected(reason)


def _refresh(context: Context, node: Node, client: RelyingParty, token: str, *, scope: tuple[str, ...], resource: str) -> _Outcome:
    stored = refresh_tokens.take(context, token)
    standing = grants.find_standing(context.database, stored.grant) if stored is not None else None
    if stored is None or standing is None or standing.grant.client_id != client.client_id:
        return GrantRejected("unknown refresh token, or of another app")
    grant = standing.grant
    if not _alive(standing) or not standing.app_open or min(stored.expires_at, grant.expires_at) <= context.now():
        return GrantRejected("the refresh token or its grant ended")
    if not set(scope) <= set(grant.scope):
        return ScopeWidened("a refresh may not widen the scope")
    target = _target(client, grant, resource)
    if target is None:
        return TargetRejected(resource)
    acting = _acting(context, node, grant)
    if acting is None:
        return GrantRejected("the tenant acted in is gone")
    outcome = admission.admit(context, _attempt_to_refresh(node, client, grant, acting))
    if isinstance(outcome, Refusal):
        return outcome
    if outcome.due is not None:
        return GrantRejected(f"{outcome.due} is due, and nobody can be asked")
    if not _claim(context, hash_token(token), stored):
        return _replayed_token(context, grant, stored)
    roles = tuple(access.held_role_names(context, outcome.account, grant.client_id, grant.acting))
    fresh = refresh_tokens.add(context, grant, outcome.lifetimes, parent=token)
    return Issued(grant, outcome.account, acting, outcome.lifetimes, scope or grant.scope, target, fresh, roles)


def _acting(context: Context, node: Node, grant: Grant) -> Node | None:
    """Return the tenant that a grant of the issuer `node` acts in; mostly it is the issuer's."""
    return node if grant.acting == node.id else stored_nodes.find_node(context.database, grant.acting)


def _attempt_to_refresh(node: Node, client: RelyingParty, grant: Grant, acting: Node) -> Attempt:
    return Attempt(
        node=node.id,
        path=Path.REFRESH,
        client=client,
        account=grant.account,
        means=grant.means,
        tenant=acting.slug,
        may_ask=False,
    )


def _claim(context: Context, token_hash: str, stored: StoredRefreshToken) -> bool:
    """Rotate a token, or use its one extra child within the grace of a lost answer (decisions.md 33)."""
    if stored.rotated_at is None:
        return grants.rotate_refresh_token(context.database, token_hash, context.now())
    return grants.claim_extra_child(context.database, token_hash, since=Instant(context.now() - REFRESH_GRACE_MS))


def _replayed_token(context: Context, grant: Grant, stored: StoredRefreshToken) -> GrantRejected:
    """Refuse a token that was rotated before; past the grace either copy may be stolen, so the family dies (RFC 9700 §4.14.2)."""
    if stored.rotated_at is not None and stored.rotated_at + REFRESH_GRACE_MS >= context.now():
        return GrantRejected("the refresh token's one extra child was made already")
    if grants.end_grant(context.database, grant.id, "refresh token replayed", context.now()):
        context.record(Event(grant.node, "refresh_token.replayed", "grant", grant.id, outcome="refused"))
    return GrantRejected("the refresh token was used before: its family is dead")


def _target(client: RelyingParty, grant: Grant, resource: str) -> str | None:
    """Return the one resource an access token is for, empty for none; None where it was not granted (RFC 8707 §2.2)."""
    if resource:
        return resource if resource in (grant.resource or client.resources) else None
    return grant.resource[0] if grant.resource else ""


def _issued_or_raise(outcome: _Outcome) -> Issued:
    """Raise after the transaction, so that what a refusal wrote (a family's end, a trace) stays."""
    if isinstance(outcome, Issued):
        return outcome
    raise outcome


def _alive(standing: Standing) -> bool:
    return standing.grant.ended_at is None and standing.grant.epoch == standing.epoch


def _proves(verifier: str, challenge: str) -> bool:
    """Return whether the verifier proves an S256 challenge (RFC 7636 §4.6); neither may stand alone (openid.md 7)."""
    if not challenge or not verifier:
        return not challenge and not verifier
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(digest, challenge.encode())
