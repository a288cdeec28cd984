"""Devices from which somebody signed in before: they alone are told when an automatic lock ends (decisions.md 23)."""

from gateway.domain.values import AccountId, hash_token, new_token
from gateway.services.context import Context
from gateway.storage import factors

_TAG = "mgd"


def remember(context: Context, account_id: AccountId, secret: str) -> str:
    """Note that somebody signed in from the device whose cookie holds `secret`; return the secret for its cookie, new for a stranger's."""
    kept = secret if secret.startswith(f"{_TAG}_") else new_token(context.entropy, _TAG)
    with context.database.transaction():
        factors.remember_device(context.database, account_id, hash_token(kept), context.now())
    return kept
