"""Where a name leads: at which issuer, and by which identity provider, the first factor is proved (decisions.md 20, 21).

What is answered depends on the app's hints and on the domain of the name alone, never on whether anybody has that name.
"""

from dataclasses import dataclass

from gateway.domain.errors import Refusal
from gateway.domain.identity import IdentityProvider
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import local_and_domain
from gateway.domain.sign_in import SignIn
from gateway.domain.values import NodeId, comparison_key
from gateway.services.context import Context
from gateway.storage import identity_providers, nodes
from gateway.storage.nodes import Domain

_KINDS = ("routing", "hosted")
"""Kinds of domain that say to whom a name belongs, in the order they are asked."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a sign-in goes on."""

    node: Node
    """At whose issuer the first factor is proved."""
    provider: IdentityProvider | None
    """To which provider straight on; None: that node's page with password and provider buttons."""


def find_route(context: Context, node: Node, sign_in: SignIn) -> Route:
    """Return where a sign-in at `node` goes on: `idp_hint`, else `domain_hint`, else the name's domain, else here.

    Raises Refusal for an `idp_hint` that names no provider that may be used here (openid.md 53).
    """
    hints = sign_in.request
    if hints is not None and hints.idp_hint:
        hinted = require_provider(context, node, hints.idp_hint)
        return _route(context, node, sign_in, hinted.node, hinted)
    names = (hints.domain_hint if hints else "", local_and_domain(sign_in.login)[1])
    domain = next((found for name in names if (found := _find_domain(context, node, name)) is not None), None)
    if domain is None:
        return Route(node, None)
    provider = identity_providers.find_provider(context.database, domain.provider) if domain.provider else None
    return _route(context, node, sign_in, domain.node, provider if provider is not None and provider.node == domain.node else None)


def route_to(context: Context, node: Node, provider: IdentityProvider) -> Route:
    """Return the way from `node` to a provider whose button was chosen: by the issuer of its owner."""
    return Route(_owner(context, node, provider.node), provider)


def require_provider(context: Context, node: Node, key: str) -> IdentityProvider:
    """Return the provider of this key that may be used at `node`, or refuse it: unknown, another tenant's, switched off, link-only."""
    provider = next((item for item in _list_sighted(context, node) if item.key == key), None)
    if provider is None:
        raise Refusal("E_Idp_Unknown", data={"provider": key[:64]})
    require_usable(provider)
    return provider


def require_usable(provider: IdentityProvider) -> None:
    """Refuse a provider that is switched off or serves for linking only."""
    if not provider.active:
        raise Refusal("E_Idp_Disabled", data={"provider": provider.name})
    if provider.link_only:
        raise Refusal("E_Idp_Link_Only", data={"provider": provider.name})


def list_buttons(context: Context, node: Node) -> list[IdentityProvider]:
    """Return the providers a page of `node` offers to everybody: its active ones, and at a unit those of its customer."""
    return [provider for provider in _list_sighted(context, node) if provider.active and not provider.link_only]


def may_use(context: Context, provider: IdentityProvider, node_id: NodeId) -> bool:
    """Return whether a sign-in at a node's issuer may rest on `provider`: one of its subtree, or at a unit one of its customer's."""
    chain = nodes.list_chain(context.database, node_id)
    return nodes.is_within(context.database, provider.node, node_id) or provider.node in {owner.id for owner in owners_of(chain)}


def _list_sighted(context: Context, node: Node) -> list[IdentityProvider]:
    owners = owners_of(nodes.list_chain(context.database, node.id))
    return [provider for owner in owners for provider in identity_providers.list_providers(context.database, owner.id)]


def owners_of(chain: tuple[Node, ...]) -> tuple[Node, ...]:
    """Return the nodes whose providers a page shows: the node itself, and above a unit all up to its customer."""
    length = next((at for at, node in enumerate(chain, 1) if node.kind is not NodeKind.UNIT), len(chain))
    return chain[:length]


def _route(context: Context, node: Node, sign_in: SignIn, owner: NodeId, provider: IdentityProvider | None) -> Route:
    """Return the way to a domain's or provider's owner.

    A sign-in made for another issuer goes nowhere else. Of a unit only its customer's provider is asked above: its names are found
    here, in the namespace that both share.
    """
    straight = None if sign_in.password_wanted else provider
    if owner == node.id or sign_in.parent is not None:
        return Route(node, straight if straight is not None and straight.node == node.id else None)
    if straight is None and not nodes.is_within(context.database, owner, node.id):
        return Route(node, None)
    return Route(_owner(context, node, owner), straight)


def _find_domain(context: Context, node: Node, name: str) -> Domain | None:
    """Return the proved domain of this name, if it belongs to somebody in sight of `node`."""
    key = comparison_key(name)
    found = (nodes.find_owning_domain(context.database, key, kind) for kind in _KINDS if key)
    return next((domain for domain in found if domain is not None and _in_sight(context, domain.node, node)), None)


def _in_sight(context: Context, owner: NodeId, node: Node) -> bool:
    """Return whether a domain's owner lies in the issuer's subtree; at a unit its customer counts too, whose namespace it shares."""
    if nodes.is_within(context.database, owner, node.id):
        return True
    return owner in {above.id for above in owners_of(nodes.list_chain(context.database, node.id))}


def _owner(context: Context, node: Node, owner: NodeId) -> Node:
    return node if owner == node.id else nodes.find_node(context.database, owner) or node
