-- The house's first tables. Text, integers and nothing else, so that SQLite and PostgreSQL hold the same.
-- Instants are milliseconds since the epoch, UTC. A column `…_key` holds the comparison key of its neighbour, computed in Python.

CREATE TABLE installation (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE namespace (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE node (
    id TEXT PRIMARY KEY,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    parent TEXT REFERENCES node (id),
    namespace TEXT NOT NULL REFERENCES namespace (id),
    issuer TEXT NOT NULL,
    issuer_host TEXT NOT NULL,
    issuer_path TEXT NOT NULL,
    private_outbound INTEGER NOT NULL,
    epoch BIGINT NOT NULL,
    policies TEXT NOT NULL,
    self_managed_profile INTEGER NOT NULL,
    disabled_at BIGINT,
    disabled_by TEXT,
    deleted_at BIGINT,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX node_slug ON node (slug);
CREATE UNIQUE INDEX node_issuer ON node (issuer);
CREATE UNIQUE INDEX node_issuer_place ON node (issuer_host, issuer_path);
CREATE INDEX node_parent ON node (parent);

CREATE TABLE node_ancestry (
    ancestor TEXT NOT NULL REFERENCES node (id),
    descendant TEXT NOT NULL REFERENCES node (id),
    depth INTEGER NOT NULL,
    PRIMARY KEY (ancestor, descendant)
);
CREATE INDEX node_ancestry_descendant ON node_ancestry (descendant, depth);

CREATE TABLE account (
    id TEXT PRIMARY KEY,
    home TEXT NOT NULL REFERENCES node (id),
    namespace TEXT NOT NULL REFERENCES namespace (id),
    type TEXT NOT NULL,
    login TEXT NOT NULL,
    login_key TEXT NOT NULL,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    given_name TEXT NOT NULL,
    family_name TEXT NOT NULL,
    display_name TEXT NOT NULL,
    phone TEXT NOT NULL,
    business_phone TEXT NOT NULL,
    job_title TEXT NOT NULL,
    language TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    activated_at BIGINT,
    email_validated_at BIGINT,
    enabled_by_admin INTEGER NOT NULL,
    active_by_scim INTEGER NOT NULL,
    disable_after BIGINT,
    admin_locked_at BIGINT,
    must_change_password INTEGER NOT NULL,
    mfa_required INTEGER NOT NULL,
    federated_only INTEGER NOT NULL,
    matching TEXT NOT NULL,
    self_registered INTEGER NOT NULL,
    managed_by TEXT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT,
    deleted_login TEXT NOT NULL,
    display_name_key TEXT NOT NULL,
    given_name_key TEXT NOT NULL,
    family_name_key TEXT NOT NULL,
    job_title_key TEXT NOT NULL,
    employee_number_key TEXT NOT NULL,
    department_key TEXT NOT NULL,
    manager TEXT NOT NULL,
    document TEXT NOT NULL,
    company_contacts TEXT NOT NULL,
    sessions_ended_at BIGINT
);
CREATE INDEX account_home ON account (home, id) WHERE deleted_at IS NULL;
CREATE INDEX account_email ON account (email_key, home) WHERE deleted_at IS NULL;
CREATE INDEX account_login ON account (login_key, home) WHERE deleted_at IS NULL;
-- What filters of directories ask for most; the rest of their filters is answered from `scim_value` or from few candidates.
CREATE INDEX account_display_name ON account (display_name_key, home) WHERE deleted_at IS NULL;
CREATE INDEX account_given_name ON account (given_name_key, home) WHERE deleted_at IS NULL;
CREATE INDEX account_family_name ON account (family_name_key, home) WHERE deleted_at IS NULL;
CREATE INDEX account_employee_number ON account (employee_number_key, home) WHERE deleted_at IS NULL;
CREATE INDEX account_manager ON account (manager, home) WHERE deleted_at IS NULL;
CREATE INDEX account_updated ON account (home, updated_at) WHERE deleted_at IS NULL;
CREATE INDEX account_deleted ON account (deleted_at) WHERE deleted_at IS NOT NULL;

-- The names by which people sign in; a hosted or member name lies in further namespaces (decisions.md 2).
CREATE TABLE sign_in_name (
    namespace TEXT NOT NULL REFERENCES namespace (id),
    name_key TEXT NOT NULL,
    account TEXT NOT NULL REFERENCES account (id),
    kind TEXT NOT NULL,
    PRIMARY KEY (namespace, name_key)
);
CREATE INDEX sign_in_name_account ON sign_in_name (account);

-- Two locks an account: wrong passwords close the password path, wrong codes close every code step (decisions.md 23).
-- `account` is no reference: guesses at names that nobody has are counted too, so that they cost the same writes.
CREATE TABLE credential_lock (
    account TEXT NOT NULL,
    path TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    window_started_at BIGINT NOT NULL,
    locked_until BIGINT,
    standing INTEGER NOT NULL,
    times INTEGER NOT NULL,
    last_locked_at BIGINT,
    PRIMARY KEY (account, path)
);

CREATE TABLE password_credential (
    account TEXT PRIMARY KEY REFERENCES account (id),
    hash TEXT NOT NULL,
    temporary INTEGER NOT NULL,
    expires_at BIGINT,
    set_at BIGINT NOT NULL
);

CREATE TABLE membership (
    account TEXT NOT NULL REFERENCES account (id),
    node TEXT NOT NULL REFERENCES node (id),
    state TEXT NOT NULL,
    proposed_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    accepted_at BIGINT,
    PRIMARY KEY (account, node)
);
CREATE INDEX membership_node ON membership (node);

CREATE TABLE identity_provider (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL REFERENCES node (id),
    idp_key TEXT NOT NULL,
    name TEXT NOT NULL,
    issuer TEXT NOT NULL,
    client_id TEXT NOT NULL,
    client_secret TEXT NOT NULL,
    vendor TEXT NOT NULL,
    matching TEXT NOT NULL,
    claim TEXT NOT NULL,
    exact_case INTEGER NOT NULL,
    email_trust TEXT NOT NULL,
    external_id_claim TEXT NOT NULL,
    link_only INTEGER NOT NULL,
    mfa_amr TEXT NOT NULL,
    mfa_acr TEXT NOT NULL,
    active INTEGER NOT NULL,
    auth_method TEXT NOT NULL,
    algorithms TEXT NOT NULL,
    issuer_tenants TEXT NOT NULL,
    tested_at BIGINT,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX identity_provider_key ON identity_provider (node, idp_key);

-- A domain belongs to one node once it is proved: `proved_name` is empty until then, and unique (decisions.md 20, R-141).
CREATE TABLE domain (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL REFERENCES node (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    proved_name TEXT,
    dns_token TEXT NOT NULL,
    verified_at BIGINT,
    provider TEXT REFERENCES identity_provider (id),
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX domain_of_node ON domain (node, name, kind);
CREATE UNIQUE INDEX domain_proved ON domain (kind, proved_name);

-- The providers an account may come by; the first is its sign-in method; none: any active one of its node (decisions.md 11).
CREATE TABLE account_provider (
    account TEXT NOT NULL REFERENCES account (id),
    provider TEXT NOT NULL REFERENCES identity_provider (id),
    position INTEGER NOT NULL,
    federated_login TEXT NOT NULL,
    federated_login_key TEXT,
    PRIMARY KEY (account, provider)
);
CREATE UNIQUE INDEX account_provider_login ON account_provider (provider, federated_login_key);

CREATE TABLE link (
    node TEXT NOT NULL REFERENCES node (id),
    provider TEXT NOT NULL REFERENCES identity_provider (id),
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    account TEXT NOT NULL REFERENCES account (id),
    created_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (node, provider, issuer, subject)
);
CREATE UNIQUE INDEX link_account ON link (provider, account);
CREATE INDEX link_of_account ON link (account);

-- Logout tokens of providers, as long as one would be believed, so that none serves twice (openid.md 87).
CREATE TABLE upstream_logout (
    provider TEXT NOT NULL REFERENCES identity_provider (id),
    token_hash TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (provider, token_hash)
);
CREATE INDEX upstream_logout_expiry ON upstream_logout (expires_at);

CREATE TABLE relying_party (
    client_id TEXT PRIMARY KEY,
    node TEXT NOT NULL REFERENCES node (id),
    name TEXT NOT NULL,
    redirect_uris TEXT NOT NULL,
    post_logout_redirect_uris TEXT NOT NULL,
    backchannel_logout_uri TEXT NOT NULL,
    auth_method TEXT NOT NULL,
    roleless INTEGER NOT NULL,
    first_party INTEGER NOT NULL,
    grants TEXT NOT NULL,
    scopes TEXT NOT NULL,
    resources TEXT NOT NULL,
    pkce_required INTEGER NOT NULL,
    id_token_alg TEXT NOT NULL,
    access_token_alg TEXT NOT NULL,
    second_factor_unsupported INTEGER NOT NULL,
    disabled_at BIGINT,
    deleted_at BIGINT,
    created_at BIGINT NOT NULL,
    jwks TEXT NOT NULL,
    jwks_uri TEXT NOT NULL
);
CREATE INDEX relying_party_node ON relying_party (node);

CREATE TABLE client_secret (
    hash TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES relying_party (client_id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE INDEX client_secret_client ON client_secret (client_id);

-- Assertions by which apps proved themselves, until they expire, so that none serves twice (RFC 7523 section 3, openid.md 26).
CREATE TABLE client_assertion (
    client_id TEXT NOT NULL REFERENCES relying_party (client_id),
    jti_hash TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (client_id, jti_hash)
);
CREATE INDEX client_assertion_expiry ON client_assertion (expires_at);

CREATE TABLE role (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL REFERENCES node (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    type TEXT NOT NULL,
    override_level INTEGER NOT NULL,
    inactivated_at BIGINT,
    active_from BIGINT,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX role_name ON role (node, name_key);

CREATE TABLE role_app (
    role TEXT NOT NULL REFERENCES role (id),
    client_id TEXT NOT NULL REFERENCES relying_party (client_id),
    PRIMARY KEY (role, client_id)
);
CREATE INDEX role_app_client ON role_app (client_id);

CREATE TABLE role_denial (
    role TEXT NOT NULL REFERENCES role (id),
    client_id TEXT NOT NULL REFERENCES relying_party (client_id),
    function_name TEXT NOT NULL,
    PRIMARY KEY (role, client_id, function_name)
);

CREATE TABLE role_assignment (
    account TEXT NOT NULL REFERENCES account (id),
    role TEXT NOT NULL REFERENCES role (id),
    node TEXT NOT NULL REFERENCES node (id),
    source TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account, role, node, source)
);
CREATE INDEX role_assignment_role ON role_assignment (role);

CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    node TEXT NOT NULL REFERENCES node (id),
    alg TEXT NOT NULL,
    private_key TEXT NOT NULL,
    public_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    active_from BIGINT NOT NULL,
    retired_at BIGINT,
    published_until BIGINT
);
CREATE INDEX signing_key_node ON signing_key (node, alg, active_from);

CREATE TABLE sign_in (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL REFERENCES node (id),
    parent TEXT REFERENCES sign_in (id),
    browser_hash TEXT NOT NULL,
    request TEXT,
    correlation_id TEXT NOT NULL,
    login TEXT NOT NULL,
    proof TEXT,
    tenant TEXT NOT NULL,
    due TEXT NOT NULL,
    handle_hash TEXT,
    session TEXT,
    refusal TEXT,
    password_wanted INTEGER NOT NULL,
    legs TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE UNIQUE INDEX sign_in_handle ON sign_in (handle_hash);
CREATE INDEX sign_in_expiry ON sign_in (expires_at);

-- One way to an identity provider and back; the row goes when the answer comes, so that a state serves once (openid.md 41).
CREATE TABLE upstream_leg (
    state_hash TEXT PRIMARY KEY,
    sign_in TEXT NOT NULL REFERENCES sign_in (id),
    provider TEXT NOT NULL REFERENCES identity_provider (id),
    nonce TEXT NOT NULL,
    verifier TEXT NOT NULL,
    started_at BIGINT NOT NULL
);
CREATE INDEX upstream_leg_sign_in ON upstream_leg (sign_in);

CREATE TABLE session (
    sid TEXT PRIMARY KEY,
    secret_hash TEXT NOT NULL,
    node TEXT NOT NULL REFERENCES node (id),
    account TEXT NOT NULL REFERENCES account (id),
    means TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    end_reason TEXT NOT NULL
);
CREATE UNIQUE INDEX session_secret ON session (secret_hash);
CREATE INDEX session_account ON session (account) WHERE ended_at IS NULL;

CREATE TABLE app_grant (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL REFERENCES node (id),
    client_id TEXT NOT NULL REFERENCES relying_party (client_id),
    account TEXT NOT NULL REFERENCES account (id),
    session TEXT NOT NULL REFERENCES session (sid),
    acting TEXT NOT NULL REFERENCES node (id),
    scope TEXT NOT NULL,
    resource TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    nonce TEXT NOT NULL,
    means TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    end_reason TEXT NOT NULL
);
CREATE INDEX app_grant_account ON app_grant (account) WHERE ended_at IS NULL;
CREATE INDEX app_grant_session ON app_grant (session, client_id, created_at);
CREATE INDEX app_grant_client ON app_grant (client_id) WHERE ended_at IS NULL;

CREATE TABLE authorization_code (
    code_hash TEXT PRIMARY KEY,
    app_grant TEXT NOT NULL REFERENCES app_grant (id),
    code_challenge TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX authorization_code_expiry ON authorization_code (expires_at);

-- A refresh family is the grant; its tokens form a chain by `parent_hash` (decisions.md 33).
CREATE TABLE refresh_token (
    token_hash TEXT PRIMARY KEY,
    app_grant TEXT NOT NULL REFERENCES app_grant (id),
    parent_hash TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    rotated_at BIGINT,
    extra_child INTEGER NOT NULL
);
CREATE INDEX refresh_token_grant ON refresh_token (app_grant);

CREATE TABLE scim_connection (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL REFERENCES node (id),
    name TEXT NOT NULL,
    profile TEXT NOT NULL,
    provider TEXT REFERENCES identity_provider (id),
    patch_reply INTEGER NOT NULL,
    adoption TEXT NOT NULL,
    unknown TEXT NOT NULL,
    rate INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT
);
CREATE INDEX scim_connection_node ON scim_connection (node);
CREATE INDEX scim_connection_provider ON scim_connection (provider);

CREATE TABLE scim_token (
    token_hash TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    connection TEXT NOT NULL REFERENCES scim_connection (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    last_used_at BIGINT
);
CREATE UNIQUE INDEX scim_token_id ON scim_token (id);
CREATE INDEX scim_token_connection ON scim_token (connection);

-- externalId belongs to the connection that pushed it, not to the account (decisions.md 36).
CREATE TABLE external_id (
    connection TEXT NOT NULL REFERENCES scim_connection (id),
    account TEXT NOT NULL REFERENCES account (id),
    value TEXT NOT NULL,
    PRIMARY KEY (connection, account)
);
CREATE UNIQUE INDEX external_id_value ON external_id (connection, value);
CREATE INDEX external_id_account ON external_id (account);

-- Multi-valued attributes that filters may ask for; single-valued ones are columns of their table.
CREATE TABLE scim_value (
    account TEXT NOT NULL REFERENCES account (id),
    attribute TEXT NOT NULL,
    element INTEGER NOT NULL,
    sub_attribute TEXT NOT NULL,
    value_key TEXT NOT NULL,
    home TEXT NOT NULL,
    PRIMARY KEY (account, attribute, element, sub_attribute)
);
CREATE INDEX scim_value_search ON scim_value (attribute, sub_attribute, value_key, home);

CREATE TABLE scim_log (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    connection TEXT NOT NULL,
    at BIGINT NOT NULL,
    operation TEXT NOT NULL,
    target TEXT NOT NULL,
    status INTEGER NOT NULL,
    code TEXT NOT NULL,
    rewrites TEXT NOT NULL,
    body TEXT NOT NULL,
    detail TEXT NOT NULL,
    duration_us BIGINT NOT NULL,
    correlation_id TEXT NOT NULL
);
CREATE INDEX scim_log_connection ON scim_log (connection, id);
CREATE INDEX scim_log_correlation ON scim_log (correlation_id);

-- Unfiltered totals without counting: a row for each shard (decisions.md 45).
CREATE TABLE counter (
    node TEXT NOT NULL,
    type TEXT NOT NULL,
    shard INTEGER NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (node, type, shard)
);

-- Columns of Debezium's outbox event router, so that a log-based pipeline can read it as it is (decisions.md 39).
CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    aggregatetype TEXT NOT NULL,
    aggregateid TEXT NOT NULL,
    type TEXT NOT NULL,
    payload TEXT NOT NULL,
    node TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE job (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    node TEXT NOT NULL,
    payload TEXT NOT NULL,
    lane TEXT NOT NULL,
    dedupe TEXT,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    run_at BIGINT NOT NULL,
    lease_until BIGINT,
    owner TEXT,
    last_error TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE UNIQUE INDEX job_dedupe ON job (dedupe);
CREATE INDEX job_due ON job (state, run_at);

-- Rows are unlinked in their transaction; `leaf` is numbered by the sealer. `salt` lets personal fields be erased (decisions.md 40).
CREATE TABLE audit (
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
);
CREATE INDEX audit_node ON audit (node, id);
CREATE INDEX audit_correlation ON audit (correlation_id);
CREATE INDEX audit_unsealed ON audit (id) WHERE leaf IS NULL;

-- The chain of each attempt to be let in, under its correlation id; candidates are computed when it is viewed (decisions.md 27).
CREATE TABLE admission_trace (
    id TEXT PRIMARY KEY,
    correlation_id TEXT NOT NULL,
    node TEXT NOT NULL,
    at BIGINT NOT NULL,
    path TEXT NOT NULL,
    code TEXT NOT NULL,
    due TEXT NOT NULL,
    account TEXT,
    provider TEXT,
    client_id TEXT,
    chain TEXT NOT NULL
);
CREATE INDEX admission_trace_correlation ON admission_trace (correlation_id);
CREATE INDEX admission_trace_account ON admission_trace (account, id);
