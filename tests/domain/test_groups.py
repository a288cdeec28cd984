"""A group's document: members, externalId and meta are spliced in when it is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.groups import Group, GroupId, Meta, splice_group, stored_group
from gateway.domain.schema import CORE_GROUP_URN
from gateway.domain.values import Instant, NodeId
from tests.domain.makers import NOW

META = Meta(location="https://id.example.com/t/acme/scim/v2/Groups/1", version='W/"3"', created_at=NOW, updated_at=Instant(0))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(TEXTS, st.one_of(st.none(), TEXTS), st.one_of(st.none(), st.lists(st.fixed_dictionaries({"value": TEXTS}), max_size=3)))
def test_spliced_bytes_are_the_whole_group(name: str, external_id: str | None, members: list[dict[str, str]] | None) -> None:
    spliced = splice_group(
        stored_group("1", name).encode(),
        meta=META,
        external_id=external_id,
        members_json=b"" if members is None else json.dumps(members).encode(),
    )
    expected: dict[str, object] = {"schemas": [CORE_GROUP_URN], "id": "1", "displayName": name}
    expected |= {} if external_id is None else {"externalId": external_id}
    expected |= {} if members is None else {"members": members}
    expected["meta"] = {
        "resourceType": "Group",
        "created": "2026-09-21T14:13:20.000Z",
        "lastModified": "1970-01-01T00:00:00.000Z",
        "location": META.location,
        "version": 'W/"3"',
    }
    assert json.loads(spliced) == expected


@pytest.mark.parametrize("version", [1, 17])
def test_version_is_a_weak_entity_tag(version: int) -> None:
    group = Group(GroupId("1"), NodeId("n"), "Staff", None, None, version, NOW, NOW, "{}")
    assert group.etag == f'W/"{version}"'
