"""Federation: identity providers, links, and sign-ins on their way."""

import peewee as pw

from gateway.storage.tables.table import Configuration, Table


class IdentityProvider(Configuration):
    """Rows of `identity_provider`."""

    id = pw.TextField(primary_key=True)
    node = pw.TextField()
    idp_key = pw.TextField()
    name = pw.TextField()
    issuer = pw.TextField()
    client_id = pw.TextField()
    client_secret = pw.TextField()
    vendor = pw.TextField()
    matching = pw.TextField()
    claim = pw.TextField()
    exact_case = pw.IntegerField()
    email_trust = pw.TextField()
    external_id_claim = pw.TextField()
    link_only = pw.IntegerField()
    mfa_amr = pw.TextField()
    mfa_acr = pw.TextField()
    active = pw.IntegerField()
    auth_method = pw.TextField()
    algorithms = pw.TextField()
    issuer_tenants = pw.TextField()
    tested_at = pw.BigIntegerField(null=True)
    created_at = pw.BigIntegerField()
    jit = pw.IntegerField()
    jit_role = pw.TextField()


class AccountProvider(Table):
    """Rows of `account_provider`."""

    account = pw.TextField()
    provider = pw.TextField()
    position = pw.IntegerField()
    federated_login = pw.TextField()
    federated_login_key = pw.TextField(null=True)

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("account", "provider")


class Link(Table):
    """Rows of `link`."""

    node = pw.TextField()
    provider = pw.TextField()
    issuer = pw.TextField()
    subject = pw.TextField()
    account = pw.TextField()
    created_at = pw.BigIntegerField()
    used_at = pw.BigIntegerField()
    made_account = pw.IntegerField()

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("node", "provider", "issuer", "subject")


class UpstreamLogout(Table):
    """Rows of `upstream_logout`."""

    provider = pw.TextField()
    token_hash = pw.TextField()
    expires_at = pw.BigIntegerField()

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("provider", "token_hash")


class SignIn(Table):
    """Rows of `sign_in`."""

    id = pw.TextField(primary_key=True)
    node = pw.TextField()
    parent = pw.TextField(null=True)
    browser_hash = pw.TextField()
    request = pw.TextField(null=True)
    correlation_id = pw.TextField()
    login = pw.TextField()
    proof = pw.TextField(null=True)
    tenant = pw.TextField()
    due = pw.TextField()
    handle_hash = pw.TextField(null=True)
    session = pw.TextField(null=True)
    refusal = pw.TextField(null=True)
    password_wanted = pw.IntegerField()
    legs = pw.TextField()
    created_at = pw.BigIntegerField()
    expires_at = pw.BigIntegerField()
    finished_at = pw.BigIntegerField(null=True)


class UpstreamLeg(Table):
    """Rows of `upstream_leg`."""

    state_hash = pw.TextField(primary_key=True)
    sign_in = pw.TextField()
    provider = pw.TextField()
    nonce = pw.TextField()
    verifier = pw.TextField()
    started_at = pw.BigIntegerField()
