-- The tree over the audit trail (ADR 0013). A leaf names its row and keeps its hash, so that a row that is gone or changed can be told.
CREATE TABLE audit_leaf (
    number BIGINT PRIMARY KEY,
    entry TEXT NOT NULL,
    hash TEXT NOT NULL
);

-- One row: how far the tree has grown, and the roots of its complete subtrees. Whoever seals moves it on from the size it read.
CREATE TABLE audit_tree (
    id INTEGER PRIMARY KEY,
    size BIGINT NOT NULL,
    frontier TEXT NOT NULL
);
INSERT INTO audit_tree (id, size, frontier) VALUES (1, 0, '');

-- Signed heads: the last one of each hour.
CREATE TABLE audit_head (
    hour BIGINT PRIMARY KEY,
    size BIGINT NOT NULL,
    root TEXT NOT NULL,
    at BIGINT NOT NULL,
    statement TEXT NOT NULL
);

-- Rows of which personal values were erased: what the seal needs in their place.
CREATE TABLE audit_erasure (
    entry TEXT PRIMARY KEY,
    commitments TEXT NOT NULL,
    fields INTEGER NOT NULL,
    erased_at BIGINT NOT NULL
);

-- Searches. Only sealed rows are in them: the sealer pays for these indexes and not the act; unsealed rows are few.
CREATE INDEX audit_target ON audit (target, id) WHERE leaf IS NOT NULL;
CREATE INDEX audit_actor ON audit (actor, id) WHERE leaf IS NOT NULL;
