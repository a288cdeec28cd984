"""Entitlement: whether a person may use an app, and in which tenant (decisions.md 9, 10, 26)."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.values import NodeId


@dataclass(frozen=True, slots=True)
class Place:
    """A node somebody belongs to, by home or by accepted membership, and what that is worth there for one app."""

    node: NodeId
    slug: str
    name: str
    home: bool
    within_issuer: bool
    """Whether the app may be used there at all: the node lies in the subtree of the app's node (interfaces.md section 4)."""
    granting_role: bool
    """An active role there grants the app."""
    active_role: bool
    """Any active role there."""
    inactive_roles: tuple[str, ...]
    role_free_app: bool
    """Some app that needs no role is offered there."""
    offered: bool = True
    """Whether it stands for choice; an enclosing customer of a unit counts only where it is asked for."""

    @property
    def entitled(self) -> bool:
        """Entitled in the tenant for anything at all: what parts `E_Not_Entitled` from `E_No_Tenant_Sponsor`."""
        return self.active_role or self.role_free_app


@dataclass(frozen=True, slots=True)
class Entitlement:
    """Where somebody may act for an app, or the code that says why nowhere."""

    acting: Place | None
    choices: tuple[Place, ...]
    """More than one: the person chooses."""
    code: str


def decide_entitlement(places: Sequence[Place], *, roleless: bool, asked: str, preferred: NodeId | None) -> Entitlement:
    """Return the tenant to act in for one app.

    `asked` is the slug a request names (or the person chose), empty for none; `preferred` is the tenant of the last grant of
    this session and app, used where several remain and nobody can be asked.
    """
    usable = [place for place in places if place.within_issuer and (roleless or place.granting_role)]
    if asked:
        acting = next((place for place in usable if place.slug == asked), None)
        return Entitlement(acting, (), "") if acting else _refused(places, usable)
    offered = [place for place in usable if place.offered] or usable
    if len(offered) == 1:
        return Entitlement(offered[0], (), "")
    if not offered:
        return _refused(places, usable)
    remembered = next((place for place in offered if place.node == preferred), None)
    return Entitlement(remembered, tuple(offered), "")


def _refused(places: Sequence[Place], usable: Sequence[Place]) -> Entitlement:
    """Return the refusal: entitled elsewhere, only by inactive roles, or nowhere (decisions.md 26)."""
    if any(place.entitled for place in places):
        return Entitlement(None, tuple(usable), "E_Not_Entitled")
    if any(place.inactive_roles for place in places):
        return Entitlement(None, (), "E_Role_Inactive")
    return Entitlement(None, (), "E_No_Tenant_Sponsor")
