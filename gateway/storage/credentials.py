"""Passwords of accounts, as argon2id hashes."""

from gateway.domain.credential import Password
from gateway.domain.values import AccountId, Instant
from gateway.storage.database import Database, Statement, place
from gateway.storage.tables.people import PasswordCredential

_FIND = Statement(
    PasswordCredential.select(PasswordCredential.hash, PasswordCredential.temporary, PasswordCredential.expires_at).where(
        PasswordCredential.account == place("account")
    )
)
_DELETE = Statement(PasswordCredential.delete().where(PasswordCredential.account == place("account")))
_INSERT = Statement(
    PasswordCredential.insert(
        {
            PasswordCredential.account: place("account"),
            PasswordCredential.hash: place("hash"),
            PasswordCredential.temporary: place("temporary"),
            PasswordCredential.expires_at: place("expires_at"),
            PasswordCredential.set_at: place("set_at"),
        }
    )
)
_CHANGE_HASH = Statement(
    PasswordCredential.update({PasswordCredential.hash: place("hash")}).where(
        (PasswordCredential.account == place("account")) & (PasswordCredential.hash == place("expected"))
    )
)


def find_password(database: Database, account_id: AccountId) -> Password | None:
    """Return the account's password, if it has one."""
    row = database.row(_FIND, account=account_id)
    return Password(hash=row[0], temporary=bool(row[1]), expires_at=row[2]) if row else None


def replace_password(database: Database, account_id: AccountId, password: Password, now: Instant) -> None:
    """Store a password in place of any other."""
    database.write(_DELETE, account=account_id)
    database.write(
        _INSERT, account=account_id, hash=password.hash, temporary=password.temporary, expires_at=password.expires_at, set_at=now
    )


def change_hash(database: Database, account_id: AccountId, expected: str, new_hash: str) -> None:
    """Store another hash of the same password, unless the password was changed meanwhile."""
    database.write(_CHANGE_HASH, account=account_id, hash=new_hash, expected=expected)


def delete_password(database: Database, account_id: AccountId) -> bool:
    """Erase the password; return whether there was one."""
    return database.write(_DELETE, account=account_id) == 1
