"""PATCH inside multi-valued attributes: which elements are meant, and what becomes of them (scim.md A77-A83, E08, E09)."""

from dataclasses import replace

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.patch import PatchPolicy, apply_patch, parse_operations
from gateway.domain.schema import CORE_USER_URN, MOONGATE_URN, USER, Json, JsonObject

WORK: JsonObject = {"value": "anna@work.example", "type": "work", "primary": True}
HOME: JsonObject = {"value": "anna@home.example", "type": "home"}
STRICT = PatchPolicy()
CREATING = PatchPolicy(create_unmatched=True)
REMOVING = PatchPolicy(remove_value_as_filter=True)


def emails(op: str, path: str, *value: Json, given: list[Json] | None = None, policy: PatchPolicy = STRICT) -> list[Json]:
    """The e-mails of somebody with WORK and HOME, or those given, after one operation."""
    listed: list[Json] = [WORK, HOME] if given is None else given
    document: JsonObject = {"schemas": [CORE_USER_URN], "userName": "anna", **({"emails": listed} if listed else {})}
    operation: JsonObject = {"op": op, "path": path, **({"value": value[0]} if value else {})}
    found = apply_patch(document, parse_operations({"Operations": [operation]}, policy), USER, policy).document.get("emails", [])
    assert isinstance(found, list)
    return found


def code_of(op: str, path: str, *value: Json, given: list[Json] | None = None, policy: PatchPolicy = STRICT) -> str:
    with pytest.raises(Refusal) as refusal:
        emails(op, path, *value, given=given, policy=policy)
    return refusal.value.code


# --- the list as a whole


@pytest.mark.parametrize("value", [{"value": "b@x.example"}, [{"value": "b@x.example"}]])
def test_add_appends_one_or_several(value: Json) -> None:
    assert emails("add", "emails", value) == [WORK, HOME, {"value": "b@x.example"}]


def test_add_to_an_absent_list_makes_it() -> None:
    assert emails("add", "emails", HOME, given=[]) == [HOME]


def test_replace_puts_another_list_in_its_place() -> None:
    assert emails("replace", "emails", [HOME]) == [HOME]
    assert emails("replace", "emails", []) == []
    assert emails("replace", "emails", [HOME], given=[]) == [HOME]


def test_element_that_is_there_is_not_added_again() -> None:
    assert emails("add", "emails", [WORK, HOME, HOME]) == [WORK, HOME]


def test_element_that_lost_its_primary_is_still_the_same() -> None:
    assert emails("add", "emails", HOME, given=[WORK, HOME | {"primary": False}]) == [WORK, HOME | {"primary": False}]


@pytest.mark.parametrize("op", ["add", "replace"])
def test_new_primary_takes_it_from_the_others(op: str) -> None:
    new: JsonObject = {"value": "b@x.example", "primary": True}
    assert emails("add", "emails", new) == [WORK | {"primary": False}, HOME, new]
    assert emails(op, 'emails[type eq "home"].primary', True) == [WORK | {"primary": False}, HOME | {"primary": True}]
    assert emails(op, 'emails[type eq "home"]', HOME | {"primary": True}) == [WORK | {"primary": False}, HOME | {"primary": True}]


def test_two_primaries_at_once_are_refused() -> None:
    assert code_of("add", "emails", [{"value": "a", "primary": True}, {"value": "b", "primary": True}]) == "E_Field_Invalid"
    assert code_of("replace", "emails[value pr].primary", True) == "E_Field_Invalid"
    assert code_of("replace", "emails.primary", True) == "E_Field_Invalid"


def test_one_primary_may_lose_it() -> None:
    assert emails("replace", 'emails[type eq "work"].primary', False) == [WORK | {"primary": False}, HOME]


# --- selected elements


def test_part_of_the_selected_element_is_written() -> None:
    assert emails("replace", 'emails[type eq "work"].value', "b@x.example") == [WORK | {"value": "b@x.example"}, HOME]
    assert emails("add", 'emails[type eq "WORK"].display', "Work") == [WORK | {"display": "Work"}, HOME]


def test_part_of_every_element_is_written_without_a_filter() -> None:
    assert emails("replace", "emails.display", "x") == [WORK | {"display": "x"}, HOME | {"display": "x"}]


def test_selected_elements_are_replaced_and_all_that_match() -> None:
    assert emails("replace", 'emails[type eq "work"]', {"value": "b@x.example"}) == [{"value": "b@x.example"}, HOME]
    assert emails("replace", "emails[value pr]", {"value": "b"}) == [{"value": "b"}, {"value": "b"}]


def test_selected_element_keeps_what_its_filter_says_where_elements_are_made() -> None:
    assert emails("replace", 'emails[type eq "work"]', {"value": "b@x.example"}, policy=CREATING) == [
        {"type": "work", "value": "b@x.example"},
        HOME,
    ]


def test_add_to_a_selected_element_merges() -> None:
    assert emails("add", 'emails[type eq "home"]', {"display": "Home"}) == [WORK, HOME | {"display": "Home"}]


@pytest.mark.parametrize("value", [None, {}])
def test_selected_element_replaced_by_nothing_is_gone(value: Json) -> None:
    assert emails("replace", 'emails[type eq "home"]', value) == [WORK]


@pytest.mark.parametrize("value", [None, ""])
def test_element_whose_value_is_unassigned_is_gone_with_its_labels(value: Json) -> None:
    assert emails("replace", 'emails[type eq "work"].value', value) == [HOME]
    assert emails("replace", 'emails[type eq "work"].value', value, given=[WORK | {"display": "x"}]) == [
        {"display": "x", "type": "work", "primary": True}
    ]


@pytest.mark.parametrize("value", ["b@x.example", {"value": 5}, ["x"]])
def test_element_is_replaced_by_an_object(value: Json) -> None:
    assert code_of("replace", 'emails[type eq "work"]', value) == "E_Field_Invalid"


@pytest.mark.parametrize("path", ['emails[type eq "other"].value', 'emails[type eq "other"]'])
def test_nothing_selected_is_no_target(path: str) -> None:
    assert code_of("replace", path, {"value": "x"} if path.endswith("]") else "x") == "E_No_Target"
    assert code_of("replace", "emails.value", "x", given=[]) == "E_No_Target"


# --- elements that are made


@pytest.mark.parametrize("op", ["add", "replace"])
def test_element_is_made_as_the_filter_describes_it(op: str) -> None:
    assert emails(op, 'emails[type eq "other"].value', "o@x.example", policy=CREATING) == [
        WORK,
        HOME,
        {"type": "other", "value": "o@x.example"},
    ]
    assert emails(op, 'emails[type eq "other" and primary eq true].value', "o@x.example", given=[], policy=CREATING) == [
        {"type": "other", "primary": True, "value": "o@x.example"}
    ]
    assert emails(op, 'emails[type eq "other"]', {"value": "o"}, given=[], policy=CREATING) == [{"type": "other", "value": "o"}]


def test_label_may_come_before_its_value() -> None:
    given = emails("add", 'emails[type eq "untyped"].primary', True, given=[], policy=CREATING)
    assert given == [{"type": "untyped", "primary": True}]
    assert emails("add", 'emails[type eq "untyped"].value', "u@x.example", given=given, policy=CREATING) == [
        {"type": "untyped", "primary": True, "value": "u@x.example"}
    ]


@pytest.mark.parametrize("selection", ['type ne "x"', 'value co "nobody"', 'type eq "a" or type eq "b"', "not (value pr)", "type eq null"])
def test_no_element_is_made_of_a_filter_that_describes_none(selection: str) -> None:
    assert code_of("add", f"emails[{selection}].display", "x", given=[], policy=CREATING) == "E_No_Target"


@pytest.mark.parametrize("value", [None, ""])
def test_no_element_is_made_to_hold_nothing(value: Json) -> None:
    assert emails("replace", 'emails[type eq "other"].value', value, policy=CREATING) == [WORK, HOME]


# --- removal


def test_selected_elements_are_removed_and_nothing_selected_is_no_change() -> None:
    assert emails("remove", 'emails[type eq "work"]') == [HOME]
    assert emails("remove", 'emails[type eq "other"]') == [WORK, HOME]
    assert emails("remove", "emails[value pr]") == []
    assert emails("remove", "emails") == []


def test_part_of_selected_elements_is_removed() -> None:
    assert emails("remove", 'emails[type eq "work"].type') == [{"value": "anna@work.example", "primary": True}, HOME]
    assert emails("remove", 'emails[type eq "work"].value') == [HOME]
    assert emails("remove", "emails.value") == []


def test_equal_elements_elsewhere_stay() -> None:
    twin: JsonObject = {"value": "x", "type": "work"}
    assert emails("remove", 'emails[type eq "home"]', given=[twin, HOME, dict(twin)]) == [twin, twin]


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ([{"value": "ANNA@work.example"}], [HOME]),
        ([{"value": "anna@work.example", "type": "WORK"}], [HOME]),
        ([{"value": "anna@work.example", "type": "home"}], [WORK, HOME]),
        ([{"type": "work"}], [WORK, HOME]),
        ("anna@home.example", [WORK]),
        ([], [WORK, HOME]),
        (None, [WORK, HOME]),
    ],
)
def test_element_is_removed_by_value_and_by_type_where_one_is_given(value: Json, left: list[Json]) -> None:
    assert emails("remove", "emails", value, policy=REMOVING) == left


# --- lists of simple values


def contacts(op: str, value: Json, policy: PatchPolicy = STRICT) -> Json:
    document: JsonObject = {"schemas": [CORE_USER_URN], "userName": "a", MOONGATE_URN: {"companyContacts": ["Billing", "Technical"]}}
    operation: JsonObject = {"op": op, "path": f"{MOONGATE_URN}:companyContacts", "value": value}
    found = apply_patch(document, parse_operations({"Operations": [operation]}, policy), USER, policy).document[MOONGATE_URN]
    assert isinstance(found, dict)
    return found["companyContacts"]


def test_simple_values_are_the_same_without_regard_to_case() -> None:
    assert contacts("add", ["BILLING", "Business"]) == ["Billing", "Technical", "Business"]
    assert contacts("add", "Business") == ["Billing", "Technical", "Business"]
    assert contacts("replace", ["Business"]) == ["Business"]
    assert contacts("remove", ["technical"], REMOVING) == ["Billing"]


def test_simple_values_cannot_be_selected() -> None:
    parsed = parse_operations({"Operations": [{"op": "remove", "path": f'{MOONGATE_URN}:companyContacts[value eq "x"]'}]}, STRICT)
    with pytest.raises(Refusal) as refusal:
        apply_patch({"schemas": [CORE_USER_URN], "userName": "a"}, parsed, USER, STRICT)
    assert refusal.value.code == "E_Path_Invalid"


def test_lenient_selection_takes_the_text_true() -> None:
    policy = replace(STRICT, lenient=True)
    assert emails("replace", 'emails[primary eq "True"].value', "b@x.example", policy=policy) == [WORK | {"value": "b@x.example"}, HOME]
    assert code_of("replace", 'emails[primary eq "True"].value', "b@x.example") == "E_Filter_Unsupported"
