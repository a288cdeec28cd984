-- A code is the grant itself, sealed, and stored when it is redeemed (ADR 0015). What was on its way when this ran is asked for again.
DROP TABLE authorization_code;

-- Codes too long for a URL, made of long requests: their apps get a handle.
CREATE TABLE kept_code (
    handle_hash TEXT PRIMARY KEY,
    sealed TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX kept_code_expiry ON kept_code (expires_at);

-- Raised when an app is switched off: codes on their way die with it, and stay dead when it is switched on again.
ALTER TABLE relying_party ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
