"""`moongate`: the group of all commands."""

import click

from gateway.cli import tenant


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 140})
@click.version_option(package_name="moongate")
def main() -> None:
    """Moongate, a multi-tenant identity gateway."""


main.add_command(tenant.group)
