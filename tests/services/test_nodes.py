"""The tree: what hangs where, what is kept for good, and what ends with a node (decisions.md 1-3, 16, R-001, R-007, R-008)."""

import pytest

from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node, NodeKind
from gateway.services import nodes
from gateway.services.context import Context
from gateway.services.nodes import NewNode
from gateway.storage import audit, jobs
from gateway.storage import nodes as stored_nodes


def create(context: Context, parent: Node, slug: str, kind: NodeKind = NodeKind.CUSTOMER, *, own_namespace: bool | None = None) -> Node:
    return nodes.create_node(context, parent.id, NewNode(slug, slug.title(), kind, own_namespace=own_namespace))


def test_there_is_one_platform(context: Context, platform: Node) -> None:
    with pytest.raises(Refusal) as refused:
        nodes.create_platform(context, "Another")
    assert refused.value.code == "E_Scope_Mismatch"


def test_a_node_under_the_wrong_kind_is_refused(context: Context, platform: Node, acme: Node) -> None:
    for parent, kind in ((platform, NodeKind.UNIT), (acme, NodeKind.CUSTOMER), (acme, NodeKind.PARTNER), (platform, NodeKind.FOLDER)):
        with pytest.raises(Refusal) as refused:
            create(context, parent, "wrong", kind)
        assert refused.value.code == "E_Scope_Mismatch"


def test_chains_may_have_gaps(context: Context, platform: Node) -> None:
    partner = create(context, platform, "partner", NodeKind.PARTNER)
    folder = create(context, partner, "folder", NodeKind.FOLDER)
    nested = create(context, folder, "nested", NodeKind.FOLDER)
    customer = create(context, nested, "customer")
    assert [node.slug for node in stored_nodes.list_chain(context.database, customer.id)] == [
        "customer",
        "nested",
        "folder",
        "partner",
        "platform",
    ]


def test_customers_have_names_of_their_own_and_partners_the_platforms(context: Context, platform: Node, acme: Node) -> None:
    partner = create(context, platform, "partner", NodeKind.PARTNER)
    assert partner.namespace == platform.namespace
    assert acme.namespace != platform.namespace
    assert create(context, acme, "unit", NodeKind.UNIT).namespace == acme.namespace
    assert create(context, platform, "shared", own_namespace=False).namespace == platform.namespace
    assert create(context, platform, "apart", NodeKind.PARTNER, own_namespace=True).namespace != platform.namespace


def test_a_slug_and_an_issuer_are_never_given_twice(context: Context, platform: Node, acme: Node) -> None:
    nodes.delete_node(context, nodes.disable_node(context, acme))
    with pytest.raises(Refusal) as refused:
        create(context, platform, "acme")
    assert refused.value.code == "E_Field_Invalid"
    with pytest.raises(Refusal) as refused:
        nodes.create_node(context, platform.id, NewNode("other", "Other", NodeKind.CUSTOMER, issuer=acme.issuer))
    assert refused.value.code == "E_Field_Invalid"


@pytest.mark.parametrize("issuer", ["id.example.com", "ftp://id.example.com", "https://id.example.com/", "https://id.example.com?a=b"])
def test_an_issuer_is_an_exact_url(context: Context, platform: Node, issuer: str) -> None:
    with pytest.raises(Refusal) as refused:
        nodes.create_node(context, platform.id, NewNode("other", "Other", NodeKind.CUSTOMER, issuer=issuer))
    assert refused.value.field == "issuer"


def test_disabling_raises_the_epoch_once_and_for_the_whole_subtree(context: Context, acme: Node) -> None:
    unit = create(context, acme, "unit", NodeKind.UNIT)
    off = nodes.disable_node(context, acme)
    assert off.epoch == acme.epoch + 1
    assert nodes.disable_node(context, acme) == off
    chain = stored_nodes.list_chain(context.database, unit.id)
    assert any(node.disabled_at is not None for node in chain)


def test_a_stale_copy_of_a_node_overwrites_nothing(context: Context, acme: Node) -> None:
    nodes.change_node(context, acme, policies={"session": "600"})
    nodes.disable_node(context, acme)
    changed = nodes.change_node(context, acme, name="New name", policies={"code": "30"})
    assert changed.disabled_at is not None
    assert nodes.describe_node(context, changed).policies == {"session": 600, "code": 30}


def test_enabling_does_not_wake_a_deleted_node(context: Context, acme: Node) -> None:
    nodes.delete_node(context, nodes.disable_node(context, acme))
    with pytest.raises(Refusal) as refused:
        nodes.enable_node(context, acme)
    assert refused.value.code == "E_Scope_Mismatch"


def test_the_platform_is_never_deleted(context: Context, platform: Node) -> None:
    nodes.disable_node(context, platform)
    with pytest.raises(Refusal) as refused:
        nodes.delete_node(context, platform)
    assert refused.value.code == "E_Delete_Enabled_User"


def test_what_changes_nothing_leaves_no_trace(context: Context, acme: Node) -> None:
    nodes.enable_node(context, acme)
    nodes.recover_node(context, acme)
    assert [row.action for row in audit.list_audit(context.database, acme.id, limit=10)] == ["tenant.created"]


def test_an_issuer_is_found_by_its_host_and_the_longest_path(context: Context, platform: Node, acme: Node) -> None:
    database = context.database
    assert nodes.find_issuer(database, "localhost:8000", "/t/acme/oauth2/token") == acme
    assert nodes.find_issuer(database, "localhost:8000", "/t/acmeother") is None
    assert nodes.find_issuer(database, "elsewhere.example", "/t/acme") is None
    assert nodes.is_issuer_host(database, "localhost:8000")
    assert not nodes.is_issuer_host(database, "elsewhere.example")


def test_children_tighten_lifetimes_and_never_loosen_them(context: Context, platform: Node, acme: Node) -> None:
    nodes.change_node(context, platform, policies={"session": "3600"})
    nodes.change_node(context, acme, policies={"session": "7200", "code": "30"})
    assert nodes.lifetimes(context, acme.id).session == 3_600_000
    assert nodes.lifetimes(context, acme.id).code == 30_000


def test_nobody_is_told_where_nobody_was_signed_in(context: Context, acme: Node) -> None:
    nodes.disable_node(context, acme)
    assert jobs.count_jobs(context.database) == {}
