"""`moongate demo`: the main job end to end, on this machine."""

import click

from gateway.demo.run import run_demo


def register(group: click.Group) -> None:
    """Add the command to the group of all."""
    group.add_command(_demo)


@click.command("demo")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65_534))
@click.option("--json", "_as_json", is_flag=True, help="Errors as JSON.")
def _demo(*, port: int, _as_json: bool) -> None:
    """Show the main job: a home of its own under var/, random passwords, loopback only."""
    raise SystemExit(run_demo(port, click.echo))
