"""`moongate migrate` and `moongate doctor`: the installation itself."""

from dataclasses import asdict

import click

from gateway.cli.command import Failed, command, house, json_option, show
from gateway.services import platform
from gateway.storage import schema


def register(group: click.Group) -> None:
    """Add the commands to the group of all."""
    command(group, "migrate")(migrate)
    group.add_command(doctor)


def migrate() -> dict[str, object]:
    """Bring the database up to date; safe beside others that do the same."""
    return {"version": schema.version(house().database)}


@click.command("doctor")
@json_option
def doctor(*, as_json: bool) -> None:
    """Look for what stands in the way: database, keys, URLs, platform, jobs."""
    checks = platform.examine(house())
    show([asdict(check) for check in checks], as_json=as_json)
    failed = [check.check for check in checks if check.outcome == "failed"]
    if failed:
        raise Failed("E_Unavailable", "not well: " + ", ".join(failed))
