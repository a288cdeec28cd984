-- Fewer pages for each sign-on (ADR 0015): a grant is found by its id, which sorts by time, and by its session. No other index leads to it, so
-- its account is no reference: an account that goes takes its sessions along first.
CREATE TABLE app_grant_slim (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL REFERENCES node (id),
    client_id TEXT NOT NULL REFERENCES relying_party (client_id),
    account TEXT NOT NULL,
    session TEXT NOT NULL REFERENCES session (sid),
    acting TEXT NOT NULL REFERENCES node (id),
    scope TEXT NOT NULL,
    resource TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    nonce TEXT NOT NULL,
    means TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    app_epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    end_reason TEXT NOT NULL
);
INSERT INTO app_grant_slim SELECT
    id, node, client_id, account, session, acting, scope, resource, redirect_uri, nonce, means, epoch,
    (SELECT relying_party.epoch FROM relying_party WHERE relying_party.client_id = app_grant.client_id),
    created_at, expires_at, ended_at, end_reason
FROM app_grant;

CREATE TABLE refresh_token_keyed (
    token_hash TEXT PRIMARY KEY,
    app_grant TEXT NOT NULL REFERENCES app_grant_slim (id),
    parent_hash TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    rotated_at BIGINT,
    extra_child INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO refresh_token_keyed SELECT token_hash, app_grant, parent_hash, created_at, expires_at, rotated_at, extra_child FROM refresh_token;

DROP TABLE refresh_token;
DROP TABLE app_grant;
ALTER TABLE app_grant_slim RENAME TO app_grant;
ALTER TABLE refresh_token_keyed RENAME TO refresh_token;
CREATE INDEX app_grant_session ON app_grant (session, client_id, created_at);
CREATE INDEX refresh_token_grant ON refresh_token (app_grant);

-- Sessions that ended lead to grants too: those with offline access outlive them.
DROP INDEX session_account;
CREATE INDEX session_account ON session (account);
