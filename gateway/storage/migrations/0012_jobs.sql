-- The machine that works when nobody waits: what comes again and again, what administrators put on a calendar, and the mails.

-- Under which correlation id the act that queued a job is traced.
ALTER TABLE job ADD COLUMN correlation_id TEXT NOT NULL DEFAULT '';
CREATE INDEX job_dead ON job (id) WHERE state = 'dead';

-- What the house does by itself at intervals, one process at a time: whoever sets owner and lease.
CREATE TABLE routine (
    name TEXT PRIMARY KEY,
    next_run BIGINT NOT NULL,
    owner TEXT,
    lease_until BIGINT,
    began_at BIGINT,
    ended_at BIGINT,
    last_error TEXT NOT NULL
);

-- What administrators put on a calendar; one process wins each occurrence by setting next_run from the value it read.
CREATE TABLE schedule (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL REFERENCES node (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    description TEXT NOT NULL,
    step TEXT NOT NULL,
    task TEXT NOT NULL,
    cron TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    ends_at BIGINT,
    enabled INTEGER NOT NULL,
    next_run BIGINT,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX schedule_name ON schedule (node, name_key);
CREATE INDEX schedule_due ON schedule (next_run) WHERE enabled = 1;

CREATE TABLE schedule_run (
    id TEXT PRIMARY KEY,
    schedule TEXT NOT NULL REFERENCES schedule (id),
    due_at BIGINT NOT NULL,
    began_at BIGINT,
    ended_at BIGINT,
    state TEXT NOT NULL,
    sent INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    failed INTEGER NOT NULL
);
CREATE INDEX schedule_run_schedule ON schedule_run (schedule, id);

-- Every mail to a person, and what became of it; one for each event, whoever queues it how often. `data` is wrapped: it may hold a link.
CREATE TABLE mail (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    event TEXT NOT NULL,
    address TEXT NOT NULL,
    data TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    reply TEXT NOT NULL,
    run TEXT,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX mail_event ON mail (account, event);
CREATE INDEX mail_account ON mail (account, id);
CREATE INDEX mail_state ON mail (state, node);
CREATE INDEX mail_run ON mail (run) WHERE run IS NOT NULL;
