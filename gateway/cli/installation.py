"""`moongate migrate`: the installation itself."""

import click

from gateway.cli.command import command, house
from gateway.storage import schema


def register(group: click.Group) -> None:
    """Add the command to the group of all."""
    command(group, "migrate")(migrate)


def migrate() -> dict[str, object]:
    """Bring the database up to date; safe beside others that do the same."""
    return {"version": schema.version(house().database)}
