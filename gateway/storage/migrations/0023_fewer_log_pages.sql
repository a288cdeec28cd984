-- Fewer pages for each event (ADR 0021): events lie in the order of their ids, which sort by time, so that new ones share a page.

CREATE TABLE outbox_keyed (
    id TEXT PRIMARY KEY,
    aggregatetype TEXT NOT NULL,
    aggregateid TEXT NOT NULL,
    type TEXT NOT NULL,
    payload TEXT NOT NULL,
    node TEXT NOT NULL,
    created_at BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO outbox_keyed SELECT id, aggregatetype, aggregateid, type, payload, node, created_at FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_keyed RENAME TO outbox;

CREATE TABLE audit_keyed (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    channel TEXT NOT NULL,
    action TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target TEXT NOT NULL,
    outcome TEXT NOT NULL,
    code TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    address TEXT NOT NULL,
    detail TEXT NOT NULL,
    salt TEXT NOT NULL,
    leaf BIGINT
) WITHOUT ROWID;
INSERT INTO audit_keyed
    SELECT id, node, at, actor_kind, actor, channel, action, target_kind, target, outcome, code, correlation_id, address, detail, salt, leaf
    FROM audit;
DROP TABLE audit;
ALTER TABLE audit_keyed RENAME TO audit;
CREATE INDEX audit_node ON audit (node, id);
CREATE INDEX audit_unsealed ON audit (id) WHERE leaf IS NULL;
-- Only sealed rows, as in migration 0013: correlation ids are random, and each would be a page of its own in the transaction of the act.
CREATE INDEX audit_correlation ON audit (correlation_id, id) WHERE leaf IS NOT NULL;
CREATE INDEX audit_target ON audit (target, id) WHERE leaf IS NOT NULL;
CREATE INDEX audit_actor ON audit (actor, id) WHERE leaf IS NOT NULL;
