"""Machinery: counters, outbox, jobs, audit and the traces of admission."""

import peewee as pw

from gateway.storage.tables.table import Table


class Counter(Table):
    """Rows of `counter`."""

    node = pw.TextField()
    type = pw.TextField()
    shard = pw.IntegerField()
    value = pw.BigIntegerField()

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("node", "type", "shard")


class Outbox(Table):
    """Rows of `outbox`."""

    id = pw.TextField(primary_key=True)
    aggregatetype = pw.TextField()
    aggregateid = pw.TextField()
    type = pw.TextField()
    payload = pw.TextField()
    node = pw.TextField()
    created_at = pw.BigIntegerField()


class Job(Table):
    """Rows of `job`."""

    id = pw.TextField(primary_key=True)
    kind = pw.TextField()
    node = pw.TextField()
    payload = pw.TextField()
    lane = pw.TextField()
    dedupe = pw.TextField(null=True)
    state = pw.TextField()
    attempts = pw.IntegerField()
    run_at = pw.BigIntegerField()
    lease_until = pw.BigIntegerField(null=True)
    owner = pw.TextField(null=True)
    last_error = pw.TextField()
    created_at = pw.BigIntegerField()
    finished_at = pw.BigIntegerField(null=True)
    correlation_id = pw.TextField()


class Audit(Table):
    """Rows of `audit`."""

    id = pw.TextField(primary_key=True)
    node = pw.TextField()
    at = pw.BigIntegerField()
    actor_kind = pw.TextField()
    actor = pw.TextField()
    channel = pw.TextField()
    action = pw.TextField()
    target_kind = pw.TextField()
    target = pw.TextField()
    outcome = pw.TextField()
    code = pw.TextField()
    correlation_id = pw.TextField()
    address = pw.TextField()
    detail = pw.TextField()
    salt = pw.TextField()
    leaf = pw.BigIntegerField(null=True)


class AdmissionTrace(Table):
    """Rows of `admission_trace`."""

    id = pw.TextField(primary_key=True)
    correlation_id = pw.TextField()
    node = pw.TextField()
    at = pw.BigIntegerField()
    path = pw.TextField()
    code = pw.TextField()
    due = pw.TextField()
    account = pw.TextField(null=True)
    provider = pw.TextField(null=True)
    client_id = pw.TextField(null=True)
    chain = pw.TextField()


class Generation(Table):
    """The one row of `generation`."""

    id = pw.IntegerField(primary_key=True)
    value = pw.BigIntegerField()
