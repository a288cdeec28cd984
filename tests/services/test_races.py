"""Acts at the same moment end as if one had come after the other, on an engine whose writers go side by side too (ADR 10)."""

from dataclasses import replace

import pytest

from gateway.domain.document import PersonFields
from gateway.domain.errors import Refusal
from gateway.domain.groups import AddMembers, Group, RemoveMembers
from gateway.domain.locks import LIMITS, GuessPath
from gateway.domain.nodes import Node
from gateway.domain.people import Account
from gateway.domain.relying_party import RelyingParty, Session
from gateway.domain.schema import JsonObject
from gateway.services import connections as connection_services
from gateway.services import (
    credentials,
    credentials_recovery,
    grants,
    groups,
    identity_providers,
    keys,
    locks,
    nodes,
    people,
    platform,
    sessions,
)
from gateway.services import sign_in as sign_ins
from gateway.services.context import Context
from gateway.services.grants import GrantRejected, Issued
from gateway.services.groups import Wanted
from gateway.services.identity_providers import Changes
from gateway.services.people import NewPerson
from gateway.services.provisioning import Seen, Written, change_provisioned, create_provisioned
from gateway.storage import connections as stored_connections
from gateway.storage import factors, written_people
from gateway.storage import grants as stored_grants
from gateway.storage import group_members as stored_members
from gateway.storage import groups as stored_groups
from gateway.storage import identity_providers as stored_providers
from gateway.storage import keys as stored_keys
from gateway.storage import nodes as stored_nodes
from gateway.storage import people as stored_people
from tests.conftest import Clock
from tests.groups import connection_at, people_at, person_at
from tests.races import crowd, meanwhile
from tests.sign_ins import PASSWORD, REDIRECT_URI, begin, make_app, make_person, make_provider, request_of, stored


@pytest.fixture
def anna(context: Context, acme: Node) -> Account:
    return make_person(context, acme, "anna.berg", password=PASSWORD)


@pytest.fixture
def app(context: Context, acme: Node) -> RelyingParty:
    return make_app(context, acme, grants=("authorization_code", "refresh_token"), pkce_required=False)


@pytest.fixture
def session(context: Context, acme: Node, anna: Account, app: RelyingParty) -> Session:
    sign_ins.prove_password(context, acme, begin(context, acme, app).sign_in, anna.login, PASSWORD)
    [found] = sessions.list_of_account(context, anna.id)
    return found


def code_of(context: Context, node: Node, app: RelyingParty, session: Session) -> str:
    request = replace(request_of(app), scope=("openid", "offline_access"))
    code = grants.authorize(context, node, app, request, session, tenant="")
    assert isinstance(code, str)
    return code


def redeem(context: Context, node: Node, app: RelyingParty, code: str) -> Issued:
    return grants.redeem_code(context, node, app, code, redirect_uri=REDIRECT_URI, verifier="")


def refreshed(context: Context, node: Node, app: RelyingParty, session: Session) -> Issued:
    """What comes of a first refresh, whose token is stored from the beginning."""
    first = redeem(context, node, app, code_of(context, node, app, session))
    return grants.refresh(context, node, app, first.refresh_token)


def team_at(context: Context, node: Node, name: str, *members: str) -> Group:
    return groups.create_group(context, node, Wanted(name, None, (AddMembers(tuple(members)),))).seen.group


def add(context: Context, group: Group, member: str) -> object:
    return groups.change_members_by_hand(context, group, [AddMembers((member,))])


def members(context: Context, group: Group) -> set[str]:
    return {member.id for member in stored_members.list_members(context.database, group.id)}


def test_of_twenty_who_redeem_a_code_one_gets_tokens_and_they_die(
    context: Context, acme: Node, app: RelyingParty, session: Session
) -> None:
    code = code_of(context, acme, app, session)
    got = crowd(context, 20, lambda _: redeem(context, acme, app, code))
    issued = [each for each in got if isinstance(each, Issued)]
    assert len(issued) == 1
    assert sum(isinstance(each, GrantRejected) for each in got) == 19
    assert grants.find_live(context, acme.id, issued[0].grant.id) is None


def test_what_is_granted_while_the_session_ends_ends_with_it(context: Context, acme: Node, app: RelyingParty, session: Session) -> None:
    online = request_of(app)
    code = grants.authorize(context, acme, app, online, session, tenant="")
    assert isinstance(code, str)
    with meanwhile(context, stored_grants, "find_code_standing", lambda: sessions.end_session(context, session, "signed out")):
        issued = redeem(context, acme, app, code)
    assert grants.find_live(context, acme.id, issued.grant.id) is None


def test_two_who_bring_a_refresh_token_at_once_do_not_kill_its_family(
    context: Context, acme: Node, app: RelyingParty, session: Session
) -> None:
    first = refreshed(context, acme, app, session)
    with meanwhile(context, stored_grants, "find_refresh_token", lambda: grants.refresh(context, acme, app, first.refresh_token)) as other:
        assert grants.refresh(context, acme, app, first.refresh_token).refresh_token
    assert isinstance(other.result, Issued)
    assert grants.find_live(context, acme.id, first.grant.id) is not None


def test_of_many_who_bring_a_refresh_token_two_get_another(context: Context, acme: Node, app: RelyingParty, session: Session) -> None:
    first = refreshed(context, acme, app, session)
    got = crowd(context, 8, lambda _: grants.refresh(context, acme, app, first.refresh_token))
    assert sum(isinstance(each, Issued) for each in got) == 2
    assert grants.find_live(context, acme.id, first.grant.id) is not None


def test_nobody_comes_in_by_what_was_proved_before_all_was_ended(
    context: Context, acme: Node, app: RelyingParty, anna: Account, clock: Clock
) -> None:
    begun = begin(context, acme, app)

    def new_password() -> None:
        clock.advance(seconds=1)
        credentials.set_password(context, anna, "three loud geese run off")

    with meanwhile(context, stored_people, "find_sessions_ended_at", new_password):
        sign_ins.prove_password(context, acme, begun.sign_in, anna.login, PASSWORD)
    assert sessions.list_of_account(context, anna.id) == []


def test_a_thousand_guesses_at_once_are_counted_one_by_one(context: Context, anna: Account) -> None:
    def guess(_: int) -> int:
        return sum(not locks.count_guess(context, anna, anna.login, GuessPath.CODE).closed for _ in range(125))

    assert sum(int(str(each)) for each in crowd(context, 8, guess)) == LIMITS[GuessPath.CODE]


def test_ten_recovery_codes_are_left_however_many_ask_for_new_ones(context: Context, anna: Account) -> None:
    with meanwhile(context, factors, "replace_recovery_codes", lambda: credentials_recovery.issue_recovery_codes(context, anna)):
        credentials_recovery.issue_recovery_codes(context, anna)
    assert factors.count_recovery_codes(context.database, anna.id) == 10


def test_two_changes_of_a_person_are_both_kept(context: Context, acme: Node) -> None:
    connection, _ = connection_at(context, acme)
    user = create_provisioned(context, connection, acme, {"userName": "mia", "title": "Cook"}).account.id

    def with_title(seen: Seen) -> JsonObject:
        return seen.document() | {"title": "Chef"}

    def with_name(seen: Seen) -> JsonObject:
        return seen.document() | {"displayName": "Mia Holm"}

    with meanwhile(context, written_people, "find_in_sight", lambda: change_provisioned(context, connection, user, with_name)):
        change_provisioned(context, connection, user, with_title)
    mia = stored(context, user)
    assert (mia.job_title, mia.display_name, mia.version) == ("Chef", "Mia Holm", 3)


def test_of_ten_who_create_a_name_one_does(context: Context, acme: Node) -> None:
    connection, _ = connection_at(context, acme)
    got = crowd(context, 10, lambda _: create_provisioned(context, connection, acme, {"userName": "mia"}))
    assert sum(isinstance(each, Written) for each in got) == 1
    assert [each.code for each in got if isinstance(each, Refusal)] == ["E_Login_Taken"] * 9


def test_of_two_who_make_people_with_one_address_one_does(context: Context, acme: Node) -> None:
    def make(login: str) -> Account:
        fields = PersonFields(user_name=login, given_name="Mia", family_name="Holm", email="mia@acme.example")
        return people.create_person(context, acme, NewPerson(fields))

    with meanwhile(context, stored_people, "is_email_taken", lambda: make("mia.2")) as other:
        make("mia.1")
    assert other.code == "E_Email_Taken"


def test_a_person_deleted_while_being_added_is_no_member(context: Context, acme: Node, anna: Account) -> None:
    team = team_at(context, acme, "Team")
    with meanwhile(context, stored_members, "add_people", lambda: people.delete_person(context, anna)):
        add(context, team, anna.id)
    assert members(context, team) == set()


def test_a_person_added_while_being_deleted_is_no_member(context: Context, acme: Node, anna: Account) -> None:
    team = team_at(context, acme, "Team")
    with meanwhile(context, groups, "leave_all_groups", lambda: add(context, team, anna.id)) as other:
        people.delete_person(context, anna)
    assert other.code == "E_Field_Invalid"
    assert members(context, team) == set()


def test_two_groups_never_become_members_of_each_other(context: Context, acme: Node) -> None:
    one, two = team_at(context, acme, "One"), team_at(context, acme, "Two")
    with meanwhile(context, stored_members, "find_nesting", lambda: add(context, one, two.id)) as other:
        with_circle = refused(lambda: add(context, two, one.id))
    assert sorted([other.code, with_circle]) == ["", "E_Field_Invalid"]


def refused(act: object) -> str:
    try:
        act()  # type: ignore[operator]  # a function without arguments
    except Refusal as refusal:
        return refusal.code
    return ""


def test_two_changes_of_a_group_are_both_kept(context: Context, acme: Node) -> None:
    connection, _ = connection_at(context, acme)
    made = groups.create_group(context, acme, Wanted("Team", None), connection=connection).seen.group
    ben = person_at(context, acme, "ben").id

    def join() -> object:
        return groups.change_group(context, connection, made.id, lambda seen: Wanted(seen.group.display_name, "e-1", (AddMembers((ben,)),)))

    with meanwhile(context, stored_groups, "find_group", join):
        groups.change_group(context, connection, made.id, lambda seen: Wanted("Crew", seen.external_id))
    seen = groups.get_group(context, connection, made.id)
    assert (seen.group.display_name, seen.external_id, seen.group.version) == ("Crew", "e-1", made.version + 2)
    assert members(context, made) == {ben}


def test_members_come_and_go_at_once_and_the_version_counts_each(context: Context, acme: Node) -> None:
    some = [person.id for person in people_at(context, acme, 10)]
    team = team_at(context, acme, "Team", *some[:5])

    def act(at: int) -> object:
        change = RemoveMembers((some[at],)) if at < 5 else AddMembers((some[at],))
        return groups.change_members_by_hand(context, team, [change])

    assert not [each for each in crowd(context, 10, act) if isinstance(each, Exception)]
    assert members(context, team) == set(some[5:])
    found = stored_groups.list_groups_by_name(context.database, acme.id, "Team")[0]
    assert found.version == team.version + 10


def test_two_changes_of_a_tenant_are_both_kept(context: Context, acme: Node) -> None:
    with meanwhile(context, stored_nodes, "find_node", lambda: nodes.disable_node(context, acme)):
        nodes.change_node(context, acme, name="Acme Inc")
    found = nodes.get_node(context, "acme")
    assert (found.name, found.disabled_at is None, found.epoch) == ("Acme Inc", False, 1)


def test_two_changes_of_a_provider_are_both_kept(context: Context, acme: Node) -> None:
    corp = make_provider(context, acme)
    with meanwhile(context, stored_providers, "find_provider", lambda: identity_providers.deactivate_provider(context, corp)):
        identity_providers.change_provider(context, corp, Changes(name="Corporation"))
    found = identity_providers.get_provider(context, acme, "corp")
    assert (found.name, found.active) == ("Corporation", False)


def test_two_changes_of_a_connection_are_both_kept(context: Context, acme: Node) -> None:
    made, _ = connection_at(context, acme)
    with meanwhile(
        context, stored_connections, "find_connection", lambda: connection_services.set_disabled(context, acme, made, disabled=True)
    ):
        connection_services.change_connection(context, acme, made, replace(made, name="Other"))
    found = connection_services.get_connection(context, acme, made.id)
    assert (found.name, found.disabled_at is None) == ("Other", False)


def test_of_two_who_found_the_platform_one_gets_a_password(context: Context) -> None:
    def found() -> platform.Founded:
        return platform.found(context, login="root@acme.example", email="root@acme.example")

    with meanwhile(context, stored_nodes, "find_node_by_slug", found) as other:
        first = found()
    assert isinstance(other.result, platform.Founded)
    assert {first.temporary_password is None, other.result.temporary_password is None} == {True, False}


def test_of_two_who_need_a_key_one_makes_it(context: Context, acme: Node) -> None:
    with meanwhile(context, stored_keys, "find_signing_key", lambda: keys.get_signing_key(context, acme.id, "ES256")) as other:
        mine = keys.get_signing_key(context, acme.id, "ES256")
    assert other.result == mine
    assert len(keys.list_public_keys(context, acme.id)) == 1
