-- One number that every change of the configuration raises, so that all processes may keep the configuration in memory (ADR 0016).
CREATE TABLE generation (
    id INTEGER PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO generation (id, value) VALUES (1, 1);
