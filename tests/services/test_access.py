"""Where somebody is entitled to what (decisions.md 9, 10)."""

import pytest

from gateway.domain.access import Place, decide_entitlement
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import Account
from gateway.domain.relying_party import RelyingParty
from gateway.services import access, memberships, nodes, relying_parties
from gateway.services.context import Context
from gateway.services.nodes import NewNode
from tests.sign_ins import make_app, make_member, make_person


@pytest.fixture
def anna(context: Context, acme: Node) -> Account:
    return make_person(context, acme, "anna.berg")


@pytest.fixture
def unit(context: Context, acme: Node) -> Node:
    return nodes.create_node(context, acme.id, NewNode("sales", "Sales", NodeKind.UNIT))


@pytest.fixture
def portal(context: Context, platform: Node) -> RelyingParty:
    """An app at the platform that needs a role."""
    return make_app(context, platform, roleless=False, name="Portal")


def give(context: Context, node: Node, account: Account, app: RelyingParty, name: str = "Reader") -> None:
    access.create_role(context, node.id, name, kind="tenant", apps=[app.client_id], level=0)
    access.grant_role(context, node.id, account, name)


def decided(context: Context, account: Account, app: RelyingParty, *, asked: str = "") -> tuple[str, str]:
    """The slug of the tenant that somebody would act in, and the code that says why nowhere."""
    places = access.list_places(context, account, app)
    granted = decide_entitlement(places, roleless=app.roleless, asked=asked, preferred=None)
    return (granted.acting.slug if granted.acting else "", granted.code)


def places(context: Context, account: Account, app: RelyingParty) -> dict[str, Place]:
    return {place.slug: place for place in access.list_places(context, account, app)}


def test_a_role_at_home_entitles_at_home(context: Context, acme: Node, anna: Account, portal: RelyingParty) -> None:
    give(context, acme, anna, portal)
    assert decided(context, anna, portal) == ("acme", "")


def test_a_role_that_grants_another_app_entitles_to_nothing_here(
    context: Context, platform: Node, acme: Node, anna: Account, portal: RelyingParty
) -> None:
    give(context, acme, anna, make_app(context, platform, roleless=False, name="Other"))
    assert decided(context, anna, portal) == ("", "E_Not_Entitled")


def test_a_role_held_at_a_node_that_somebody_does_not_belong_to_is_worth_nothing(
    context: Context, globex: Node, anna: Account, portal: RelyingParty
) -> None:
    give(context, globex, anna, portal)
    assert decided(context, anna, portal) == ("", "E_No_Tenant_Sponsor")


def test_a_membership_counts_once_it_is_accepted(context: Context, globex: Node, anna: Account, portal: RelyingParty) -> None:
    memberships.propose(context, globex, anna)
    give(context, globex, anna, portal)
    assert decided(context, anna, portal) == ("", "E_No_Tenant_Sponsor")
    memberships.accept(context, globex, anna)
    assert decided(context, anna, portal) == ("globex", "")


def test_an_app_is_used_in_the_subtree_of_its_node_alone(context: Context, acme: Node, globex: Node, anna: Account) -> None:
    foreign = make_app(context, globex)
    assert decided(context, anna, foreign) == ("", "E_No_Tenant_Sponsor")
    make_app(context, acme)
    assert decided(context, anna, foreign) == ("", "E_Not_Entitled")


def test_people_of_a_unit_act_in_their_unit_and_where_it_is_asked_for_in_their_customer(context: Context, acme: Node, unit: Node) -> None:
    ben, app = make_person(context, unit, "ben.cole"), make_app(context, acme)
    assert decided(context, ben, app) == ("sales", "")
    assert decided(context, ben, app, asked="acme") == ("acme", "")


def test_a_role_of_the_customer_entitles_people_of_its_units_in_the_customer(
    context: Context, acme: Node, unit: Node, portal: RelyingParty
) -> None:
    ben = make_person(context, unit, "ben.cole")
    give(context, acme, ben, portal)
    assert decided(context, ben, portal) == ("acme", "")


def test_people_of_a_customer_do_not_belong_to_its_units(context: Context, acme: Node, unit: Node, anna: Account) -> None:
    app = make_app(context, unit)
    assert decided(context, anna, app) == ("", "E_No_Tenant_Sponsor")


def test_an_inactive_role_counts_for_nothing_and_is_told_apart(context: Context, acme: Node, anna: Account, portal: RelyingParty) -> None:
    give(context, acme, anna, portal)
    access.set_role_active(context, acme.id, "Reader", active=False)
    assert decided(context, anna, portal) == ("", "E_Role_Inactive")
    access.set_role_active(context, acme.id, "Reader", active=True)
    assert decided(context, anna, portal) == ("acme", "")


def test_one_active_role_among_inactive_ones_counts(context: Context, acme: Node, anna: Account, portal: RelyingParty) -> None:
    give(context, acme, anna, portal)
    give(context, acme, anna, portal, "Writer")
    access.set_role_active(context, acme.id, "Reader", active=False)
    assert decided(context, anna, portal) == ("acme", "")
    assert access.held_role_names(context, anna, portal.client_id, acme.id) == ["Writer"]


def test_a_tenant_that_is_switched_off_is_not_offered_beside_another(
    context: Context, acme: Node, globex: Node, anna: Account, portal: RelyingParty
) -> None:
    make_member(context, anna, globex)
    for node in (acme, globex):
        give(context, node, anna, portal)
    assert decided(context, anna, portal) == ("", "")
    nodes.disable_node(context, globex)
    assert decided(context, anna, portal) == ("acme", "")


def test_a_tenant_that_is_switched_off_stays_the_only_place_so_that_the_reason_can_be_told(
    context: Context, acme: Node, anna: Account, portal: RelyingParty
) -> None:
    give(context, acme, anna, portal)
    nodes.disable_node(context, acme)
    assert decided(context, anna, portal) == ("acme", "")


def test_a_deleted_tenant_is_no_place(context: Context, acme: Node, globex: Node, anna: Account, portal: RelyingParty) -> None:
    make_member(context, anna, globex)
    nodes.delete_node(context, nodes.disable_node(context, globex))
    assert set(places(context, anna, portal)) == {"acme"}


def test_a_role_free_app_sponsors_until_it_is_switched_off(context: Context, acme: Node, anna: Account, portal: RelyingParty) -> None:
    wiki = make_app(context, acme)
    assert decided(context, anna, portal) == ("", "E_Not_Entitled")
    relying_parties.set_disabled(context, wiki, disabled=True)
    assert decided(context, anna, portal) == ("", "E_No_Tenant_Sponsor")


def test_a_role_grants_only_apps_of_its_node_or_above(context: Context, acme: Node, globex: Node) -> None:
    foreign = make_app(context, globex)
    with pytest.raises(Refusal) as refused:
        access.create_role(context, acme.id, "Reader", kind="tenant", apps=[foreign.client_id], level=0)
    assert refused.value.code == "E_Resource_Not_Found"


def test_a_role_is_taken_away_at_once(context: Context, acme: Node, anna: Account, portal: RelyingParty) -> None:
    give(context, acme, anna, portal)
    assert access.revoke_role(context, acme.id, anna, "Reader")
    assert not access.revoke_role(context, acme.id, anna, "Reader")
    assert decided(context, anna, portal) == ("", "E_No_Tenant_Sponsor")


def test_an_inactive_role_is_not_given(context: Context, acme: Node, anna: Account, portal: RelyingParty) -> None:
    access.create_role(context, acme.id, "Reader", kind="tenant", apps=[portal.client_id], level=0)
    access.set_role_active(context, acme.id, "Reader", active=False)
    with pytest.raises(Refusal) as refused:
        access.grant_role(context, acme.id, anna, "Reader")
    assert refused.value.code == "E_Role_Inactive_Assign"


def test_an_administrator_is_known_by_an_active_role_of_the_hierarchy(context: Context, acme: Node, anna: Account) -> None:
    access.create_role(context, acme.id, "Boss", kind="hierarchy", apps=[], level=3)
    access.grant_role(context, acme.id, anna, "Boss")
    assert access.is_administrator(context, anna)
    access.set_role_active(context, acme.id, "Boss", active=False)
    assert not access.is_administrator(context, anna)
