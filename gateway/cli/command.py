"""What all commands share: `--json`, the opened house, and how results and refusals are printed."""

import functools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import click

from gateway.domain.errors import Refusal, filled
from gateway.domain.nodes import Node
from gateway.services import nodes
from gateway.services.context import Context
from gateway.services.house import OPERATOR, House
from gateway.settings import SettingsError, settings_of_process
from gateway.storage.database import DatabaseUnavailable
from gateway.wiring import open_house

Result = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
"""What a command returns: one thing, a list of things, or nothing to tell."""


def house() -> House:
    """Return the opened house of this process, or end with one line that names the setting in the way."""
    try:
        return open_house(settings_of_process())
    except SettingsError as error:
        fail("E_Setting_Invalid", str(error))


def context() -> Context:
    """Return the surroundings of an act of the operator."""
    return house().context(OPERATOR)


def node_of(context: Context, slug: str) -> Node:
    """Return the node that `--tenant` names, or refuse."""
    return nodes.get_node(context, slug)


def command(group: click.Group, name: str) -> Callable[[Callable[..., Result]], click.Command]:
    """Make a function a command of `group`: it takes `--json`, prints what the function returns, and translates refusals once."""

    def decorate(function: Callable[..., Result]) -> click.Command:
        @functools.wraps(function)
        def run(*, as_json: bool, **options: Any) -> None:
            try:
                result = function(**options)
            except Refusal as refusal:
                fail(refusal.code, _message(refusal), as_json=as_json)
            except DatabaseUnavailable as error:
                fail("E_Unavailable", f"The database cannot serve now: {error}", as_json=as_json)
            show(result, as_json=as_json)

        return group.command(name)(click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(run))

    return decorate


def tenant_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option `--tenant SLUG`."""
    return click.option("--tenant", "slug", required=True, metavar="SLUG", help="The tenant.")(function)


def show(result: Result, *, as_json: bool) -> None:
    """Print a result: as one JSON document, or as readable lines."""
    if as_json:
        click.echo(json.dumps({} if result is None else result, ensure_ascii=False, default=list))
        return
    if result is None:
        return
    items = [result] if isinstance(result, Mapping) else list(result)
    blocks = ["\n".join(f"{name}: {_text(value)}" for name, value in item.items() if value not in (None, "", [], ())) for item in items]
    if blocks:
        click.echo(("\n\n" if any("\n" in block for block in blocks) else "\n").join(blocks))


def fail(code: str, message: str, *, as_json: bool | None = None) -> NoReturn:
    """Print an error on standard error and end with status 1."""
    # Before click has read the options (a wrong setting), the plain command line tells what the caller wants.
    wants_json = "--json" in sys.argv if as_json is None else as_json
    text = json.dumps({"error": {"code": code, "message": message}}, ensure_ascii=False) if wants_json else f"{code}: {message}"
    click.echo(text, err=True)
    raise SystemExit(1)


def _message(refusal: Refusal) -> str:
    """Return what an administrator reads: what happened, the reason, and what to do; the command line belongs to administrators."""
    parts = [str(refusal), filled(refusal.entry.admin, refusal.data), f"({refusal.reason})" if refusal.reason else ""]
    return " ".join(dict.fromkeys(part for part in parts if part))


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) else str(value)
