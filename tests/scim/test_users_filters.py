"""Filters on people: A39-A57 of scim.md section 5."""

import pytest

from gateway.services import person_views
from gateway.services.house import House
from gateway.storage import search
from tests.scim.people import CORE_USER_URN, ENTERPRISE_URN, SEARCH_URN, People, asking, refused, traced
from tests.sql import plan_of, walks

ADA, BOB, CAROL = "Ada@acme.example", "bob@acme.example", "carol@acme.example"


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


def test_a40_r197_user_names_ignore_case_and_ids_do_not(crowd: People) -> None:
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


@pytest.mark.sqlite
def test_equality_drives_from_an_index(crowd: People, house: House) -> None:
    written = {
        'userName eq "a"': "account_login",
        'externalId eq "a"': "external_id_value",
        'displayName eq "a"': "account_display_name",
        'emails.value eq "a"': "scim_value_address",
        'emails[type eq "work" and value eq "a"]': "scim_value_address",
        f'{ENTERPRISE_URN}:employeeNumber eq "a"': "account_employee_number",
        f'id eq "a" and {ENTERPRISE_URN}:manager.value eq "a"': "sqlite_autoindex_account_1",
    }
    for text, index in written.items():
        with traced(house.database) as ran:
            crowd.who(text)
        sql = next(sql for sql in ran if 'LEFT OUTER JOIN "external_id"' in sql)
        steps = "\n".join(plan_of(house.database, sql))
        assert index in steps, f"{text}\n{steps}"
        assert not walks(house.database, sql), f"{text}\n{steps}"


def test_a_client_that_invents_filters_does_not_fill_the_memory(crowd: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_MOST_KEPT", len(search._kept) + 1)
    for length in range(2, 6):
        assert crowd.who(" or ".join(["title pr"] * length)) == [ADA]
    assert len(search._kept) <= search._MOST_KEPT
