"""Groups: their rows, their members, and the ids that directories gave them."""

import peewee as pw

from gateway.storage.tables.table import Table


class ScimGroup(Table):
    """Rows of `scim_group`."""

    id = pw.TextField(primary_key=True)
    node = pw.TextField()
    display_name = pw.TextField()
    display_key = pw.TextField()
    claimed_name = pw.TextField(null=True)
    managed_by = pw.TextField(null=True)
    version = pw.BigIntegerField()
    created_at = pw.BigIntegerField()
    updated_at = pw.BigIntegerField()
    document = pw.TextField()


class GroupMember(Table):
    """Rows of `group_member`."""

    scim_group = pw.TextField()
    member = pw.TextField()
    member_type = pw.TextField()
    display = pw.TextField()
    added_at = pw.BigIntegerField()

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("scim_group", "member")


class GroupExternalId(Table):
    """Rows of `group_external_id`."""

    connection = pw.TextField()
    scim_group = pw.TextField()
    value = pw.TextField()

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("connection", "scim_group")
