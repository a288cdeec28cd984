"""`moongate audit`: who did what, and the proof that nobody changed it."""

import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

import click

from gateway.cli import audit_export
from gateway.cli.command import Failed, Result, command, context, json_option, moment, node_of, show, tenant_option
from gateway.cli.moments import Moment
from gateway.domain.audit import AuditSearch
from gateway.domain.errors import Refusal
from gateway.domain.nodes import Node
from gateway.domain.values import AccountId
from gateway.services import audit, audit_verification, nodes, people, sealing
from gateway.services.audit_verification import Finding, Verdict
from gateway.services.context import Context
from gateway.storage.sealing import Head


@click.group("audit")
def group() -> None:
    """The audit trail."""


_SEARCH = (
    click.option(
        "--actor",
        default="",
        metavar="ID",
        help="Who acted: id of a person, an app or a connection, or the login of a person of the tenant.",
    ),
    click.option("--target", default="", metavar="ID", help="What was acted on, likewise."),
    click.option("--action", default="", metavar="ACTION", help="Such as person.created; person.* for all about people."),
    click.option("--outcome", default=None, type=click.Choice(["done", "refused"])),
    click.option("--code", default="", metavar="CODE", help="Refused with this code."),
    click.option("--correlation", "correlation_id", default="", metavar="ID", help="Only what happened under this correlation id."),
    click.option("--text", default="", metavar="TEXT", help="Anywhere in detail or address."),
    click.option("--since", default=None, type=Moment(), help="Not earlier than this."),
    click.option("--until", default=None, type=Moment(), help="Earlier than this."),
)


def _search_options(function: Any) -> Any:  # noqa: ANN401 -- a decorator of whatever it is put on
    for option in reversed(_SEARCH):
        function = option(function)
    return function


def _search_of(act: Context, node: Node, given: dict[str, Any]) -> AuditSearch:
    named = {name: _id_of(act, node, given[name]) for name in ("actor", "target")}
    return AuditSearch(**given | named | {"correlation_id": given["correlation_id"].strip().casefold(), "outcome": given["outcome"] or ""})


def _id_of(act: Context, node: Node, named: str) -> str:
    """Return the id of the person who has this login, else what was given: it is an id itself."""
    try:
        return people.get_person(act, node, named).id if named else ""
    except Refusal:
        return named


@command(group, "list")
@tenant_option
@_search_options
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--before", default="", metavar="ID", help="The next page: id of the last event of the one before.")
def list_(*, slug: str, limit: int, before: str, **search: Any) -> Result:
    """List the latest events of a tenant and all below it, newest first."""
    act = context()
    node = node_of(act, slug)
    slugs = {item.id: item.slug for item in nodes.list_nodes(act, below=node)}
    return [
        {
            "at": moment(row.at),
            "tenant": slugs.get(row.node, row.node),
            "action": row.action,
            "outcome": row.outcome,
            "code": row.code or None,
            "actor": f"{row.actor_kind} {row.actor}".strip(),
            "channel": row.channel,
            "target": f"{row.target_kind} {row.target}".strip(),
            "address": row.address or None,
            "correlation_id": row.correlation_id,
            "detail": json.loads(row.detail) or None,
            "id": row.id,
        }
        for row in audit.list_events(act, node, search=_search_of(act, node, search), limit=limit, before=before)
    ]


@command(group, "export")
@tenant_option
@_search_options
@click.option("--format", "form", default="ndjson", show_default=True, type=click.Choice(["ndjson", "csv"]))
@click.option("--output", default="-", metavar="FILE", help="Where to; it must not be there yet. Standard output unless given.")
def export(*, slug: str, form: str, output: str, **search: Any) -> Result:
    """Write the events of a tenant and all below it, the oldest first: JSON lines, or CSV that a spreadsheet may open without harm."""
    act = context()
    node = node_of(act, slug)
    if output == "-" and click.get_current_context().params["as_json"]:
        raise click.UsageError("--json prints one document: give --output FILE for the events.")
    slugs = {item.id: item.slug for item in nodes.list_nodes(act, below=node)}
    rows = audit.iterate_events(act, node, _search_of(act, node, search))
    write = audit_export.WRITERS[form]
    if output == "-":
        write(rows, slugs, sys.stdout.buffer)
        return None
    with _new_file(Path(output)) as file:
        return {"events": write(rows, slugs, file), "file": output}


def _new_file(path: Path) -> BinaryIO:
    """Return a new file that nobody else may read; the trail tells of people."""
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written ({error.strerror}).") from error


@group.command("verify")
@click.option(
    "--head",
    "kept",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A head that was kept elsewhere (moongate audit head).",
)
@json_option
def verify(*, kept: Path | None, as_json: bool) -> None:
    """Prove that no sealed event was changed, removed, added or moved; tell each that was."""
    act = context()
    verdict = audit_verification.verify_trail(act, unverified_kept=_statement_in(kept) if kept else "")
    document = _document(verdict)
    if as_json:
        show(document, as_json=True)
    else:
        show({name: value for name, value in document.items() if not isinstance(value, list)}, as_json=False)
        show([_told(finding) for finding in (*verdict.findings, *verdict.late)], as_json=False)
    if verdict.found:
        raise Failed("E_Audit_Broken", f"{verdict.found} findings: the audit trail is not what was sealed")


@command(group, "head")
def head() -> Result:
    """Print the newest signed head; keep it elsewhere, and nobody can set the trail back to before it unnoticed."""
    return _head(sealing.get_head(context()))


@command(group, "proof")
@click.argument("event_id", metavar="ID")
def proof(*, event_id: str) -> Result:
    """Prove that an event is in the sealed trail: its sealed bytes, and the hashes that lead to the root of a signed head (RFC 9162)."""
    proved = sealing.prove(context(), event_id)
    path = [step.hex() for step in proved.path]
    return {"entry": proved.entry.decode(), "number": proved.number, "path": path, "head": _head(proved.head)}


@command(group, "erase")
@tenant_option
@click.argument("person_id", metavar="ID")
def erase(*, slug: str, person_id: str) -> Result:
    """Erase what the trail tells of a deleted person; ids, acts, times and the seal stay."""
    act = context()
    return {"events": audit.erase_person(act, node_of(act, slug), AccountId(person_id))}


def _statement_in(path: Path) -> str:
    """Return the statement of a kept head; whatever the file holds instead is not signed, which is told."""
    try:
        with path.open("rb") as file:
            text = file.read(1_000_000).decode("utf-8", "replace").strip()
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read ({error.strerror}).") from error
    try:
        document = json.loads(text)
    except ValueError:
        return text or "empty"
    return str(document.get("statement")) if isinstance(document, dict) else "no head"


def _head(kept: Head) -> dict[str, object]:
    return {"size": kept.size, "root": kept.root, "at": moment(kept.at), "statement": kept.statement}


def _document(verdict: Verdict) -> dict[str, object]:
    return {
        "outcome": "broken" if verdict.found else "whole",
        "events": verdict.rows,
        "heads": verdict.heads,
        "root": verdict.root,
        "unsealed": verdict.unsealed,
        "erased_values": verdict.erased,
        "findings": [_told(finding) for finding in verdict.findings] if verdict.found else [],
        "late": [_told(finding) for finding in verdict.late],
    }


def _told(finding: Finding) -> dict[str, object]:
    return {"kind": finding.kind, "number": finding.number, "at": moment(finding.at), "id": finding.id or None, "what": finding.told}
