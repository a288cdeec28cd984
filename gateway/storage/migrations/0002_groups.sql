-- Groups, with a row for each member: changes of membership are deltas, and nobody loads the list to change it.

-- `claimed_name` is the name's key where it must be the only one in its node, else null (R-203). `document` holds no members.
CREATE TABLE scim_group (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL REFERENCES node (id),
    display_name TEXT NOT NULL,
    display_key TEXT NOT NULL,
    claimed_name TEXT,
    managed_by TEXT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX scim_group_node ON scim_group (node, created_at, id);
CREATE INDEX scim_group_name ON scim_group (node, display_key);
CREATE UNIQUE INDEX scim_group_claimed_name ON scim_group (node, claimed_name);

-- `member_type` is User or Group, or empty for an id that nobody here has and that a lenient connection wanted kept. `display` is what a
-- directory calls the member; empty: the member's own name.
CREATE TABLE group_member (
    scim_group TEXT NOT NULL REFERENCES scim_group (id),
    member TEXT NOT NULL,
    member_type TEXT NOT NULL,
    display TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (scim_group, member)
);
CREATE INDEX group_member_reverse ON group_member (member, scim_group);

-- externalId belongs to the connection that pushed it, not to the group (decisions.md 36).
CREATE TABLE group_external_id (
    connection TEXT NOT NULL REFERENCES scim_connection (id) ON DELETE CASCADE,
    scim_group TEXT NOT NULL REFERENCES scim_group (id),
    value TEXT NOT NULL,
    PRIMARY KEY (connection, scim_group)
);
CREATE UNIQUE INDEX group_external_id_value ON group_external_id (connection, value);
CREATE INDEX group_external_id_group ON group_external_id (scim_group);
