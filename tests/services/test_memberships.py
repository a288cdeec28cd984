"""Memberships: two ends agree, names stay unique, and whoever leaves takes nothing along (decisions.md 2, 8)."""

import pytest

from gateway.domain.document import PersonFields
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import Account, AccountType
from gateway.domain.relying_party import Level, Means, Session
from gateway.domain.values import Instant, SessionId
from gateway.services import access, memberships, nodes, people
from gateway.services.context import Context
from gateway.services.nodes import NewNode
from gateway.services.people import NewPerson
from gateway.storage import people as stored_people
from gateway.storage import sessions as stored_sessions


def create(context: Context, node: Node, login: str) -> Account:
    fields = PersonFields(user_name=login, given_name="Ada", family_name="Lovelace", email=f"{node.slug}-{login}@mail.example")
    return people.create_person(context, node, NewPerson(fields))


@pytest.fixture
def ada(context: Context, acme: Node) -> Account:
    return create(context, acme, "ada")


def test_a_member_signs_in_at_the_node_by_their_login(context: Context, globex: Node, ada: Account) -> None:
    membership = memberships.add(context, globex, ada)
    assert membership.state == "accepted"
    assert stored_people.find_account_by_name(context.database, globex.namespace, "ADA") == ada


def test_a_name_taken_at_the_node_asks_for_another(context: Context, globex: Node, ada: Account) -> None:
    other = create(context, globex, "ada")
    with pytest.raises(Refusal) as refused:
        memberships.add(context, globex, ada)
    assert refused.value.code == "E_Login_Taken"
    assert memberships.list_members(context, globex) == []
    memberships.add(context, globex, ada, name="ada.acme")
    assert memberships.get_belonging(context, globex, "ada.acme") == ada
    assert memberships.get_belonging(context, globex, "ada") == other


def test_a_proposal_is_worth_nothing_until_it_is_accepted(context: Context, globex: Node, ada: Account) -> None:
    memberships.propose(context, globex, ada)
    with pytest.raises(Refusal, match="nothing here"):
        memberships.get_belonging(context, globex, "ada")
    assert memberships.accept(context, globex, ada).state == "accepted"
    assert memberships.get_belonging(context, globex, "ada") == ada


def test_accepting_what_was_never_proposed_is_refused(context: Context, globex: Node, ada: Account) -> None:
    with pytest.raises(Refusal) as refused:
        memberships.accept(context, globex, ada)
    assert refused.value.code == "E_Resource_Not_Found"


def test_adding_somebody_who_was_proposed_accepts_the_proposal(context: Context, globex: Node, ada: Account) -> None:
    memberships.propose(context, globex, ada)
    assert memberships.add(context, globex, ada).state == "accepted"


def test_a_second_membership_and_one_at_home_are_refused(context: Context, acme: Node, globex: Node, ada: Account) -> None:
    memberships.add(context, globex, ada)
    for node in (globex, acme):
        with pytest.raises(Refusal) as refused:
            memberships.add(context, node, ada)
        assert refused.value.code == "E_Field_Invalid"


def test_only_live_people_become_members(context: Context, acme: Node, globex: Node, ada: Account) -> None:
    gone = people.delete_person(context, ada)
    create(context, acme, "robot")
    context.database.script("UPDATE account SET type = 'service' WHERE login = 'robot'")
    robot = stored_people.find_account_by_name(context.database, acme.namespace, "robot")
    assert robot is not None
    assert robot.type is AccountType.SERVICE
    for account in (gone, robot):
        with pytest.raises(Refusal) as refused:
            memberships.add(context, globex, account)
        assert refused.value.code == "E_Resource_Not_Found"


def test_whoever_leaves_loses_roles_name_and_sessions(context: Context, globex: Node, ada: Account) -> None:
    access.create_role(context, globex.id, "Planner", kind="tenant", apps=(), level=0)
    memberships.add(context, globex, ada, roles=["Planner"])
    session = open_session(context, globex, ada)
    memberships.remove(context, globex, ada)
    assert memberships.list_members(context, globex) == []
    assert stored_people.find_account_by_name(context.database, globex.namespace, "ada") is None
    assert access.held_role_names(context, ada, "", globex.id) == []  # type: ignore[arg-type]  # no app is asked about
    ended = stored_sessions.find_session_by_sid(context.database, session)
    assert ended is not None
    assert ended.ended_at is not None


def test_leaving_takes_no_role_held_elsewhere(context: Context, acme: Node, globex: Node, ada: Account) -> None:
    for node in (acme, globex):
        access.create_role(context, node.id, "Planner", kind="tenant", apps=(), level=0)
        if node == globex:
            memberships.add(context, globex, ada)
        access.grant_role(context, node.id, ada, "Planner")
    memberships.remove(context, globex, ada)
    assert access.held_role_names(context, ada, "", acme.id) == ["Planner"]  # type: ignore[arg-type]  # no app is asked about


def test_removing_whom_nobody_added_is_refused(context: Context, globex: Node, ada: Account) -> None:
    with pytest.raises(Refusal) as refused:
        memberships.remove(context, globex, ada)
    assert refused.value.code == "E_Resource_Not_Found"


def test_nodes_that_share_names_need_one_name_and_keep_it_while_one_is_left(context: Context, platform: Node, ada: Account) -> None:
    first, second = (
        nodes.create_node(context, platform.id, NewNode(slug, slug, NodeKind.PARTNER, own_namespace=False)) for slug in ("one", "two")
    )
    memberships.add(context, first, ada)
    memberships.add(context, second, ada)
    memberships.remove(context, first, ada)
    assert memberships.get_belonging(context, second, "ada") == ada
    memberships.remove(context, second, ada)
    assert stored_people.find_account_by_name(context.database, platform.namespace, "ada") is None


def test_a_login_of_two_tenants_must_be_told_apart(context: Context, acme: Node, globex: Node, ada: Account) -> None:
    assert memberships.find_person(context, "Ada", home=None) == ada
    create(context, globex, "ada")
    with pytest.raises(Refusal) as refused:
        memberships.find_person(context, "ada", home=None)
    assert refused.value.code == "E_Ambiguous_User"
    assert memberships.find_person(context, "ada", home=acme) == ada


def test_a_name_that_is_known_at_a_node_makes_nobody_belong_there(context: Context, platform: Node, acme: Node, ada: Account) -> None:
    # Both use names of a node above: partners the platform's, units their customer's (decisions.md 2).
    partner = nodes.create_node(context, platform.id, NewNode("partner", "Partner", NodeKind.PARTNER))
    unit = nodes.create_node(context, acme.id, NewNode("acme-sales", "Sales", NodeKind.UNIT))
    root = create(context, platform, "root")
    memberships.propose(context, partner, root)
    for node, login in ((partner, "root"), (unit, "ada")):
        with pytest.raises(Refusal) as refused:
            memberships.get_belonging(context, node, login)
        assert refused.value.code == "E_Resource_Not_Found"
    memberships.accept(context, partner, root)
    assert memberships.get_belonging(context, partner, "root") == root


def test_people_of_a_unit_belong_to_its_customer(context: Context, acme: Node) -> None:
    unit = nodes.create_node(context, acme.id, NewNode("acme-sales", "Sales", NodeKind.UNIT))
    grace = create(context, unit, "grace")
    assert memberships.get_belonging(context, acme, "grace") == grace


def open_session(context: Context, node: Node, account: Account) -> SessionId:
    session = Session(
        sid=SessionId(context.new_id()),
        node=node.id,
        account=account.id,
        means=Means(Level.ONE_FACTOR, ("pwd",), context.now()),
        epoch=0,
        created_at=context.now(),
        seen_at=context.now(),
        expires_at=Instant(context.now() + 1000),
        ended_at=None,
    )
    stored_sessions.insert_session(context.database, session, secret_hash="hash")
    return session.sid
