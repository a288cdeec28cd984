"""The tree over the audit trail: leaves, how far it has grown, signed heads, and what was erased."""

import peewee as pw

from gateway.storage.tables.table import Table


class AuditLeaf(Table):
    """Rows of `audit_leaf`."""

    number = pw.BigIntegerField(primary_key=True)
    entry = pw.TextField()
    hash = pw.TextField()


class AuditTree(Table):
    """The one row of `audit_tree`."""

    id = pw.IntegerField(primary_key=True)
    size = pw.BigIntegerField()
    frontier = pw.TextField()


class AuditHead(Table):
    """Rows of `audit_head`."""

    hour = pw.BigIntegerField(primary_key=True)
    size = pw.BigIntegerField()
    root = pw.TextField()
    at = pw.BigIntegerField()
    statement = pw.TextField()


class AuditErasure(Table):
    """Rows of `audit_erasure`."""

    entry = pw.TextField(primary_key=True)
    commitments = pw.TextField()
    fields = pw.IntegerField()
    erased_at = pw.BigIntegerField()
