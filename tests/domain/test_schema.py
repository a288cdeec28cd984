"""Where names lead in the attribute tables."""

import pytest

from gateway.domain.schema import (
    CORE_USER_URN,
    ENTERPRISE_URN,
    ENTERPRISE_USER,
    GROUP,
    USER,
    Attribute,
    Binding,
    Mutability,
    ResourceType,
    Returned,
)


@pytest.mark.parametrize("resource", [USER, GROUP])
def test_common_attributes_come_first(resource: ResourceType) -> None:
    assert [attribute.name for attribute in resource.attributes][:4] == ["schemas", "id", "externalId", "meta"]


def test_names_lead_to_their_attribute_in_any_case() -> None:
    name = USER.find("name")
    assert name is not None
    assert USER.bind(CORE_USER_URN.upper(), "NAME", "GivenName") == Binding(None, name, name.find_sub("givenName"))


def test_urn_of_an_extension_leads_to_the_whole_of_it() -> None:
    urn, _, last = ENTERPRISE_URN.rpartition(":")
    binding = USER.bind(urn.lower(), last.upper())
    assert binding is not None
    assert (binding.extension, binding.attribute) == (ENTERPRISE_USER, None)
    assert USER.bind(urn, last, "department") is None


@pytest.mark.parametrize(
    ("urn", "name", "sub"), [("", "shoeSize", ""), ("", "name", "nick"), ("urn:foreign", "userName", ""), (ENTERPRISE_URN, "userName", "")]
)
def test_unknown_names_lead_nowhere(urn: str, name: str, sub: str) -> None:
    assert USER.bind(urn, name, sub) is None


def test_group_has_no_extension() -> None:
    assert GROUP.find_extension(ENTERPRISE_URN) is None


def every(attributes: tuple[Attribute, ...]) -> list[Attribute]:
    return [*attributes, *(sub for attribute in attributes for sub in attribute.sub_attributes)]


def test_what_is_secret_is_written_only() -> None:
    found = [attribute for attribute in every(USER.attributes) if attribute.returned is Returned.NEVER]
    assert [(attribute.name, attribute.mutability) for attribute in found] == [("password", Mutability.WRITE_ONLY)]


@pytest.mark.parametrize("name", ["meta", "groups"])
def test_read_only_holds_for_every_part(name: str) -> None:
    attribute = USER.find(name)
    assert attribute is not None
    assert {sub.mutability for sub in every((attribute,))} == {Mutability.READ_ONLY}


def test_sub_attributes_are_simple() -> None:
    for resource in (USER, GROUP):
        for schema in (resource.core, *resource.extensions):
            assert not [sub.name for attribute in schema.attributes for sub in attribute.sub_attributes if sub.complex or sub.multi_valued]
