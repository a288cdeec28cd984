"""`moongate explain` and `moongate what-if`: why somebody was not let in, and whether they would be now."""

from pathlib import Path

import click

from gateway.cli import explanation
from gateway.cli.command import context, fail, json_option, node_of, tenant_option
from gateway.domain.untrusted_json import parse_object
from gateway.services import explain, identity_providers, what_if
from gateway.services.what_if import Question


def register(group: click.Group) -> None:
    """Add the commands to the group of all."""
    group.add_command(_explain)
    group.add_command(_what_if)


@click.command("explain")
@click.argument("correlation_id")
@json_option
def _explain(*, correlation_id: str, as_json: bool) -> None:
    """Tell what happened under the correlation id of an error page, an app's error or a SCIM answer, and what to do."""
    explanation.show(explain.explain(context(), correlation_id, scope=None), as_json=as_json)


@click.command("what-if")
@tenant_option
@click.option("--login", default=None, metavar="LOGIN", help="Whoever signs in by this name.")
@click.option("--idp", default=None, metavar="KEY", help="Whoever this identity provider vouches for with the claims of --claims.")
@click.option("--claims", "claims_file", default=None, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON file.")
@click.option("--client", default="", metavar="CLIENT_ID", help="At this app; without it only whether they would be known.")
@json_option
def _what_if(*, slug: str, login: str | None, idp: str | None, claims_file: Path | None, client: str, as_json: bool) -> None:
    """Tell what would happen if somebody signed in now: the same checks, without effects. That it was asked is audited."""
    if (login is None) == (idp is None) or (idp is None) != (claims_file is None):
        raise click.UsageError("Give either --login, or --idp together with --claims.")
    act = context()
    node = node_of(act, slug)
    question = Question(node, client)
    if idp is not None and claims_file is not None:
        provider = identity_providers.get_provider(act, node, idp)
        answer = what_if.ask_by_claims(act, question, provider, _claims(claims_file), scope=None)
    else:
        answer = what_if.ask_by_login(act, question, login or "", scope=None)
    explanation.show(answer, as_json=as_json)


def _claims(path: Path) -> dict[str, object]:
    try:
        return dict(parse_object(path.read_bytes()))
    except (OSError, ValueError) as error:
        fail("E_Field_Invalid", f"--claims {path}: {error}")
