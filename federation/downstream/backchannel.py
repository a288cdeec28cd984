"""Telling an app that somebody is out: the logout token and its delivery (OpenID Connect Back-Channel Logout 1.0)."""

from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.ports import Unreachable
from gateway.domain.relying_party import RelyingParty
from gateway.domain.values import MINUTE_MS, SECOND_MS
from gateway.services import keys, people, relying_parties
from gateway.services.context import Context
from gateway.services.house import WORKER, House
from gateway.services.jobs import Unrecoverable
from gateway.storage.jobs import Job
from gateway.tokens.claims import LOGOUT_EVENT
from gateway.tokens.signing import sign

LOGOUT_TOKEN_TYPE = "logout+jwt"
LIFETIME_MS = 2 * MINUTE_MS
"""Short, because a logout token that lies about is a way to sign people out again (§2.4)."""

_HEARD = range(200, 300)


def send(house: House, job: Job) -> None:
    """Deliver one logout; the handler of `backchannel_logout` jobs.

    The token says that this session (`sid`) of this account (`sub`) is over. An app that hears it twice signs out nobody else, so a job
    may run again. Raises Unreachable while the app does not take it, Unrecoverable where the app is gone.
    """
    context = house.context(WORKER, correlation_id=str(job.payload.get("correlation_id", "")))
    node, party = _addressee(context, job)
    if not party.backchannel_logout_uri:
        return
    token = logout_token(context, node, party, subject=str(job.payload["account"]), session_id=str(job.payload["sid"]))
    reply = house.fetcher.post_form(party.backchannel_logout_uri, {"logout_token": token}, private_outbound=node.private_outbound)
    if reply.status not in _HEARD:
        raise Unreachable(f"{party.backchannel_logout_uri} answered {reply.status} to a logout token")


def logout_token(context: Context, node: Node, party: RelyingParty, *, subject: str, session_id: str) -> str:
    """Return a signed logout token for an app (§2.4); it holds no nonce, so that it can never pass for an ID token."""
    now = context.now()
    claims = {
        "iss": node.issuer,
        "aud": party.client_id,
        "iat": now // SECOND_MS,
        "exp": (now + LIFETIME_MS) // SECOND_MS,
        "jti": context.new_id(),
        "sub": subject,
        "sid": session_id,
        "events": {LOGOUT_EVENT: {}},
    }
    return sign(claims, keys.get_signing_key(context, node.id, party.id_token_alg), typ=LOGOUT_TOKEN_TYPE)


def _addressee(context: Context, job: Job) -> tuple[Node, RelyingParty]:
    try:
        node = people.node_of(context, job.node)
        return node, relying_parties.get_relying_party(context, node.id, str(job.payload["client_id"]))
    except Refusal as gone:
        raise Unrecoverable(f"the app or its tenant is gone: {gone.code}") from gone
