"""What is kept of the configuration is never older than the request that asks."""

import pytest

from gateway.domain.nodes import Node
from gateway.services.house import House
from gateway.storage import nodes
from gateway.storage.engines import open_database


def _renamed(node: Node, name: str) -> Node:
    return Node(**{**{field: getattr(node, field) for field in node.__slots__}, "name": name})


def test_within_a_request_a_node_is_read_once(house: House, acme: Node) -> None:
    house.database.look()
    first = nodes.find_node(house.database, acme.id)
    house.database.script("UPDATE node SET name = 'behind the back'")
    assert nodes.find_node(house.database, acme.id) is first


def test_the_next_request_sees_what_another_process_changed(house: House, acme: Node) -> None:
    house.database.look()
    assert nodes.find_node(house.database, acme.id) is not None
    other = open_database(house.settings.database_url)
    nodes.change_node(other, _renamed(acme, "Renamed elsewhere"))
    other.close()
    house.database.look()
    found = nodes.find_node(house.database, acme.id)
    assert found is not None
    assert found.name == "Renamed elsewhere"


def test_a_request_sees_what_it_changed_itself(house: House, acme: Node) -> None:
    house.database.look()
    assert nodes.find_node(house.database, acme.id) is not None
    nodes.change_node(house.database, _renamed(acme, "Renamed here"))
    found = nodes.find_node(house.database, acme.id)
    assert found is not None
    assert found.name == "Renamed here"


def test_inside_a_transaction_nothing_comes_from_memory(house: House, acme: Node) -> None:
    house.database.look()
    nodes.find_node(house.database, acme.id)
    with house.database.transaction():
        house.database.script("UPDATE node SET name = 'changed inside'")
        found = nodes.find_node(house.database, acme.id)
    assert found is not None
    assert found.name == "changed inside"


def test_whoever_is_no_request_asks_the_database(house: House, acme: Node) -> None:
    house.database.look()
    nodes.find_node(house.database, acme.id)
    house.database.end_look()
    house.database.script("UPDATE node SET name = 'by hand'")
    found = nodes.find_node(house.database, acme.id)
    assert found is not None
    assert found.name == "by hand"


def test_what_is_not_there_is_not_kept(house: House, acme: Node) -> None:
    house.database.look()
    assert nodes.find_node_by_slug(house.database, "later") is None
    house.database.script("UPDATE node SET slug = 'later' WHERE slug = 'acme'")
    found = nodes.find_node_by_slug(house.database, "later")
    assert found is not None
    assert found.id == acme.id


def test_a_change_that_is_rolled_back_raises_no_number(house: House, acme: Node) -> None:
    house.database.look()
    before = nodes.find_node(house.database, acme.id)
    with pytest.raises(InterruptedError):
        _change_and_stop(house, acme)
    house.database.look()
    assert nodes.find_node(house.database, acme.id) is before


def _change_and_stop(house: House, node: Node) -> None:
    with house.database.transaction():
        nodes.change_node(house.database, _renamed(node, "Never"))
        raise InterruptedError
