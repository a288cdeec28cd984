"""Limits: the processes that share them, and guesses that all of them count together."""

import peewee as pw

from gateway.storage.tables.table import Table


class ServerProcess(Table):
    """Rows of `server_process`."""

    id = pw.TextField(primary_key=True)
    seen_at = pw.BigIntegerField()


class LimitCount(Table):
    """Rows of `limit_count`."""

    name = pw.TextField()
    key = pw.TextField()
    count = pw.IntegerField()
    ends_at = pw.BigIntegerField()

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("name", "key")
