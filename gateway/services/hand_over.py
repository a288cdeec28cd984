"""A first factor is proved at another issuer and comes back: two hops, each by a handle that serves once (decisions.md 20).

The issuer N that an app asked hands a sign-in over to the home's or the provider owner's issuer H. There a sign-in of its own, with N's as
`parent`, is bound to the same browser; it ends in a proof and never in a session. The proof goes back under a handle that only N takes, and
only in the browser that holds the cookie of the parent. Hosts may differ, so no cookie can be shared.
"""

from dataclasses import replace

from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.sign_in import SignIn
from gateway.domain.values import SignInId, hash_token, new_token
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.services.sign_in import Begun, Progress
from gateway.storage import nodes
from gateway.storage import sign_ins as stored


def hand_over(context: Context, sign_in: SignIn, target: Node, *, idp_hint: str = "") -> Begun:
    """Begin a sign-in at the issuer of `target` for this one; its secret is the handle by which the browser takes it over there.

    `idp_hint` is the key of the provider that was chosen here.
    """
    if sign_in.request is None or sign_in.parent is not None:
        raise Refusal("E_State_Invalid", reason="a proof for another issuer is not handed on")
    with context.database.transaction():
        traced = context.traced_as(sign_in.correlation_id)
        request = replace(sign_in.request, idp_hint=idp_hint or sign_in.request.idp_hint)
        begun = sign_ins.begin(traced, target, request, parent=sign_in.id)
        wanted = replace(begun.sign_in, login=sign_in.login, password_wanted=sign_in.password_wanted, expires_at=sign_in.expires_at)
        stored.change_sign_in(context.database, wanted)
    return Begun(wanted, begun.secret)


def take_over(context: Context, node: Node, sign_in_id: str, handle: str) -> str:
    """Bind a sign-in that was handed over to the browser that brings the handle; return the secret for its cookie.

    The handle stood in a URL, so it is replaced: a second use finds nothing and is refused.
    """
    secret = new_token(context.entropy, "mgt")
    with context.database.transaction():
        bound = stored.rebind_sign_in(
            context.database, node.id, SignInId(sign_in_id), handle_hash=hash_token(handle), browser_hash=hash_token(secret)
        )
    if not bound:
        raise Refusal("E_State_Invalid", reason="unknown or used handle of a sign-in handed over")
    return secret


def give_back(context: Context, sign_in: SignIn) -> tuple[Node, SignInId, str]:
    """Return where a proof goes: the issuer that asked for it, its sign-in, and a new handle; an earlier handle dies."""
    parent = stored.find_parent(context.database, sign_in.parent) if sign_in.parent is not None else None
    home = nodes.find_node(context.database, parent.node) if parent is not None else None
    if parent is None or home is None or sign_in.proof is None:
        raise Refusal("E_State_Invalid", reason="nothing to give back, or nobody who waits for it")
    handle = new_token(context.entropy, "mgh")
    with context.database.transaction():
        stored.set_handle(context.database, sign_in.id, hash_token(handle))
    return home, parent.id, handle


def find_asker(context: Context, sign_in: SignIn) -> tuple[Node, SignInId] | None:
    """Return the issuer and the sign-in for which this one proves a first factor; None for a sign-in of its own."""
    parent = stored.find_parent(context.database, sign_in.parent) if sign_in.parent is not None else None
    home = nodes.find_node(context.database, parent.node) if parent is not None else None
    return (home, parent.id) if parent is not None and home is not None else None


def take_back(context: Context, node: Node, sign_in: SignIn, handle: str) -> Progress:
    """Take the proof that a handle stands for, once, and ask admission at this issuer, which alone makes the session.

    The caller has checked that the browser holds the cookie of `sign_in`: a handle brought by another browser is worth nothing.
    """
    with context.database.transaction():
        proved = stored.take_handle(context.database, sign_in.id, hash_token(handle), context.now())
        if proved is None or proved.proof is None or proved.expires_at <= context.now():
            raise Refusal("E_State_Invalid", reason="unknown or used handle of a proof")
        return sign_ins.advance(context, node, replace(sign_in, proof=proved.proof, login=proved.login))
