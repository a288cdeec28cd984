"""Reading, projection, filters, order and pages of people: A29-A63, A67, A68 of scim.md section 5."""

import json
from types import SimpleNamespace

import orjson
import pytest
from flask.testing import FlaskClient

from gateway.domain.nodes import Node, NodeKind
from gateway.services import nodes, person_views
from gateway.services.context import Context
from gateway.services.house import House
from gateway.services.nodes import NewNode
from gateway.storage import search
from tests.conftest import Clock
from tests.scim.people import CORE_USER_URN, ENTERPRISE_URN, MOONGATE_URN, SEARCH_URN, People, asking, people_of, person, refused, traced


@pytest.fixture
def crowd(entra: People, clock: Clock) -> People:
    """Three people who differ."""
    entra.create(
        "Ada@acme.example",
        externalId="Ext-1",
        displayName="Ada Lovelace",
        title="Countess",
        name={"givenName": "Ada", "familyName": "Lovelace"},
        emails=[{"value": "ada@work.example", "type": "work", "primary": True}, {"value": "ada@home.example", "type": "home"}],
        phoneNumbers=[{"value": "+44 1", "type": "mobile"}],
        **{ENTERPRISE_URN: {"employeeNumber": "E1", "department": "Engines", "manager": {"value": "boss-1"}}},
    )
    clock.advance(seconds=60)
    entra.create(
        "bob@acme.example",
        externalId="ext-1",
        displayName="100% Bob_by",
        nickName="Bo",
        name={"givenName": "Bob", "familyName": "Builder"},
        emails=[{"value": "bob@home.example", "type": "work"}, {"value": "bob@work.example", "type": "home", "primary": True}],
        active=False,
    )
    clock.advance(seconds=60)
    entra.create("carol@acme.example", nickName="Ca")
    return entra


ADA, BOB, CAROL = "Ada@acme.example", "bob@acme.example", "carol@acme.example"


def test_a29_an_unknown_a_foreign_and_a_malformed_id_are_the_same_404(
    entra: People, client: FlaskClient, context: Context, globex: Node
) -> None:
    theirs = people_of(client, context, globex).create()["id"]
    details = {refused(entra.get(user), 404, code="E_Resource_Not_Found")[:60] for user in (theirs, "nobody", "%00", "x" * 2000, "..%2F")}
    assert len(details) == 1


def test_a30_attributes_choose_and_id_and_schemas_are_always_there(crowd: People) -> None:
    user = crowd.listed(asking(filter=f'userName eq "{ADA}"'))["Resources"][0]["id"]
    assert set(crowd.get(user, "?attributes=userName").json) == {"schemas", "id", "userName"}
    assert set(crowd.get(user, "?attributes=nobody").json) == {"schemas", "id"}


def test_a31_sub_attributes_and_urns_in_any_case(crowd: People) -> None:
    user = crowd.listed(asking(filter=f'userName eq "{ADA}"'))["Resources"][0]["id"]
    assert crowd.get(user, "?attributes=NAME.givenname").json["name"] == {"givenName": "Ada"}
    document = crowd.get(user, f"?attributes={CORE_USER_URN}:userName,{ENTERPRISE_URN.upper()}:department").json
    assert document[ENTERPRISE_URN] == {"department": "Engines"}
    assert document["userName"] == ADA
    assert "displayName" not in document


def test_a32_what_is_always_returned_cannot_be_excluded(crowd: People) -> None:
    user = crowd.listed(asking(filter=f'userName eq "{ADA}"'))["Resources"][0]["id"]
    document = crowd.get(user, "?excludedAttributes=id,schemas,emails,name.familyName").json
    assert {"id", "schemas"} <= document.keys()
    assert "emails" not in document
    assert document["name"] == {"givenName": "Ada"}


def test_a33_attributes_and_excluded_attributes_exclude_each_other(entra: People) -> None:
    refused(entra.send("GET", "/Users?attributes=userName&excludedAttributes=emails"), 400, "invalidValue")


def test_a36_attributes_are_honoured_by_writes_and_searches(entra: People) -> None:
    only = {"schemas", "id", "userName"}
    created = entra.post(person(title="X"), "?attributes=userName")
    user = created.json["id"]
    assert set(created.json) == only
    assert set(entra.put(user, person(), "?attributes=userName").json) == only
    changed = entra.change(user, {"op": "add", "path": "title", "value": "Y"}, query="?attributes=userName")
    assert (changed.status_code, set(changed.json)) == (200, only)
    found = entra.send("POST", "/Users/.search", {"schemas": [SEARCH_URN], "attributes": ["userName"]}).json
    assert set(found["Resources"][0]) == only
    assert set(entra.listed("attributes=userName")["Resources"][0]) == only


def test_a37_locations_are_absolute_and_below_the_tenant(entra: People) -> None:
    user = entra.create()
    assert user["meta"]["location"] == f"http://localhost:8000/t/acme/scim/v2/Users/{user['id']}"


def test_a38_groups_are_computed_and_read_only(entra: People, strict: People) -> None:
    user = entra.create()["id"]
    group = entra.group("Team", user)
    document = entra.get(user).json
    assert document["groups"] == [
        {"value": group, "$ref": f"http://localhost:8000/t/acme/scim/v2/Groups/{group}", "display": "Team", "type": "direct"}
    ]
    assert entra.put(user, document | {"groups": []}).json["groups"] == document["groups"]
    mine = strict.create("strict@acme.example")["id"]
    refused(strict.change(mine, {"op": "replace", "path": "groups", "value": []}), 400, "mutability")


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ('userName eq "ada@ACME.example"', [ADA]),
        ('userName ne "ada@acme.example"', [BOB, CAROL]),
        ('displayName co "LOVE"', [ADA]),
        ('userName sw "b"', [BOB]),
        ('userName ew "@acme.example"', [ADA, BOB, CAROL]),
        ('userName gt "bob@acme.example"', [CAROL]),
        ('userName ge "bob@acme.example"', [BOB, CAROL]),
        ('userName lt "bob@acme.example"', [ADA]),
        ('displayName le "zzz"', [BOB, ADA]),
        ("title pr", [ADA]),
        ("not (title pr)", [BOB, CAROL]),
        ('USERNAME EQ "bob@acme.example" OR username Eq "carol@acme.example"', [BOB, CAROL]),
        ('name.givenName eq "Ada" and name.familyName sw "Love"', [ADA]),
    ],
)
def test_a39_operators(crowd: People, written: str, names: list[str]) -> None:
    assert crowd.who(written) == sorted(names)


def test_a40_user_names_ignore_case_and_ids_do_not(crowd: People) -> None:
    assert crowd.who('userName eq "BOB@acme.example"') == [BOB]
    assert crowd.who('externalId eq "ext-1"') == [BOB]
    assert crowd.who('externalId eq "Ext-1"') == [ADA]
    assert crowd.who('externalId sw "ext"') == [BOB]
    assert crowd.who('externalId co "xt-"') == [ADA, BOB]
    assert crowd.who('externalId ew "-1" and not (externalId sw "E")') == [BOB]
    assert crowd.who("not (externalId pr)") == [CAROL]
    user = crowd.listed(asking(filter=f'userName eq "{BOB}"'))["Resources"][0]["id"]
    assert crowd.who(f'id eq "{user}"') == [BOB]
    assert crowd.who(f'id eq "{user.upper()}"') == []


def test_a41_nobody_is_200(crowd: People) -> None:
    assert crowd.listed(asking(filter='userName eq "nobody"'))["totalResults"] == 0


@pytest.mark.parametrize(
    "written",
    ['userName zz "a"', "userName eq", '(userName eq "a"', 'shoeSize eq "42"', 'userName eq "a" and', "[]", 'name eq "a"', '"a"', "eq"],
)
def test_a42_what_is_no_filter_is_refused(strict: People, written: str) -> None:
    refused(strict.send("GET", "/Users?" + asking(filter=written)), 400, "invalidFilter", "E_Filter_Unsupported")


def test_a43_brackets_mean_the_same_element(crowd: People) -> None:
    assert crowd.who('emails[type eq "work" and value co "@work"]') == [ADA]
    assert crowd.who('emails.type eq "work" and emails.value co "@work"') == [ADA, BOB]
    assert crowd.who('emails[type eq "home" and value eq "ada@home.example"]') == [ADA]
    assert crowd.who('emails[type eq "work" and value eq "ada@home.example"]') == []
    assert crowd.who('emails[value eq "ada@home.example" and not (type eq "work")]') == [ADA]
    assert crowd.who('emails[type ne "work" and value sw "bob"]') == [BOB]


def test_a44_a_value_path_with_a_sub_attribute(crowd: People) -> None:
    assert crowd.who('emails[type eq "work"].value eq "ADA@work.example"') == [ADA]
    assert crowd.who('emails[primary eq true].value eq "bob@work.example"') == [BOB]
    assert crowd.who('emails[primary eq true and type eq "work"]') == [ADA]


def test_a45_a_complex_attribute_stands_for_its_value(crowd: People) -> None:
    assert crowd.who('emails eq "ada@home.example"') == [ADA]
    assert crowd.who('emails co "@home"') == [ADA, BOB]
    assert crowd.who(f'{ENTERPRISE_URN}:manager eq "boss-1"') == [ADA]
    assert crowd.who(f'{ENTERPRISE_URN}:manager eq "BOSS-1"') == []


def test_a46_unequal_is_true_where_any_value_differs_or_none_is_there(crowd: People) -> None:
    assert crowd.who('emails.type ne "work"') == [ADA, BOB, CAROL]
    assert crowd.who('phoneNumbers.value ne "+44 1"') == [BOB, CAROL]
    assert crowd.who('title ne "countess"') == [BOB, CAROL]
    assert crowd.who('not (title eq "countess")') == [BOB, CAROL]


@pytest.mark.parametrize("operator", ["gt", "ge", "lt", "le", "co", "sw"])
def test_a47_truth_values_have_no_order(strict: People, operator: str) -> None:
    refused(strict.send("GET", "/Users?" + asking(filter=f"active {operator} true")), 400, "invalidFilter")
    refused(strict.send("GET", "/Users?" + asking(filter='x509Certificates.value gt "a"')), 400, "invalidFilter")


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ('meta.created gt "2026-09-21T14:14:20.000Z"', [CAROL]),
        ('meta.created ge "2026-09-21T14:14:20Z"', [BOB, CAROL]),
        ('meta.created gt "2026-09-21T15:14:20.000+01:00"', [CAROL]),
        ('meta.created gt "2026-09-21T14:14:19.9999999Z"', [BOB, CAROL]),
        ('meta.created le "2026-09-21T14:14:20.000001Z"', [ADA, BOB]),
        ('meta.created lt "2026-09-21T14:14:20.000001Z"', [ADA, BOB]),
        ('meta.created eq "2026-09-21T14:14:20Z"', [BOB]),
        ('meta.created eq "2026-09-21T14:14:20.000001Z"', []),
        ('meta.created ne "2026-09-21T14:14:20Z"', [ADA, CAROL]),
        ('meta.lastModified sw "2026-09-21T14:14"', [BOB]),
        ("meta.lastModified pr", [ADA, BOB, CAROL]),
    ],
)
def test_a48_times_are_compared_as_instants(crowd: People, written: str, names: list[str]) -> None:
    assert crowd.who(written) == sorted(names)


def test_a49_and_binds_before_or_and_not_before_both(crowd: People) -> None:
    assert crowd.who('title pr or active eq true and nickName eq "Ca"') == [ADA, CAROL]
    assert crowd.who('(title pr or active eq true) and userName sw "c"') == [CAROL]
    assert crowd.who("not (active eq true) or title pr") == [ADA, BOB]


def test_a50_presence_of_nothing_is_false(crowd: People) -> None:
    assert crowd.who("emails pr") == [ADA, BOB]
    assert crowd.who("name pr") == [ADA, BOB]
    assert crowd.who("phoneNumbers.value pr") == [ADA]
    assert crowd.who("addresses pr") == []
    assert crowd.who("title eq null") == [BOB, CAROL]
    assert crowd.who("title ne null") == [ADA]
    assert crowd.who('title eq ""') == []


def test_a51_literals(crowd: People, strict: People) -> None:
    assert crowd.who("active eq true") == [ADA, CAROL]
    assert crowd.who("active eq false") == [BOB]
    assert crowd.who('active eq "True"') == [ADA, CAROL]
    assert crowd.who('displayName eq "Ada\\u0020Lovelace"') == [ADA]
    refused(strict.send("GET", "/Users?" + asking(filter='active eq "true"')), 400, "invalidFilter")


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ('displayName co "%"', [BOB]),
        ('displayName co "_"', [BOB]),
        ('displayName sw "100%"', [BOB]),
        ('displayName sw "1_0"', []),
        ('displayName ew "_by"', [BOB]),
        ('displayName co "\\\\"', []),
        ('displayName eq "\'; DROP TABLE account; --"', []),
        ('emails.value co "%"', []),
    ],
)
def test_a52_wildcards_and_quotes_are_literal(crowd: People, written: str, names: list[str]) -> None:
    assert crowd.who(written) == names
    assert crowd.listed("count=0")["totalResults"] == 3


def test_a53_names_with_urns_in_any_case(crowd: People) -> None:
    assert crowd.who(f'{ENTERPRISE_URN}:department eq "engines"') == [ADA]
    assert crowd.who(f'{ENTERPRISE_URN.lower()}:EMPLOYEENUMBER eq "e1"') == [ADA]
    assert crowd.who(f'{CORE_USER_URN}:userName eq "{BOB}"') == [BOB]


def test_a54_the_base_searches_all_types_and_foreign_attributes_are_false(crowd: People) -> None:
    crowd.group("Team")

    def found(written: str) -> list[str]:
        resources = crowd.send("GET", "/?" + asking(filter=written)).json["Resources"]
        return sorted(resource.get("userName", resource.get("displayName")) for resource in resources)

    assert found('meta.resourceType eq "User"') == [ADA, BOB, CAROL]
    assert found('meta.resourceType eq "Group"') == ["Team"]
    assert found(f'userName eq "{ADA}" or members.value eq "nobody"') == [ADA]
    assert found('displayName eq "Team" or title pr') == [ADA, "Team"]


def test_a54_pages_at_the_base_run_on_from_one_type_to_the_next(crowd: People) -> None:
    crowd.group("One")
    crowd.group("Two")
    whole = crowd.send("POST", "/.search", {"schemas": [SEARCH_URN]}).json
    assert (whole["totalResults"], len(whole["Resources"])) == (5, 5)
    pages = [crowd.send("POST", "/.search", {"schemas": [SEARCH_URN], "startIndex": start, "count": 2}).json for start in (1, 3, 5)]
    assert [page["totalResults"] for page in pages] == [5, 5, 5]
    assert [resource["id"] for page in pages for resource in page["Resources"]] == [resource["id"] for resource in whole["Resources"]]


def test_a55_schemas_and_groups_can_be_asked_for(crowd: People) -> None:
    user = crowd.listed(asking(filter=f'userName eq "{ADA}"'))["Resources"][0]["id"]
    group = crowd.group("Team", user)
    assert crowd.who(f'groups.value eq "{group}"') == [ADA]
    assert crowd.who(f'groups[value eq "{group}"]') == [ADA]
    assert crowd.who(f'groups eq "{group}"') == [ADA]
    assert crowd.who('groups.display eq "team"') == [ADA]
    assert crowd.who(f'schemas eq "{CORE_USER_URN}"') == [ADA, BOB, CAROL]
    assert crowd.who(f'schemas eq "{ENTERPRISE_URN}"') == [ADA]


@pytest.mark.parametrize("written", ["password pr", 'password eq "a"', 'not (password sw "a")', 'userName eq "x" or password pr'])
def test_a56_a_filter_on_the_password_is_refused(entra: People, written: str) -> None:
    refused(entra.send("GET", "/Users?" + asking(filter=written)), 400, "invalidFilter")
    refused(entra.send("GET", "/Users?sortBy=password"), 400, "invalidValue")


@pytest.mark.parametrize(
    "written",
    [
        'userName eq "' + "x" * 9000 + '"',
        "(" * 40 + "title pr" + ")" * 40,
        " or ".join(["title pr"] * 101),
        'userName eq "\\ud800"',
    ],
)
def test_a57_filters_have_limits(entra: People, written: str) -> None:
    refused(entra.send("GET", "/Users?" + asking(filter=written)), 400, "invalidFilter")


def test_a57_what_no_index_answers_is_tested_on_few_and_refused_for_many(crowd: People, monkeypatch: pytest.MonkeyPatch) -> None:
    assert crowd.who('nickName eq "bo"') == [BOB]
    monkeypatch.setattr(person_views, "MOST_CANDIDATES", 2)
    refused(crowd.send("GET", "/Users?" + asking(filter='nickName eq "bo"')), 400, "tooMany", "E_Too_Many")
    refused(crowd.send("GET", "/Users?sortBy=nickName"), 400, "tooMany")
    # An indexed term beside it makes the candidates few.
    assert crowd.who('nickName eq "bo" and active eq false') == [BOB]


def test_a58_order_ignores_case_and_ascends(crowd: People) -> None:
    assert crowd.who("userName pr", "&sortBy=userName") == [ADA, BOB, CAROL]
    assert crowd.who("userName pr", "&sortBy=userName&sortOrder=descending") == [CAROL, BOB, ADA]
    refused(crowd.send("GET", "/Users?sortBy=userName&sortOrder=sideways"), 400, "invalidValue")


@pytest.mark.parametrize("attribute", ["title", "nickName", "externalId", f"{ENTERPRISE_URN}:department", "addresses.locality"])
def test_a59_missing_values_come_last_ascending_and_first_descending(crowd: People, attribute: str) -> None:
    def missing(order: str) -> list[bool]:
        resources = crowd.listed(asking(sortBy=attribute, sortOrder=order))["Resources"]
        name = attribute.rpartition(":")[2]
        return [name not in json.dumps(resource) for resource in resources]

    assert missing("ascending") == sorted(missing("ascending"))
    assert missing("descending") == sorted(missing("descending"), reverse=True)


def test_a59_a_multi_valued_attribute_is_sorted_by_its_primary_element(crowd: People) -> None:
    crowd.create("dan@acme.example", emails=[{"value": "ZZ@first.example"}, {"value": "aa@second.example", "primary": True}])
    assert crowd.who("emails pr", "&sortBy=emails") == ["dan@acme.example", ADA, BOB]
    assert crowd.who("emails pr", "&sortBy=emails.value&sortOrder=descending") == [BOB, ADA, "dan@acme.example"]
    refused(crowd.send("GET", "/Users?sortBy=name"), 400, "invalidValue")


def test_a60_an_unknown_order_is_refused(crowd: People) -> None:
    refused(crowd.send("GET", "/Users?sortBy=shoeSize"), 400, "invalidValue")


def test_a61_pages_out_of_bounds(crowd: People) -> None:
    for start in (0, -5):
        assert crowd.listed(f"startIndex={start}")["startIndex"] == 1
    beyond = crowd.listed("startIndex=10")
    assert (beyond["totalResults"], beyond["itemsPerPage"], beyond["Resources"]) == (3, 0, [])
    for count in (0, -1):
        none = crowd.listed(f"count={count}")
        assert (none["totalResults"], none["itemsPerPage"]) == (3, 0)
        assert "Resources" not in none
    filtered = crowd.listed(asking(filter="title pr", startIndex=5))
    assert (filtered["totalResults"], filtered["Resources"]) == (1, [])
    assert crowd.listed(asking(filter="title pr", count=0))["totalResults"] == 1
    refused(crowd.send("GET", "/Users?count=abc"), 400, "invalidValue")
    refused(crowd.send("GET", "/Users?startIndex=1.5"), 400, "invalidValue")


def test_a62_a_page_has_a_thousand_people_at_most(entra: People, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        entra.create(f"p{number}@acme.example")
    monkeypatch.setattr("scim.parameters.MAX_RESULTS", 3)
    found = entra.listed("count=100000")
    assert (found["totalResults"], found["itemsPerPage"], len(found["Resources"])) == (4, 3, 3)


@pytest.mark.parametrize("sort", ["", "&sortBy=title", "&sortBy=active&sortOrder=descending", "&sortBy=meta.created", "&sortBy=nickName"])
def test_a63_every_order_is_total(crowd: People, sort: str) -> None:
    for number in range(4):
        crowd.create(f"same{number}@acme.example", title="Same")
    whole = [user["id"] for user in crowd.listed(f"count=100{sort}")["Resources"]]
    assert len(set(whole)) == 7
    assert [user["id"] for start in range(1, 8, 2) for user in crowd.listed(f"startIndex={start}&count=2{sort}")["Resources"]] == whole


def test_a67_a_search_by_post_is_the_same_search(crowd: People) -> None:
    body = {"schemas": [SEARCH_URN], "filter": "emails pr", "sortBy": "userName", "startIndex": 2, "count": 1}
    found = crowd.send("POST", "/Users/.search", body)
    assert found.status_code == 200
    assert found.json == crowd.listed(asking(filter="emails pr", sortBy="userName", startIndex=2, count=1))
    assert (found.json["totalResults"], found.json["Resources"][0]["userName"]) == (2, BOB)


def test_a68_unknown_parameters_are_ignored(crowd: People) -> None:
    assert crowd.listed("aadOptscim062020&foo=bar&Filter=x")["totalResults"] == 3


def test_totals_without_a_filter_are_those_of_the_subtree_and_cost_no_count(
    entra: People, client: FlaskClient, context: Context, acme: Node, globex: Node, house: House
) -> None:
    unit = nodes.create_node(context, acme.id, NewNode("unit", "Unit", NodeKind.UNIT))
    below, beside = people_of(client, context, unit), people_of(client, context, globex)
    entra.create("a@acme.example")
    below.create("b@acme.example")
    beside.create("c@globex.example")
    with traced(house.database) as ran:
        assert entra.listed("count=1")["totalResults"] == 2
    assert not [sql for sql in ran if "COUNT(" in sql]
    assert below.listed("")["totalResults"] == 1
    assert beside.listed("")["totalResults"] == 1
    entra.delete(entra.listed(asking(filter='userName eq "a@acme.example"'))["Resources"][0]["id"])
    assert entra.listed("count=0")["totalResults"] == 1


def test_a_read_is_few_queries_and_parses_no_document(crowd: People, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    user = crowd.listed(asking(filter=f'userName eq "{ADA}"'))["Resources"][0]["id"]
    monkeypatch.setattr(person_views, "orjson", SimpleNamespace(dumps=orjson.dumps))
    with traced(house.database) as ran:
        assert crowd.get(user).status_code == 200
    assert len([sql for sql in ran if 'FROM "account"' in sql]) == 1
    assert len(ran) <= 7, ran
    with traced(house.database) as ran:
        assert crowd.listed("count=100")["itemsPerPage"] == 3
    assert len(ran) <= 8, ran


def test_equality_drives_from_an_index(crowd: People, house: House) -> None:
    written = {
        'userName eq "a"': "account_login",
        'externalId eq "a"': "external_id_value",
        'displayName eq "a"': "account_display_name",
        'emails.value eq "a"': "scim_value_search",
        'emails[type eq "work" and value eq "a"]': "scim_value_search",
        f'{ENTERPRISE_URN}:employeeNumber eq "a"': "account_employee_number",
        f'{ENTERPRISE_URN}:manager.value eq "a"': "account_manager",
    }
    for text, index in written.items():
        with traced(house.database) as ran:
            crowd.who(text)
        sql = next(sql for sql in ran if 'LEFT OUTER JOIN "external_id"' in sql)
        plan = house.database.script(f"EXPLAIN QUERY PLAN {sql}")
        steps = "\n".join(row[3] for row in plan)
        assert index in steps, f"{text}\n{steps}"
        assert "SCAN t1" not in steps.replace("SCAN t1 USING", ""), f"{text}\n{steps}"


def test_a_client_that_invents_filters_does_not_fill_the_memory(crowd: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_MOST_KEPT", len(search._kept) + 1)
    for length in range(2, 6):
        assert crowd.who(" or ".join(["title pr"] * length)) == [ADA]
    assert len(search._kept) <= search._MOST_KEPT


def test_our_extension_tells_what_we_know(entra: People, context: Context) -> None:
    document = entra.create(**{MOONGATE_URN: {"mfaRequired": True, "companyContacts": ["Billing"]}}, preferredLanguage="de")
    assert document[MOONGATE_URN] == {
        "status": "invited",
        "signInMethod": "password",
        "loginMatching": "email",
        "federatedOnly": False,
        "mfaRequired": True,
        "mfaStatus": "none",
        "lockedOut": False,
        "emailValidated": False,
        "scope": {"tenant": "acme"},
        "companyContacts": ["Billing"],
        "language": "de",
    }
    assert document["schemas"] == [CORE_USER_URN, MOONGATE_URN]
