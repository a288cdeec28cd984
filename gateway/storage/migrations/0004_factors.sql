-- Second factors. Secrets are wrapped by the key ring; recovery and access codes hold at least 80 random bits and are stored as SHA-256.

CREATE TABLE totp_factor (
    account TEXT PRIMARY KEY REFERENCES account (id),
    wrapped_secret TEXT NOT NULL,
    last_step BIGINT NOT NULL,
    drift INTEGER NOT NULL,
    replace_due INTEGER NOT NULL,
    enrolled_at BIGINT NOT NULL
);

-- A factor being set up: one an account, the newest, and only within the sign-in that began it.
CREATE TABLE totp_enrolment (
    account TEXT PRIMARY KEY REFERENCES account (id),
    sign_in TEXT NOT NULL,
    wrapped_secret TEXT NOT NULL,
    started_at BIGINT NOT NULL
);

CREATE TABLE recovery_code (
    account TEXT NOT NULL REFERENCES account (id),
    code_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (account, code_hash)
);

CREATE TABLE access_code (
    account TEXT PRIMARY KEY REFERENCES account (id),
    code_hash TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_by TEXT
);

-- Devices from which somebody signed in before: they alone are told when a lock ends (decisions.md 23).
CREATE TABLE known_device (
    account TEXT NOT NULL REFERENCES account (id),
    secret_hash TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (account, secret_hash)
);
