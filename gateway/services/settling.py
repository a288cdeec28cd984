"""What every process that goes on does first, whether it serves or works."""

import logging

from gateway.domain.checks import Outcome
from gateway.metrics import sums
from gateway.services import readiness
from gateway.services.house import House

_FOLDER = "metrics"

_LOG = logging.getLogger(__name__)


def settle_in(house: House) -> None:
    """Count where all processes of this home count, and tell in the log what is not well, one line each."""
    try:
        sums.keep_in(house.settings.home / _FOLDER)
    except OSError as error:
        _LOG.warning("this process counts for itself alone", extra={"fields": {"folder": _FOLDER, "reason": str(error.strerror)}})
    for check in readiness.examine(house):
        if check.outcome is not Outcome.OK:
            readiness.tell(check)
