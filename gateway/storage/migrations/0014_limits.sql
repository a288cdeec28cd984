-- Processes that serve, so that each knows its part of a limit; a row that was not renewed is of one that is gone.
CREATE TABLE server_process (
    id TEXT PRIMARY KEY,
    seen_at BIGINT NOT NULL
);

-- Guesses by whoever makes them, within the window that began with the first; what is over is swept.
CREATE TABLE limit_count (
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    count INTEGER NOT NULL,
    ends_at BIGINT NOT NULL,
    PRIMARY KEY (name, key)
);
CREATE INDEX limit_count_ends ON limit_count (ends_at);
