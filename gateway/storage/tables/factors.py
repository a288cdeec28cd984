"""Second factors, what stands in for them, and known devices."""

import peewee as pw

from gateway.storage.tables.table import Table


class TotpFactor(Table):
    """Rows of `totp_factor`."""

    account = pw.TextField(primary_key=True)
    wrapped_secret = pw.TextField()
    last_step = pw.BigIntegerField()
    drift = pw.IntegerField()
    replace_due = pw.IntegerField()
    enrolled_at = pw.BigIntegerField()


class TotpEnrolment(Table):
    """Rows of `totp_enrolment`."""

    account = pw.TextField(primary_key=True)
    sign_in = pw.TextField()
    wrapped_secret = pw.TextField()
    started_at = pw.BigIntegerField()


class RecoveryCode(Table):
    """Rows of `recovery_code`."""

    account = pw.TextField()
    code_hash = pw.TextField()
    created_at = pw.BigIntegerField()
    used_at = pw.BigIntegerField(null=True)

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("account", "code_hash")


class AccessCode(Table):
    """Rows of `access_code`."""

    account = pw.TextField(primary_key=True)
    code_hash = pw.TextField()
    expires_at = pw.BigIntegerField()
    used_by = pw.TextField(null=True)


class KnownDevice(Table):
    """Rows of `known_device`."""

    account = pw.TextField()
    secret_hash = pw.TextField()
    seen_at = pw.BigIntegerField()

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("account", "secret_hash")
