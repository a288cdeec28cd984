"""What all commands share: `--json`, the opened house, and how results and refusals are printed."""

import functools
import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from gateway.domain.errors import Refusal, filled
from gateway.domain.nodes import Node
from gateway.domain.ports import Unreachable
from gateway.domain.values import Instant
from gateway.services import nodes
from gateway.services.context import Context
from gateway.services.house import OPERATOR, House
from gateway.settings import SettingsError, settings_of_process
from gateway.storage.database import DatabaseUnavailable
from gateway.wiring import open_house

Result = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
"""What a command returns: one thing, a list of things, or nothing to tell."""

_WRONG_USAGE = 2
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Line breaks, escape sequences, and what turns the direction of a line around."""


class Failed(Exception):
    """A command ends with status 1; the code is one of the catalogue."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Commands(click.Group):
    """The group of all commands: translates whatever ends a command early, once, for people or as one JSON document."""

    def main(self, args: Sequence[str] | None = None, *positional: Any, **options: Any) -> NoReturn:
        """Run a command line and exit: 0, 1 for a refusal, 2 for wrong usage."""
        given = list(sys.argv[1:] if args is None else args)
        as_json = "--json" in given
        options["standalone_mode"] = False
        # What goes on configures the log; a command tells by its output and its error alone.
        if not logging.getLogger().handlers:
            logging.getLogger().addHandler(logging.NullHandler())
        try:
            _require_text(given)
            status = super().main(given, *positional, **options)
        except click.UsageError as error:
            _print_error("E_Usage", error.format_message(), as_json=as_json, hint=_usage(error))
            sys.exit(_WRONG_USAGE)
        except click.ClickException as error:
            _print_error("E_Usage", error.format_message(), as_json=as_json)
            sys.exit(_WRONG_USAGE)
        except (Failed, Refusal, SettingsError, DatabaseUnavailable, Unreachable) as error:
            _print_error(*_translated(error), as_json=as_json)
            sys.exit(1)
        except (click.Abort, KeyboardInterrupt):
            sys.exit(130)
        except BrokenPipeError:
            # Whoever read us (`head`) has enough; without a reader the interpreter would complain once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except Exception as error:  # noqa: BLE001 -- a bug: told like every error, and without values that only a trace would show
            _print_error("E_Internal", f"This is a bug of Moongate: {_place(error)}", as_json=as_json)
            sys.exit(1)
        sys.exit(status if isinstance(status, int) else 0)


def _require_text(given: Sequence[str]) -> None:
    """Refuse an argument whose bytes are no text in the terminal's encoding: nothing in the house is named so, and nothing can be."""
    if any("\ud800" <= letter <= "\udfff" for word in given for letter in word):
        raise click.UsageError("An argument holds bytes that are no text in this terminal's encoding.")


def house() -> House:
    """Return the opened house of this command, closed at its end. Raises SettingsError with one line for what stands in the way."""
    root = click.get_current_context().find_root()
    if not isinstance(root.obj, House):
        root.obj = open_house(settings_of_process())
        root.call_on_close(root.obj.database.close)
    return root.obj


def find_house() -> House | None:
    """Return the house that is open already, or None."""
    opened = click.get_current_context().find_root().obj
    return opened if isinstance(opened, House) else None


def context() -> Context:
    """Return the surroundings of an act of the operator."""
    return house().context(OPERATOR)


def node_of(context: Context, slug: str) -> Node:
    """Return the node that `--tenant` names, or refuse."""
    return nodes.get_node(context, slug)


def command(group: click.Group, name: str) -> Callable[[Callable[..., Result]], click.Command]:
    """Make a function a command of `group`: it takes `--json`, and what the function returns is printed."""

    def decorate(function: Callable[..., Result]) -> click.Command:
        @functools.wraps(function)
        def run(*, as_json: bool, **options: Any) -> None:
            show(function(**options), as_json=as_json)

        return group.command(name)(json_option(run))

    return decorate


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(function)


def tenant_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option `--tenant SLUG`."""
    return click.option("--tenant", "slug", required=True, metavar="SLUG", help="The tenant.")(function)


def moment(instant: Instant | None) -> str | None:
    """Return an instant as people and programs read it: ISO 8601 in UTC."""
    return None if instant is None else datetime.fromtimestamp(instant / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def show(result: Result, *, as_json: bool) -> None:
    """Print a result: as one JSON document, or for people: one thing a line for each value, several as a table."""
    if as_json:
        click.echo(json.dumps({} if result is None else result, ensure_ascii=False, default=list))
    elif isinstance(result, Mapping):
        _show_one(result)
    elif result:
        _show_table(result)


def say(text: str) -> None:
    """Print one line for people. What others sent may hold control characters, which would command the terminal or forge a line."""
    click.echo(_CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text))


def fail(code: str, message: str) -> NoReturn:
    """End the command with status 1 and an error of the catalogue."""
    raise Failed(code, message)


def _show_one(result: Mapping[str, Any]) -> None:
    lines = {name: _text(value) for name, value in result.items() if value not in (None, "", [], ())}
    width = max(map(len, lines), default=0)
    for name, text in lines.items():
        say(f"{name + ':':<{width + 1}} {text}")


def _show_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows under the names of their columns; a column without any value is left out."""
    names = [name for name in rows[0] if any(row.get(name) not in (None, "", [], ()) for row in rows)]
    cells = [[name.upper().replace("_", " ") for name in names], *([_text(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(names))]
    for line in cells:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(_text(item) for item in value)
        case Mapping():
            return json.dumps(value, ensure_ascii=False, default=list)
        case _:
            return str(value)


def _translated(error: Exception) -> tuple[str, str]:
    """Return the code and the message of what ended a command."""
    match error:
        case Refusal():
            return error.code, _told(error)
        case Failed():
            return error.code, str(error)
        case SettingsError():
            return "E_Setting_Invalid", str(error)
        case Unreachable():
            return "E_Idp_Unreachable", f"{error} {error.reason}"
        case _:
            return "E_Unavailable", f"The database cannot serve now: {error}"


def _told(refusal: Refusal) -> str:
    """Return what an administrator reads: what happened, what to do, and the reason; the command line belongs to administrators."""
    parts = [str(refusal), filled(refusal.entry.admin, refusal.data), f"({refusal.reason})" if refusal.reason else ""]
    return " ".join(dict.fromkeys(part for part in parts if part))


def _print_error(code: str, message: str, *, as_json: bool, hint: str = "") -> None:
    if as_json:
        click.echo(json.dumps({"error": {"code": code, "message": message}}, ensure_ascii=False), err=True)
    else:
        click.echo(f"{hint}{code}: {_CONTROL.sub('?', message)}", err=True)


def _place(error: Exception) -> str:
    """Return the class of an error and where it was raised; its text may hold anything."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else type(error).__name__


def _usage(error: click.UsageError) -> str:
    return f"{error.ctx.get_usage()}\n" if error.ctx is not None else ""
