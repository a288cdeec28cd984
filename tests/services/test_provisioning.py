"""What a connection may do to people: sight, adoption, leavers out at once (decisions.md 35; requirements.md R-194 to R-205)."""

from collections.abc import Callable
from dataclasses import replace

import peewee as pw
import pytest
from flask.testing import FlaskClient

from gateway.domain.connections import Adoption
from gateway.domain.document import PersonFields
from gateway.domain.nodes import Node, NodeKind
from gateway.domain.people import Account
from gateway.services import access, credentials, nodes, people, provisioning
from gateway.services.context import Context
from gateway.services.nodes import NewNode
from gateway.services.people import NewPerson
from gateway.storage import identity_providers
from gateway.storage import people as stored_people
from gateway.storage.credentials import find_password
from gateway.storage.database import Database
from gateway.storage.nodes import Domain, insert_domain, prove_domain
from tests.conftest import Clock
from tests.scim.people import ENTERPRISE_URN, MOONGATE_URN, People, Reply, asking, people_of, person, refused
from tests.sign_ins import make_provider
from tests.sql import table_of

SECRET = "correct horse battery staple"


@pytest.fixture
def entra(client: FlaskClient, context: Context, acme: Node) -> People:
    return people_of(client, context, acme)


@pytest.fixture
def adopting(client: FlaskClient, context: Context, acme: Node) -> People:
    return people_of(client, context, acme, adoption=Adoption.ADOPT)


def by_hand(context: Context, node: Node, login: str = "ada@acme.example") -> Account:
    fields = PersonFields(user_name=login, given_name="Ada", family_name="Lovelace", email=login)
    return people.create_person(context, node, NewPerson(fields))


def stored(context: Context, user: str) -> Account:
    account = stored_people.find_account(context.database, user)  # type: ignore[arg-type]  # ids travel as text
    assert account is not None
    return account


def has_password(context: Context, user: str) -> bool:
    return find_password(context.database, stored(context, user).id) is not None


def opened(context: Context, clock: Clock, acme: Node, user: str) -> None:
    """Open a session with a grant and a refresh token for a person."""
    database = context.database
    app = {"client_id": "'app'", "node": f"'{acme.id}'", "backchannel_logout_uri": "'https://app.example/bye'"}
    insert(database, "relying_party", app)
    insert(database, "session", {"sid": "'s1'", "node": f"'{acme.id}'", "account": f"'{user}'", "expires_at": str(clock.now + 10_000_000)})
    grant = {
        "id": "'g1'",
        "node": f"'{acme.id}'",
        "client_id": "'app'",
        "account": f"'{user}'",
        "session": "'s1'",
        "acting": f"'{acme.id}'",
    }
    insert(database, "app_grant", grant | {"expires_at": str(clock.now + 10_000_000)})
    insert(database, "refresh_token", {"token_hash": "'r1'", "app_grant": "'g1'"})


def insert(database: Database, table: str, values: dict[str, str]) -> None:
    """Insert a row, with an empty text or 0 for every column that is not given."""
    fields = [field for field in table_of(table)._meta.sorted_fields if not field.null or field.column_name in values]
    filled = [values.get(field.column_name) or ("0" if isinstance(field, pw.IntegerField) else "''") for field in fields]
    columns = ", ".join(field.column_name for field in fields)
    database.script(f"INSERT INTO {table} ({columns}) VALUES ({', '.join(filled)})")  # noqa: S608 -- every value is a test's own


DISABLING: dict[str, Callable[[People, str], object]] = {
    "replace without flag": lambda scim, user: scim.change(user, {"op": "Replace", "path": "active", "value": "False"}),
    "replace with flag": lambda scim, user: scim.change(user, {"op": "replace", "path": "active", "value": False}),
    "old connector": lambda scim, user: scim.change(user, {"op": "Replace", "path": "active", "value": [{"$ref": None, "value": "False"}]}),
    "path-less": lambda scim, user: scim.change(user, {"op": "replace", "value": {"active": False}}),
    "put": lambda scim, user: scim.put(user, person(active=False)),
    "delete": lambda scim, user: scim.delete(user),
}


@pytest.mark.parametrize("how", DISABLING)
def test_r198_r199_every_spelling_of_disabling_ends_what_was_opened_in_the_same_transaction(
    entra: People, context: Context, acme: Node, clock: Clock, how: str
) -> None:
    user = entra.create()["id"]
    opened(context, clock, acme, user)
    DISABLING[how](entra, user)
    database = context.database
    assert database.script("SELECT ended_at FROM session WHERE sid = 's1'") == [(clock.now,)]
    assert database.script("SELECT ended_at FROM app_grant WHERE id = 'g1'") == [(clock.now,)]
    queued = database.script("SELECT kind, payload FROM job")
    assert [kind for kind, _ in queued] == ["backchannel_logout"]
    assert user in queued[0][1]


def test_a95_a_disabled_person_is_refused_and_still_returned(entra: People, context: Context) -> None:
    user = entra.create(active=False)["id"]
    assert not stored(context, user).enabled
    assert entra.get(user).json["active"] is False
    assert entra.who("active eq false") == ["ada@acme.example"]


def test_a_refused_write_ends_nothing(entra: People, context: Context, acme: Node, clock: Clock) -> None:
    user = entra.create()["id"]
    opened(context, clock, acme, user)
    refused(
        entra.change(user, {"op": "replace", "path": "active", "value": False}, {"op": "remove", "path": "userName"}), 400, "mutability"
    )
    assert context.database.script("SELECT ended_at FROM session WHERE sid = 's1'") == [(None,)]
    assert context.database.script("SELECT kind FROM job") == []


def test_r195_a_pushed_person_is_invited_and_one_of_a_provider_is_active(entra: People, context: Context, acme: Node) -> None:
    assert entra.create("a@acme.example")[MOONGATE_URN]["status"] == "invited"
    provider = make_provider(context, acme)
    tied = entra.switched(context, provider=provider.id)
    document = tied.create("b@acme.example")
    assert (document[MOONGATE_URN]["status"], document[MOONGATE_URN]["signInMethod"]) == ("active", "corp")
    assert tied.create("c@acme.example", **{MOONGATE_URN: {"federatedOnly": True}})[MOONGATE_URN]["federatedOnly"] is True


def test_r196_an_unmanaged_account_is_visible_and_taken_until_the_switch_says_adopt(
    entra: People, adopting: People, context: Context, acme: Node
) -> None:
    hand_made = by_hand(context, acme)
    for directory in (entra, adopting):
        assert directory.who('userName eq "ADA@acme.example"') == ["ada@acme.example"]
    refused(entra.post(person()), 409, "uniqueness", "E_Login_Taken")
    assert "adoption is off" in entra.log(context)[0].detail
    adopted = adopting.post(person(externalId="e1", displayName="Ada"))
    assert (adopted.status_code, adopted.json["id"]) == (201, hand_made.id)
    assert (adopted.json["externalId"], adopted.json["displayName"]) == ("e1", "Ada")
    assert stored(context, hand_made.id).managed_by == adopting.connection.id
    refused(adopting.post(person()), 409, "uniqueness")


@pytest.mark.parametrize("write", ["put", "patch"])
def test_put_and_patch_of_an_unmanaged_account_are_adoptions_too(
    entra: People, adopting: People, context: Context, acme: Node, write: str
) -> None:
    hand_made = by_hand(context, acme)

    def send(directory: People) -> Reply:
        if write == "put":
            return directory.put(hand_made.id, person(title="X"))
        return directory.change(hand_made.id, {"op": "add", "path": "title", "value": "X"})

    refused(send(entra), 403, code="E_Forbidden")
    assert "may not adopt" in entra.log(context)[0].detail
    assert stored(context, hand_made.id).managed_by is None
    assert send(adopting).status_code == 200
    assert stored(context, hand_made.id).managed_by == adopting.connection.id


def test_delete_of_an_unmanaged_account_is_refused_even_where_adoption_is_on(adopting: People, context: Context, acme: Node) -> None:
    hand_made = by_hand(context, acme)
    refused(adopting.delete(hand_made.id), 403, code="E_Forbidden")
    assert stored(context, hand_made.id).deleted_at is None


def test_an_account_of_another_connection_is_read_but_not_written(entra: People, adopting: People) -> None:
    user = entra.create()["id"]
    assert adopting.get(user).status_code == 200
    refused(adopting.put(user, person()), 403, code="E_Forbidden")
    refused(adopting.change(user, {"op": "add", "path": "title", "value": "X"}), 403)
    refused(adopting.delete(user), 403)
    refused(adopting.post(person()), 409, "uniqueness")


def test_accounts_with_administrator_roles_are_adopted_by_hand_only(
    adopting: People, context: Context, acme: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_made = by_hand(context, acme)
    monkeypatch.setattr(access, "is_administrator", lambda context, account: account.id == hand_made.id)
    refused(adopting.post(person()), 409, "uniqueness")
    refused(adopting.change(hand_made.id, {"op": "add", "path": "title", "value": "X"}), 403)


def test_r204_ids_and_counts_of_another_tenant_do_not_exist(entra: People, client: FlaskClient, context: Context, globex: Node) -> None:
    other = people_of(client, context, globex)
    theirs = other.create("eve@globex.example", externalId="e1")["id"]
    nobody = refused(entra.get("00000000-0000-4000-8000-000000000000"), 404)
    for answer in (
        entra.get(theirs),
        entra.put(theirs, person()),
        entra.change(theirs, {"op": "replace", "path": "active", "value": False}),
        entra.delete(theirs),
    ):
        assert refused(answer, 404, code="E_Resource_Not_Found").partition("(")[0] == nobody.partition("(")[0]
    for written in (f'id eq "{theirs}"', 'userName eq "eve@globex.example"', 'externalId eq "e1"', "emails pr or userName pr"):
        assert entra.who(written) == []
    assert entra.listed("")["totalResults"] == 0
    assert other.get(theirs).json["active"] is True


def test_a_connection_sees_units_below_and_nothing_above_or_beside(
    client: FlaskClient, entra: People, context: Context, acme: Node
) -> None:
    one, two = (nodes.create_node(context, acme.id, NewNode(slug, slug, NodeKind.UNIT)) for slug in ("one", "two"))
    first, second = people_of(client, context, one), people_of(client, context, two)
    entra.create("top@acme.example")
    inside = first.create("one@acme.example")["id"]
    second.create("two@acme.example")
    assert entra.who("userName pr") == ["one@acme.example", "top@acme.example", "two@acme.example"]
    assert first.who("userName pr") == ["one@acme.example"]
    assert entra.get(inside).json[MOONGATE_URN]["scope"] == {"tenant": "one"}
    # The name is taken in the namespace they share, though out of this connection's sight.
    detail = refused(first.post(person("two@acme.example")), 409, "uniqueness")
    assert "two" not in detail.replace("two@acme.example", "")
    off = nodes.disable_node(context, one)
    assert entra.get(inside).json[MOONGATE_URN]["status"] == "tenant_disabled"
    assert off.disabled_at


def test_r194_a_deleted_name_makes_a_new_id_and_the_old_one_stays_away(entra: People, context: Context) -> None:
    old = entra.create(externalId="e1")["id"]
    entra.delete(old)
    new = entra.create(externalId="e1")["id"]
    assert new != old
    assert stored(context, old).deleted_at is not None
    assert entra.get(old).status_code == 404


def test_r097_an_administrators_disable_outlives_the_directorys_enable(entra: People, context: Context) -> None:
    user = entra.create(active=False)["id"]
    people.set_enabled(context, stored(context, user), enabled=False)
    answer = entra.change(user, {"op": "replace", "path": "active", "value": True})
    assert (answer.status_code, answer.json["active"]) == (200, False)
    assert stored(context, user).active_by_scim
    people.set_enabled(context, stored(context, user), enabled=True)
    assert entra.get(user).json["active"] is True


SILENT_ABOUT_ACTIVE: dict[str, Callable[[People, str], Reply]] = {
    "removed": lambda scim, user: scim.change(user, {"op": "remove", "path": "active"}),
    "null by path": lambda scim, user: scim.change(user, {"op": "replace", "path": "active", "value": None}),
    "null without path": lambda scim, user: scim.change(user, {"op": "replace", "value": {"active": None}}),
    "null in a PUT": lambda scim, user: scim.put(user, person(active=None)),
    "PUT without it": lambda scim, user: scim.put(user, {"schemas": [], "userName": "ada@acme.example"}),
}


@pytest.mark.parametrize("say", SILENT_ABOUT_ACTIVE.values(), ids=SILENT_ABOUT_ACTIVE.keys())
def test_whoever_was_put_out_stays_out_until_active_is_pushed_as_true(
    entra: People, context: Context, say: Callable[[People, str], Reply]
) -> None:
    user = entra.create(active=False)["id"]
    say(entra, user)
    assert not stored(context, user).enabled
    assert entra.changed(user, {"op": "add", "path": "title", "value": "X"})["active"] is False
    assert entra.changed(user, {"op": "replace", "path": "active", "value": True})["active"] is True


@pytest.mark.parametrize("active", [True, False])
def test_unassigned_active_is_not_shown_and_changes_nothing(entra: People, context: Context, *, active: bool) -> None:
    user = entra.create(active=active)["id"]
    assert "active" not in entra.change(user, {"op": "remove", "path": "active"}).json
    assert stored(context, user).enabled is active


def test_r200_a_password_is_set_for_a_local_person_and_dropped_or_refused_otherwise(
    entra: People, client: FlaskClient, context: Context, acme: Node
) -> None:
    user = entra.post(person(password=SECRET)).json["id"]
    assert has_password(context, user) is True
    weak = entra.post(person("weak@acme.example", password="short"))
    assert weak.status_code == 201
    assert "password dropped" in entra.log(context)[0].rewrites
    strict = people_of(client, context, acme, "strict")
    assert strict.post(person("strict@acme.example", password="short")).status_code == 400
    assert strict.who('userName eq "strict@acme.example"') == []
    provider = make_provider(context, acme)
    tied = entra.switched(context, provider=provider.id)
    federated = tied.post(person("fed@acme.example", password=SECRET)).json["id"]
    assert has_password(context, federated) is False


def test_r201_what_a_directory_may_write_of_our_extension(entra: People, context: Context, acme: Node) -> None:
    provider = make_provider(context, acme)
    tied = entra.switched(context, provider=provider.id)
    wanted = {
        "federatedOnly": True,
        "mfaRequired": True,
        "loginMatching": "custom-login",
        "customLogin": "a.l",
        "companyContacts": ["Billing", "Technical"],
    }
    document = tied.create(**{MOONGATE_URN: wanted})
    assert document[MOONGATE_URN].items() >= wanted.items()
    account = stored(context, document["id"])
    assert (account.federated_only, account.mfa_required, account.matching) == (True, True, "custom-login")
    assert identity_providers.list_sign_in_methods(context.database, account.id)[0].federated_login == "a.l"
    after = tied.changed(
        document["id"], {"op": "remove", "path": f"{MOONGATE_URN}:customLogin"}, {"op": "remove", "path": f"{MOONGATE_URN}:companyContacts"}
    )
    assert not {"customLogin", "companyContacts"} & after[MOONGATE_URN].keys()
    after = tied.changed(document["id"], {"op": "remove", "path": MOONGATE_URN})
    assert (after[MOONGATE_URN]["federatedOnly"], after[MOONGATE_URN]["mfaRequired"]) == (False, False)


def test_r102_federated_only_by_a_directory_needs_a_provider_and_erases_the_password(entra: People, context: Context, acme: Node) -> None:
    user = entra.create()["id"]
    credentials.set_password(context, stored(context, user), SECRET)
    operation = {"op": "add", "path": f"{MOONGATE_URN}:federatedOnly", "value": True}
    refused(entra.change(user, operation), 400, "invalidValue")
    make_provider(context, acme)
    assert entra.change(user, operation).status_code == 200
    assert has_password(context, user) is False


@pytest.mark.parametrize("name", ["status", "lockedOut", "mfaStatus", "emailValidated", "signInMethod", "scope"])
def test_r202_what_we_compute_is_read_only(entra: People, client: FlaskClient, context: Context, acme: Node, name: str) -> None:
    user = entra.create(**{MOONGATE_URN: {name: "x" if name != "lockedOut" else True}})
    assert user[MOONGATE_URN]["lockedOut"] is False
    refused(entra.change(user["id"], {"op": "replace", "path": f"{MOONGATE_URN}:{name}", "value": True}), 400, "mutability")


def test_r205_the_base_of_a_disabled_tenant_is_403(entra: People, context: Context, acme: Node) -> None:
    nodes.disable_node(context, acme)
    refused(entra.send("GET", "/Users"), 403, code="E_Tenant_Not_Allowed")


def test_r043_enterprise_attributes_are_returned(entra: People) -> None:
    enterprise = {"employeeNumber": "1", "department": "D", "costCenter": "C", "manager": {"value": "m"}}
    assert entra.create(**{ENTERPRISE_URN: enterprise})[ENTERPRISE_URN] == enterprise


def test_an_address_counts_as_proved_where_its_domain_is_the_connections(entra: People, context: Context, acme: Node) -> None:
    domain = Domain("d1", acme.id, "acme.example", "routing", "token", None, None, context.now())
    insert_domain(context.database, domain)
    email = [{"value": "ada@acme.example", "primary": True}]
    before = entra.create("a@acme.example", emails=email)
    assert before[MOONGATE_URN]["emailValidated"] is False
    prove_domain(context.database, "d1", context.now())
    user = entra.create("b@acme.example", emails=[{"value": "b@acme.example", "primary": True}])
    assert user[MOONGATE_URN]["emailValidated"] is True
    elsewhere = entra.changed(user["id"], {"op": "replace", "path": "emails", "value": [{"value": "b@other.example"}]})
    assert elsewhere[MOONGATE_URN]["emailValidated"] is False


def test_shared_addresses_are_taken(entra: People) -> None:
    for name in ("a", "b"):
        entra.create(name, emails=[{"value": "same@acme.example", "primary": True}])
    assert entra.listed(asking(filter='emails.value eq "same@acme.example"'))["totalResults"] == 2


def test_a_change_refused_by_its_condition_changes_nothing(entra: People, context: Context) -> None:
    user = entra.create()["id"]

    def never() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        provisioning.change_provisioned(context, entra.connection, user, lambda seen: seen.document(), require=never)
    with pytest.raises(ZeroDivisionError):
        provisioning.remove_provisioned(context, entra.connection, user, require=never)
    assert stored(context, user).version == 1


def test_a_profile_switch_of_unknown_attributes_is_the_connections(entra: People, context: Context) -> None:
    ignoring = entra.switched(context, unknown="ignore")
    user = ignoring.create()["id"]
    assert ignoring.change(user, {"op": "add", "path": "shoeSize", "value": 42}).status_code == 200
    refusing = replace(ignoring, connection=ignoring.switched(context, unknown="refuse").connection)
    refused(refusing.post(person("b@acme.example", shoeSize=42)), 400, "invalidSyntax")
