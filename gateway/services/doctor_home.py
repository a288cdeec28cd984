"""The home of the house, looked at before anything of it is opened: there, ours, and closed to others."""

import os
import stat
from pathlib import Path

from gateway.domain.checks import Check, Outcome
from gateway.settings import Settings

KEY_FILE = "secret-keys"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def examine_home(settings: Settings) -> list[Check]:
    """Return how the home is, and the keys and the database in it; none of them is made here."""
    checks = [check_home(settings.home), check_key_file(settings)]
    database = check_database_file(settings)
    return [*checks, database] if database is not None else checks


def check_home(home: Path) -> Check:
    """Look whether the home is there, and who may write in it."""
    if not home.is_dir():
        return Check("home", Outcome.FAILED, "It is not there.", reason=str(home), remedy="Set MOONGATE_HOME, or: moongate migrate")
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return Check("home", Outcome.FAILED, "This user may not use it.", reason=str(home), remedy="Run as the user it belongs to.")
    if home.stat().st_mode & _OTHERS_WRITE:
        # Whoever may write here may put other keys in the place of ours.
        return Check("home", Outcome.WARNING, "Others may write in it.", reason=str(home), remedy=f"chmod go-w {home}")
    return Check("home", Outcome.OK, "It is there, and others may not write in it.")


def check_key_file(settings: Settings) -> Check:
    """Look where the secret keys are, and who may read them."""
    path = settings.home / KEY_FILE
    if settings.secret_keys:
        return Check("key file", Outcome.OK, "None is needed: MOONGATE_SECRET_KEYS is set.")
    if not path.exists():
        return Check("key file", Outcome.WARNING, "It is made at the first start.", reason=str(path), remedy="moongate migrate")
    if path.stat().st_mode & _OTHERS:
        return Check("key file", Outcome.FAILED, "Others may read it.", reason=str(path), remedy=f"chmod 600 {path}")
    return Check("key file", Outcome.OK, "Nobody else may read it; back it up with the database.")


def check_database_file(settings: Settings) -> Check | None:
    """Look whether the embedded database is there, and who may read it; None where there is no reason to tell."""
    path = settings.database_url.partition("sqlite:///")[2]
    if not path:
        return None
    file = Path(path)
    if not file.exists():
        return Check("database", Outcome.FAILED, "There is none yet.", reason=str(file), remedy="moongate migrate")
    if file.stat().st_mode & _OTHERS_WRITE:
        return Check("database file", Outcome.WARNING, "Others may write to it.", reason=str(file), remedy=f"chmod go-w {file}")
    return None
