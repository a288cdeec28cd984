"""Apps: relying parties, keys, sessions, grants, codes and refresh tokens."""

import peewee as pw

from gateway.storage.tables.table import Configuration, Table


class RelyingParty(Configuration):
    """Rows of `relying_party`."""

    client_id = pw.TextField(primary_key=True)
    node = pw.TextField()
    name = pw.TextField()
    redirect_uris = pw.TextField()
    post_logout_redirect_uris = pw.TextField()
    backchannel_logout_uri = pw.TextField()
    auth_method = pw.TextField()
    roleless = pw.IntegerField()
    first_party = pw.IntegerField()
    grants = pw.TextField()
    scopes = pw.TextField()
    resources = pw.TextField()
    pkce_required = pw.IntegerField()
    id_token_alg = pw.TextField()
    access_token_alg = pw.TextField()
    second_factor_unsupported = pw.IntegerField()
    disabled_at = pw.BigIntegerField(null=True)
    deleted_at = pw.BigIntegerField(null=True)
    created_at = pw.BigIntegerField()
    jwks = pw.TextField()
    jwks_uri = pw.TextField()
    epoch = pw.BigIntegerField()


class ClientSecret(Configuration):
    """Rows of `client_secret`."""

    hash = pw.TextField(primary_key=True)
    client_id = pw.TextField()
    created_at = pw.BigIntegerField()
    expires_at = pw.BigIntegerField(null=True)


class SigningKey(Configuration):
    """Rows of `signing_key`."""

    kid = pw.TextField(primary_key=True)
    node = pw.TextField()
    alg = pw.TextField()
    private_key = pw.TextField()
    public_jwk = pw.TextField()
    created_at = pw.BigIntegerField()
    active_from = pw.BigIntegerField()
    retired_at = pw.BigIntegerField(null=True)
    published_until = pw.BigIntegerField(null=True)


class Session(Table):
    """Rows of `session`."""

    sid = pw.TextField(primary_key=True)
    secret_hash = pw.TextField()
    node = pw.TextField()
    account = pw.TextField()
    means = pw.TextField()
    epoch = pw.BigIntegerField()
    created_at = pw.BigIntegerField()
    seen_at = pw.BigIntegerField()
    expires_at = pw.BigIntegerField()
    ended_at = pw.BigIntegerField(null=True)
    end_reason = pw.TextField()


class AppGrant(Table):
    """Rows of `app_grant`."""

    id = pw.TextField(primary_key=True)
    node = pw.TextField()
    client_id = pw.TextField()
    account = pw.TextField()
    session = pw.TextField()
    acting = pw.TextField()
    scope = pw.TextField()
    resource = pw.TextField()
    redirect_uri = pw.TextField()
    nonce = pw.TextField()
    means = pw.TextField()
    epoch = pw.BigIntegerField()
    app_epoch = pw.BigIntegerField()
    created_at = pw.BigIntegerField()
    expires_at = pw.BigIntegerField()
    ended_at = pw.BigIntegerField(null=True)
    end_reason = pw.TextField()


class KeptCode(Table):
    """Rows of `kept_code`."""

    handle_hash = pw.TextField(primary_key=True)
    sealed = pw.TextField()
    expires_at = pw.BigIntegerField()


class RefreshToken(Table):
    """Rows of `refresh_token`."""

    token_hash = pw.TextField(primary_key=True)
    app_grant = pw.TextField()
    parent_hash = pw.TextField(null=True)
    created_at = pw.BigIntegerField()
    expires_at = pw.BigIntegerField()
    rotated_at = pw.BigIntegerField(null=True)
    extra_child = pw.IntegerField()


class ClientAssertion(Table):
    """Rows of `client_assertion`."""

    client_id = pw.TextField()
    jti_hash = pw.TextField()
    expires_at = pw.BigIntegerField()

    class Meta:
        """The key has several columns."""

        primary_key = pw.CompositeKey("client_id", "jti_hash")
