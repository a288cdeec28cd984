"""`moongate`: the group of all commands."""

import click

from gateway.cli import (
    access_explained,
    audit,
    backup,
    client,
    demo,
    doctor,
    domain,
    group,
    idp,
    installation,
    job,
    keys,
    membership,
    platform,
    role,
    scim_connection,
    scim_log,
    serve,
    session,
    tenant,
    user,
    user_mails,
)
from gateway.cli.command import Commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 140})
@click.version_option(package_name="moongate")
def main() -> None:
    """Moongate, a multi-tenant identity gateway.

    Every command takes --json: then standard output is one JSON document, and an error is one on standard error.
    """


# The way a new installation goes, then the nouns.
serve.register(main)
installation.register(main)
backup.register(main)
doctor.register(main)
demo.register(main)
main.add_command(platform.group)
main.add_command(tenant.group)
main.add_command(domain.group)
main.add_command(idp.group)
main.add_command(user.group)
user_mails.register(user.group)
main.add_command(session.group)
main.add_command(group.group)
main.add_command(membership.group)
main.add_command(role.group)
main.add_command(client.group)
main.add_command(keys.group)
main.add_command(keys.secrets)
main.add_command(scim_connection.group)
scim_log.register(main)
main.add_command(job.group)
main.add_command(audit.group)
access_explained.register(main)
