"""People: accounts, their names, memberships, passwords, locks and roles."""

import peewee as pw

from gateway.storage.tables.table import Configuration, Table


class Account(Table):
    """Rows of `account`."""

    id = pw.TextField(primary_key=True)
    home = pw.TextField()
    namespace = pw.TextField()
    type = pw.TextField()
    login = pw.TextField()
    login_key = pw.TextField()
    email = pw.TextField()
    email_key = pw.TextField()
    given_name = pw.TextField()
    family_name = pw.TextField()
    display_name = pw.TextField()
    phone = pw.TextField()
    business_phone = pw.TextField()
    job_title = pw.TextField()
    language = pw.TextField()
    time_zone = pw.TextField()
    activated_at = pw.BigIntegerField(null=True)
    email_validated_at = pw.BigIntegerField(null=True)
    enabled_by_admin = pw.IntegerField()
    active_by_scim = pw.IntegerField()
    disable_after = pw.BigIntegerField(null=True)
    admin_locked_at = pw.BigIntegerField(null=True)
    must_change_password = pw.IntegerField()
    mfa_required = pw.IntegerField()
    federated_only = pw.IntegerField()
    matching = pw.TextField()
    self_registered = pw.IntegerField()
    managed_by = pw.TextField(null=True)
    version = pw.BigIntegerField()
    created_at = pw.BigIntegerField()
    updated_at = pw.BigIntegerField()
    deleted_at = pw.BigIntegerField(null=True)
    deleted_login = pw.TextField()
    display_name_key = pw.TextField()
    given_name_key = pw.TextField()
    family_name_key = pw.TextField()
    job_title_key = pw.TextField()
    employee_number_key = pw.TextField()
    department_key = pw.TextField()
    manager = pw.TextField()
    document = pw.TextField()
    company_contacts = pw.TextField()
    sessions_ended_at = pw.BigIntegerField(null=True)
    spliced = pw.TextField(null=True)


class SignInName(Table):
    """Rows of `sign_in_name`."""

    namespace = pw.TextField()
    name_key = pw.TextField()
    account = pw.TextField()
    kind = pw.TextField()

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("namespace", "name_key")


class CredentialLock(Table):
    """Rows of `credential_lock`."""

    account = pw.TextField()
    path = pw.TextField()
    attempts = pw.IntegerField()
    window_started_at = pw.BigIntegerField()
    locked_until = pw.BigIntegerField(null=True)
    standing = pw.IntegerField()
    times = pw.IntegerField()
    last_locked_at = pw.BigIntegerField(null=True)

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("account", "path")


class PasswordCredential(Table):
    """Rows of `password_credential`."""

    account = pw.TextField(primary_key=True)
    hash = pw.TextField()
    temporary = pw.IntegerField()
    expires_at = pw.BigIntegerField(null=True)
    set_at = pw.BigIntegerField()


class Membership(Table):
    """Rows of `membership`."""

    account = pw.TextField()
    node = pw.TextField()
    state = pw.TextField()
    proposed_by = pw.TextField()
    created_at = pw.BigIntegerField()
    accepted_at = pw.BigIntegerField(null=True)

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("account", "node")


class Role(Configuration):
    """Rows of `role`."""

    id = pw.TextField(primary_key=True)
    node = pw.TextField()
    name = pw.TextField()
    name_key = pw.TextField()
    type = pw.TextField()
    override_level = pw.IntegerField()
    inactivated_at = pw.BigIntegerField(null=True)
    active_from = pw.BigIntegerField(null=True)
    created_at = pw.BigIntegerField()


class RoleApp(Configuration):
    """Rows of `role_app`."""

    role = pw.TextField()
    client_id = pw.TextField()

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("role", "client_id")


class RoleDenial(Configuration):
    """Rows of `role_denial`."""

    role = pw.TextField()
    client_id = pw.TextField()
    function_name = pw.TextField()

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("role", "client_id", "function_name")


class RoleAssignment(Table):
    """Rows of `role_assignment`."""

    account = pw.TextField()
    role = pw.TextField()
    node = pw.TextField()
    source = pw.TextField()
    created_at = pw.BigIntegerField()

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("account", "role", "node", "source")
