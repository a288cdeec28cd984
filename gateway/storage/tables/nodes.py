"""The tree and what hangs on it: namespaces, nodes, their ancestry and domains."""

import peewee as pw

from gateway.storage.tables.table import Configuration, Table


class Installation(Table):
    """Rows of `installation`."""

    name = pw.TextField(primary_key=True)
    value = pw.TextField()


class Namespace(Configuration):
    """Rows of `namespace`."""

    id = pw.TextField(primary_key=True)
    owner = pw.TextField()
    created_at = pw.BigIntegerField()


class Node(Configuration):
    """Rows of `node`."""

    id = pw.TextField(primary_key=True)
    slug = pw.TextField()
    name = pw.TextField()
    kind = pw.TextField()
    parent = pw.TextField(null=True)
    namespace = pw.TextField()
    issuer = pw.TextField()
    issuer_host = pw.TextField()
    issuer_path = pw.TextField()
    private_outbound = pw.IntegerField()
    epoch = pw.BigIntegerField()
    policies = pw.TextField()
    self_managed_profile = pw.IntegerField()
    disabled_at = pw.BigIntegerField(null=True)
    disabled_by = pw.TextField(null=True)
    deleted_at = pw.BigIntegerField(null=True)
    created_at = pw.BigIntegerField()


class NodeAncestry(Configuration):
    """Rows of `node_ancestry`."""

    ancestor = pw.TextField()
    descendant = pw.TextField()
    depth = pw.IntegerField()

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("ancestor", "descendant")


class Domain(Configuration):
    """Rows of `domain`."""

    id = pw.TextField(primary_key=True)
    node = pw.TextField()
    name = pw.TextField()
    kind = pw.TextField()
    proved_name = pw.TextField(null=True)
    dns_token = pw.TextField()
    verified_at = pw.BigIntegerField(null=True)
    provider = pw.TextField(null=True)
    created_at = pw.BigIntegerField()
