"""Whatever is asked of the audit trail often, or by a search, is found by an index and never by walking through all of it."""

import pytest

from gateway.domain.audit import AuditSearch, Event
from gateway.domain.nodes import Node
from gateway.services import audit, sealing
from gateway.services.context import Context
from gateway.services.house import House
from gateway.storage import sealing as stored
from gateway.storage.database import Statement
from tests import sql

ROWS = 2000


@pytest.fixture
def many(house: House, context: Context, acme: Node) -> Context:
    """Sealed events, and a few that wait."""
    for _ in range(ROWS // 500):
        with context.database.transaction():
            for at in range(500):
                context.record(Event(acme.id, "thing.done", "thing", f"thing{at}"))
    sealing.seal_all(house)
    with context.database.transaction():
        context.record(Event(acme.id, "thing.done", "thing", "late"))
    return context


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (stored._ANY_UNSEALED, {}),
        (stored._UNSEALED, {"limit": 500}),
        (stored._COUNT_UNSEALED, {}),
        (stored._NUMBER, {"leaf": 1, "id": "x"}),
        (stored._LEAVES, {"first": 5, "end": 10, "limit": 5}),
        (stored._ERASURE_OF, {"entry": "x"}),
    ],
)
def test_sealing_and_verifying_walk_through_nothing(many: Context, statement: Statement, values: dict[str, object]) -> None:
    text = sql.text_of(many.database, statement, **values)
    assert sql.walks(many.database, text) == [], sql.plan_of(many.database, text)


@pytest.mark.parametrize("waiting", [stored._ANY_UNSEALED, stored._UNSEALED])
def test_what_waits_for_its_seal_is_found_by_its_own_index(many: Context, waiting: Statement) -> None:
    text = sql.text_of(many.database, waiting, limit=500)
    assert any("audit_unsealed" in step for step in sql.plan_of(many.database, text)), sql.plan_of(many.database, text)


@pytest.mark.parametrize(
    ("search", "index"),
    [
        (AuditSearch(target="thing7"), "audit_target"),
        (AuditSearch(actor="nobody"), "audit_actor"),
        (AuditSearch(correlation_id="x"), "audit_correlation"),
    ],
)
def test_a_search_of_the_platform_goes_by_its_index(many: Context, platform: Node, search: AuditSearch, index: str) -> None:
    with sql.traced(many.database) as ran:
        audit.list_events(many, platform, search=search, limit=50)
    plans = [sql.plan_of(many.database, text) for text in ran if "audit" in text]
    assert any(index in step for plan in plans for step in plan), plans


def test_a_page_of_the_platform_is_read_from_its_end(many: Context, platform: Node) -> None:
    with sql.traced(many.database) as ran:
        audit.list_events(many, platform, limit=50)
    (text,) = [text for text in ran if "audit" in text]
    assert not any("TEMP B-TREE" in step or "Sort" in step for step in sql.plan_of(many.database, text))
