"""The tree: what hangs where, how it is named, and how policies tighten downwards."""

import json

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.nodes import (
    MANAGING,
    PARENTS,
    RESERVED_SLUGS,
    Lifetimes,
    NodeKind,
    chain_epoch,
    lifetimes_of,
    parse_policies,
    require_place,
    require_slug,
)
from gateway.domain.values import HOUR_MS, SECOND_MS
from tests.domain.makers import node

ALLOWED = {
    (NodeKind.DISTRIBUTOR, NodeKind.PLATFORM),
    (NodeKind.PARTNER, NodeKind.PLATFORM),
    (NodeKind.PARTNER, NodeKind.DISTRIBUTOR),
    (NodeKind.FOLDER, NodeKind.DISTRIBUTOR),
    (NodeKind.FOLDER, NodeKind.PARTNER),
    (NodeKind.FOLDER, NodeKind.FOLDER),
    *((kind, parent) for kind in (NodeKind.CUSTOMER, NodeKind.PROSPECT) for parent in MANAGING),
    (NodeKind.UNIT, NodeKind.CUSTOMER),
    (NodeKind.UNIT, NodeKind.PROSPECT),
}


@pytest.mark.parametrize("kind", NodeKind)
@pytest.mark.parametrize("parent", NodeKind)
def test_each_kind_hangs_under_some_kinds_only(kind: NodeKind, parent: NodeKind) -> None:
    if (kind, parent) in ALLOWED:
        require_place(kind, node(kind=parent))
        return
    with pytest.raises(Refusal) as refusal:
        require_place(kind, node(kind=parent))
    assert refusal.value.code == "E_Scope_Mismatch"


def test_only_the_platform_hangs_nowhere() -> None:
    require_place(NodeKind.PLATFORM, None)
    for kind in set(NodeKind) - {NodeKind.PLATFORM}:
        with pytest.raises(Refusal):
            require_place(kind, None)


def test_every_kind_has_its_parents() -> None:
    assert set(PARENTS) == set(NodeKind)


@pytest.mark.parametrize("slug", ["a", "7", "acme", "acme-eu-1", "a" * 63])
def test_slug_can_stand_in_a_host_name(slug: str) -> None:
    assert require_slug(slug) == slug


@pytest.mark.parametrize(
    "slug", ["", "-a", "a-", "A", "a_b", "a.b", "a b", "ä", "a/b", "../a", "a\n", "a" * 64, "%2e", *sorted(RESERVED_SLUGS)]
)
def test_slug_that_could_not_is_refused(slug: str) -> None:
    with pytest.raises(Refusal) as refusal:
        require_slug(slug)
    assert refusal.value.code == "E_Field_Invalid"


def test_policies_are_whole_seconds_by_name() -> None:
    assert parse_policies({"session": "3600", "code": "30"}) == {"session": 3600, "code": 30}
    assert parse_policies({}) == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [("sessions", "1"), ("session", "0"), ("session", "-1"), ("session", "1.5"), ("session", "1h"), ("session", ""), ("session", "٣")],
)
def test_policy_that_is_none_is_refused(name: str, text: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_policies({name: text})
    assert refusal.value.code == "E_Field_Invalid"


def test_lifetimes_are_the_defaults_where_nobody_set_any() -> None:
    assert lifetimes_of(()) == Lifetimes()
    assert lifetimes_of((node(), node(policies='{"unheard": 1}'))) == Lifetimes()


def test_children_tighten_and_never_loosen() -> None:
    parent = node(policies=json.dumps({"session": 3600, "code": 30}))
    assert lifetimes_of((node(policies='{"session": 60}'), parent)).session == 60 * SECOND_MS
    assert lifetimes_of((node(policies='{"session": 7200}'), parent)).session == HOUR_MS
    assert lifetimes_of((node(), parent)).code == 30 * SECOND_MS
    assert lifetimes_of((node(policies='{"access_token": 3600}'),)).access_token == Lifetimes().access_token


def test_epoch_of_a_chain_grows_with_that_of_any_of_its_nodes() -> None:
    assert chain_epoch((node(epoch=2), node(epoch=3))) == 5
    assert chain_epoch(()) == 0


def test_scim_base_lies_under_the_issuer() -> None:
    assert node(slug="acme").scim_base == "https://id.example.com/t/acme/scim/v2"
