"""Grants: a code for an app, redeemed once; refresh tokens rotated, and a replay ends the family (decisions.md 33)."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.audit import Event
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Lifetimes, Node, chain_epoch
from gateway.domain.people import Account
from gateway.domain.relying_party import AuthorizationRequest, Grant, RelyingParty, Session
from gateway.domain.sign_in import Path
from gateway.domain.values import SECOND_MS, GrantId, Instant, NodeId, hash_token, new_token
from gateway.services import admission, nodes
from gateway.services.admission import Admitted, Attempt
from gateway.services.context import Context
from gateway.storage import grants, people
from gateway.storage import nodes as stored_nodes
from gateway.storage.grants import StoredRefreshToken

REFRESH_GRACE_MS = 10 * SECOND_MS


class GrantRejected(Exception):
    """A code or refresh token is not good: `invalid_grant` to the app (RFC 6749 §5.2). `reason` is for the log."""

    def __init__(self, reason: str) -> None:
        """Keep the reason for the log; the app learns only that the grant is invalid."""
        super().__init__("The grant is invalid, expired, used or revoked.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Issued:
    """What a token answer is made from."""

    grant: Grant
    account: Account
    acting: Node
    lifetimes: Lifetimes
    refresh_token: str
    """Empty where the app gets none."""


def authorize(
    context: Context, node: Node, client: RelyingParty, request: AuthorizationRequest, session: Session, *, tenant: str
) -> Admitted | str:
    """Return an authorization code for the person of a live session, or what has to be done first.

    Raises Refusal with the code of the chain. `tenant` is the slug asked for or chosen.
    """
    with context.database.transaction():
        attempt = Attempt(
            node=node.id,
            path=Path.SESSION,
            client=client,
            account=session.account,
            means=session.means,
            tenant=tenant,
            preferred=grants.find_last_acting(context.database, session.sid, client.client_id) if "none" in request.prompt else None,
            may_ask="none" not in request.prompt,
        )
        outcome = admission.admit(context, attempt)
        if isinstance(outcome, Admitted) and outcome.due is None and outcome.acting is not None:
            return _add_code(context, client, request, session, outcome)
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


def redeem_code(context: Context, node: Node, client: RelyingParty, code: str, *, redirect_uri: str, verifier: str) -> Issued:
    """Return what the token answer is made from, for the first redemption of a code by its own app.

    A second redemption ends the grant with all its tokens (RFC 9700 §4.5); a code presented by another app, with another
    redirect URI or a wrong verifier is burnt (RFC 7636 §4.6). Raises GrantRejected or Refusal.
    """
    with context.database.transaction():
        outcome = _redeem(context, node, client, hash_token(code), redirect_uri=redirect_uri, verifier=verifier)
    return _issued_or_raise(outcome)


def refresh(context: Context, node: Node, client: RelyingParty, token: str, *, scope: Sequence[str] = ()) -> Issued:
    """Return what the token answer is made from, with the refresh token rotated. Raises GrantRejected or Refusal."""
    with context.database.transaction():
        outcome = _refresh(context, node, client, hash_token(token))
    issued = _issued_or_raise(outcome)
    if not set(scope) <= set(issued.grant.scope):
        raise Refusal("E_Scope_Missing", reason="a refresh may not widen the scope")
    return issued


def find_live(context: Context, node_id: NodeId, grant_id: str) -> tuple[Grant, Account] | None:
    """Return a grant of this issuer that is alive, with its account; None when anything ended it (openid.md 36)."""
    grant = grants.find_grant(context.database, GrantId(grant_id))
    if grant is None or grant.node != node_id or not _alive(context, grant):
        return None
    account = people.find_account(context.database, grant.account)
    return (grant, account) if account is not None and account.enabled and account.deleted_at is None else None


def current_epoch(context: Context, account: Account, issuer: NodeId, acting: NodeId) -> int:
    """Return the sum of the epochs that a grant depends on: those of home, issuer and acting tenant with their ancestors."""
    return sum(chain_epoch(stored_nodes.list_chain(context.database, node_id)) for node_id in (account.home, issuer, acting))


def _add_code(context: Context, client: RelyingParty, request: AuthorizationRequest, session: Session, admitted: Admitted) -> str:
    if admitted.acting is None:
        message = "a code needs a tenant to act in"
        raise AssertionError(message)
    now = context.now()
    lives = nodes.lifetimes(context, client.node)
    acting = admitted.acting.node
    grant = Grant(
        id=GrantId(context.new_id()),
        node=client.node,
        client_id=client.client_id,
        account=admitted.account.id,
        session=session.sid,
        acting=acting,
        scope=request.scope,
        resource=request.resource,
        redirect_uri=request.redirect_uri,
        nonce=request.nonce,
        means=session.means,
        epoch=current_epoch(context, admitted.account, client.node, acting),
        created_at=now,
        expires_at=Instant(now + lives.refresh_max),
        ended_at=None,
    )
    code = new_token(context.entropy, "mgo")
    grants.insert_grant(context.database, grant)
    grants.insert_code(context.database, hash_token(code), grant.id, request.code_challenge, Instant(now + lives.code))
    detail = {"app": client.client_id, "tenant": admitted.acting.slug, "account": grant.account}
    context.record(Event(client.node, "sign_in.granted", "app", client.client_id, detail=detail))
    return code


def _redeem(
    context: Context, node: Node, client: RelyingParty, code_hash: str, *, redirect_uri: str, verifier: str
) -> Issued | GrantRejected:
    used = grants.use_code(context.database, code_hash, context.now())
    if used is None:
        return _replayed_code(context, node, code_hash)
    grant = grants.find_grant(context.database, used.grant)
    if grant is None or grant.client_id != client.client_id:
        return GrantRejected("the code belongs to another app")
    if grant.redirect_uri != redirect_uri:
        return GrantRejected("another redirect_uri than at authorize")
    if used.expires_at <= context.now():
        return GrantRejected("the code expired")
    if not _proves(verifier, used.code_challenge):
        return GrantRejected("the PKCE verifier does not prove the challenge")
    if not _alive(context, grant):
        return GrantRejected("the grant ended")
    token = _add_refresh_token(context, grant, parent_hash=None) if "refresh_token" in client.grants else ""
    return _issued(context, grant, token)


def _replayed_code(context: Context, node: Node, code_hash: str) -> GrantRejected:
    grant_id = grants.find_grant_of_code(context.database, code_hash)
    if grant_id is None:
        return GrantRejected("unknown code")
    if grants.end_grant(context.database, grant_id, "code replayed", context.now()):
        context.record(Event(node.id, "code.replayed", "grant", grant_id, outcome="refused"))
    return GrantRejected("the code was used before")


def _refresh(context: Context, node: Node, client: RelyingParty, token_hash: str) -> Issued | GrantRejected | Refusal:
    stored = grants.find_refresh_token(context.database, token_hash)
    grant = grants.find_grant(context.database, stored.grant) if stored else None
    if stored is None or grant is None or grant.client_id != client.client_id:
        return GrantRejected("unknown refresh token, or of another app")
    if not _alive(context, grant) or stored.expires_at <= context.now() or grant.expires_at <= context.now():
        return GrantRejected("the refresh token or its grant ended")
    acting = stored_nodes.find_node(context.database, grant.acting)
    attempt = Attempt(
        node=node.id,
        path=Path.REFRESH,
        client=client,
        account=grant.account,
        means=grant.means,
        tenant=acting.slug if acting else "",
        may_ask=False,
    )
    outcome = admission.admit(context, attempt)
    if isinstance(outcome, Refusal):
        return outcome
    if not _claim(context, token_hash, stored):
        grants.end_grant(context.database, grant.id, "refresh token replayed", context.now())
        context.record(Event(node.id, "refresh_token.replayed", "grant", grant.id, outcome="refused"))
        return GrantRejected("the refresh token was used before: its family is dead")
    return _issued(context, grant, _add_refresh_token(context, grant, parent_hash=token_hash))


def _claim(context: Context, token_hash: str, stored: StoredRefreshToken) -> bool:
    """Rotate a token, or use its one extra child within the grace of a lost answer (decisions.md 33)."""
    if stored.rotated_at is None:
        return grants.rotate_refresh_token(context.database, token_hash, context.now())
    return grants.claim_extra_child(context.database, token_hash, since=Instant(context.now() - REFRESH_GRACE_MS))


def _add_refresh_token(context: Context, grant: Grant, *, parent_hash: str | None) -> str:
    token = new_token(context.entropy, "mgr")
    idle = nodes.lifetimes(context, grant.node).refresh_idle
    grants.insert_refresh_token(
        context.database, hash_token(token), grant.id, parent_hash=parent_hash, now=context.now(), expires_at=Instant(context.now() + idle)
    )
    return token


def _issued(context: Context, grant: Grant, refresh_token: str) -> Issued | GrantRejected:
    account = people.find_account(context.database, grant.account)
    acting = stored_nodes.find_node(context.database, grant.acting)
    if account is None or acting is None:
        return GrantRejected("the account or its tenant is gone")
    return Issued(grant, account, acting, nodes.lifetimes(context, grant.node), refresh_token)


def _issued_or_raise(outcome: Issued | GrantRejected | Refusal) -> Issued:
    """Raise after the transaction, so that what a refusal wrote (a family's end, a trace) stays."""
    if isinstance(outcome, Issued):
        return outcome
    raise outcome


def _alive(context: Context, grant: Grant) -> bool:
    if grant.ended_at is not None:
        return False
    account = people.find_account(context.database, grant.account)
    return account is not None and grant.epoch == current_epoch(context, account, grant.node, grant.acting)


def _proves(verifier: str, challenge: str) -> bool:
    """Return whether the verifier proves an S256 challenge (RFC 7636 §4.6); neither may stand alone (openid.md 7)."""
    if not challenge or not verifier:
        return not challenge and not verifier
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(digest, challenge.encode())
