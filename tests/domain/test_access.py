"""Entitlement: where somebody may act for an app, or why nowhere (decisions.md 9, 10, 26)."""

from typing import Any

import pytest

from gateway.domain.access import Entitlement, Place, decide_entitlement
from gateway.domain.values import NodeId


def place(slug: str, **facts: Any) -> Place:
    """A tenant where an active role grants the app."""
    worth: dict[str, Any] = {
        "home": False,
        "within_issuer": True,
        "granting_role": True,
        "active_role": True,
        "inactive_roles": (),
        "role_free_app": False,
    }
    return Place(NodeId(f"node-{slug}"), slug, slug.title(), **(worth | facts))


def without_role(slug: str, **facts: Any) -> Place:
    return place(slug, **({"granting_role": False, "active_role": False} | facts))


def decided(*places: Place, roleless: bool = False, asked: str = "", preferred: str = "") -> Entitlement:
    return decide_entitlement(places, roleless=roleless, asked=asked, preferred=NodeId(f"node-{preferred}") if preferred else None)


A, B = place("a"), place("b")


def test_only_tenant_is_the_one_acted_in() -> None:
    assert decided(A) == Entitlement(A, (), "")
    assert decided(A, without_role("b")) == Entitlement(A, (), "")


def test_app_without_roles_is_open_to_everybody_of_a_tenant() -> None:
    guest = without_role("a", role_free_app=True)
    assert decided(guest, roleless=True) == Entitlement(guest, (), "")
    assert decided(guest).code == "E_Not_Entitled"


def test_tenant_that_is_asked_for_is_acted_in_if_entitled_there() -> None:
    assert decided(A, B, asked="b") == Entitlement(B, (), "")
    assert decided(A, B, asked="b", preferred="a") == Entitlement(B, (), "")


@pytest.mark.parametrize("there", [without_role("b"), place("b", within_issuer=False)])
def test_tenant_asked_for_in_vain_is_refused_and_the_others_are_offered(there: Place) -> None:
    assert decided(A, there, asked="b") == Entitlement(None, (A,), "E_Not_Entitled")


def test_tenant_that_nobody_knows_is_refused_like_one_without_entitlement() -> None:
    assert decided(A, asked="nowhere") == Entitlement(None, (A,), "E_Not_Entitled")


def test_several_tenants_are_offered_and_the_last_one_used_is_remembered() -> None:
    assert decided(A, B) == Entitlement(None, (A, B), "")
    assert decided(A, B, preferred="b") == Entitlement(B, (A, B), "")
    assert decided(A, B, preferred="gone") == Entitlement(None, (A, B), "")


def test_enclosing_customer_is_no_choice_unless_it_is_asked_for_or_the_only_one() -> None:
    enclosing = place("c", offered=False)
    assert decided(A, enclosing) == Entitlement(A, (), "")
    assert decided(A, enclosing, asked="c") == Entitlement(enclosing, (), "")
    assert decided(enclosing) == Entitlement(enclosing, (), "")


def test_place_beyond_the_issuer_is_not_offered() -> None:
    assert decided(A, place("b", within_issuer=False)) == Entitlement(A, (), "")
    assert decided(place("b", within_issuer=False)) == Entitlement(None, (), "E_Not_Entitled")


@pytest.mark.parametrize(
    ("places", "code"),
    [
        ([], "E_No_Tenant_Sponsor"),
        ([without_role("a")], "E_No_Tenant_Sponsor"),
        ([without_role("a", inactive_roles=("r",))], "E_Role_Inactive"),
        ([without_role("a"), without_role("b", inactive_roles=("r",))], "E_Role_Inactive"),
        ([without_role("a", active_role=True)], "E_Not_Entitled"),
        ([without_role("a", role_free_app=True)], "E_Not_Entitled"),
        ([without_role("a", inactive_roles=("r",)), without_role("b", active_role=True)], "E_Not_Entitled"),
    ],
)
@pytest.mark.parametrize("asked", ["", "a"])
def test_code_says_whether_entitled_elsewhere_by_inactive_roles_or_nowhere(places: list[Place], code: str, asked: str) -> None:
    assert decided(*places, asked=asked) == Entitlement(None, (), code)
