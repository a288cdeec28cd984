"""Times on the command line."""

from datetime import UTC, datetime
from typing import Any

import click

from gateway.domain.values import Instant


class Moment(click.ParamType[Instant]):
    """A date or a time as ISO 8601 writes it; UTC where no offset is given."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Instant:  # noqa: ANN401 -- click's own signature
        """Return the instant."""
        if isinstance(value, int):
            return Instant(value)
        try:
            read = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-09-21 or 2026-09-21T14:00:00Z", param, ctx)
        return Instant(int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000))
