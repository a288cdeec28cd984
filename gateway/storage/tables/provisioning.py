"""Provisioning: SCIM connections, their tokens, ids, searched values and log."""

import peewee as pw

from gateway.storage.tables.table import Configuration, Table


class ScimConnection(Configuration):
    """Rows of `scim_connection`."""

    id = pw.TextField(primary_key=True)
    node = pw.TextField()
    name = pw.TextField()
    profile = pw.TextField()
    provider = pw.TextField(null=True)
    patch_reply = pw.IntegerField()
    adoption = pw.TextField()
    unknown = pw.TextField()
    rate = pw.IntegerField()
    created_at = pw.BigIntegerField()
    disabled_at = pw.BigIntegerField(null=True)


class ScimToken(Configuration):
    """Rows of `scim_token`."""

    token_hash = pw.TextField(primary_key=True)
    id = pw.TextField()
    connection = pw.TextField()
    created_at = pw.BigIntegerField()
    expires_at = pw.BigIntegerField()
    revoked_at = pw.BigIntegerField(null=True)
    last_used_at = pw.BigIntegerField(null=True)


class ExternalId(Table):
    """Rows of `external_id`."""

    connection = pw.TextField()
    account = pw.TextField()
    value = pw.TextField()

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("connection", "account")


class ScimValue(Table):
    """Rows of `scim_value`."""

    account = pw.TextField()
    attribute = pw.TextField()
    element = pw.IntegerField()
    sub_attribute = pw.TextField()
    value_key = pw.TextField()
    home = pw.TextField()

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("account", "attribute", "element", "sub_attribute")


class ScimLog(Table):
    """Rows of `scim_log`."""

    id = pw.TextField(primary_key=True)
    node = pw.TextField()
    connection = pw.TextField()
    at = pw.BigIntegerField()
    operation = pw.TextField()
    target = pw.TextField()
    status = pw.IntegerField()
    code = pw.TextField()
    rewrites = pw.TextField()
    body = pw.TextField()
    detail = pw.TextField()
    duration_us = pw.BigIntegerField()
    correlation_id = pw.TextField()
