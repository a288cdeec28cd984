"""What works when nobody waits, beside jobs: routines, schedules with their runs, and mails."""

import peewee as pw

from gateway.storage.tables.table import Table


class Routine(Table):
    """Rows of `routine`."""

    name = pw.TextField(primary_key=True)
    next_run = pw.BigIntegerField()
    owner = pw.TextField(null=True)
    lease_until = pw.BigIntegerField(null=True)
    began_at = pw.BigIntegerField(null=True)
    ended_at = pw.BigIntegerField(null=True)
    last_error = pw.TextField()


class Schedule(Table):
    """Rows of `schedule`."""

    id = pw.TextField(primary_key=True)
    node = pw.TextField()
    name = pw.TextField()
    name_key = pw.TextField()
    description = pw.TextField()
    step = pw.TextField()
    task = pw.TextField()
    cron = pw.TextField()
    time_zone = pw.TextField()
    ends_at = pw.BigIntegerField(null=True)
    enabled = pw.IntegerField()
    next_run = pw.BigIntegerField(null=True)
    created_at = pw.BigIntegerField()


class ScheduleRun(Table):
    """Rows of `schedule_run`."""

    id = pw.TextField(primary_key=True)
    schedule = pw.TextField()
    due_at = pw.BigIntegerField()
    began_at = pw.BigIntegerField(null=True)
    ended_at = pw.BigIntegerField(null=True)
    state = pw.TextField()
    sent = pw.IntegerField()
    skipped = pw.IntegerField()
    failed = pw.IntegerField()


class Mail(Table):
    """Rows of `mail`."""

    id = pw.TextField(primary_key=True)
    node = pw.TextField()
    account = pw.TextField()
    kind = pw.TextField()
    event = pw.TextField()
    address = pw.TextField()
    data = pw.TextField()
    state = pw.TextField()
    attempts = pw.IntegerField()
    reply = pw.TextField()
    run = pw.TextField(null=True)
    created_at = pw.BigIntegerField()
    changed_at = pw.BigIntegerField()
