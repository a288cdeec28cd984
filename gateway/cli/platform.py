"""`moongate platform`: the installation's first day."""

import click

from gateway.cli.command import Result, command, context
from gateway.services import platform


@click.group("platform")
def group() -> None:
    """The platform at the top of the tree."""


@command(group, "init")
@click.option("--admin-login", required=True, metavar="LOGIN")
@click.option("--admin-email", required=True, metavar="E-MAIL")
def init(*, admin_login: str, admin_email: str) -> Result:
    """Create the platform and its first administrator, who gets a temporary password, shown once.

    Run again for the same administrator, it changes nothing.
    """
    act = context()
    founded = platform.found(act, login=admin_login, email=admin_email)
    return {
        "login": founded.login,
        "temporary_password": founded.temporary_password,
        "console": f"{act.urls.public_url}/admin/?tenant={founded.node.slug}",
    }
