"""`moongate doctor`: what stands in the way, and what to do; it looks even where the house does not open."""

import importlib
import shutil
import textwrap
from collections.abc import Sequence

import click

from gateway.cli.command import Failed, find_house, json_option, say, show
from gateway.domain.checks import Check, Outcome
from gateway.outbound.mail import SmtpCarrier
from gateway.services.doctor import Outside, examine, failures
from gateway.services.doctor_home import examine_home
from gateway.services.house import House
from gateway.settings import Settings, SettingsError, settings_of_process
from gateway.wiring import open_as_it_is
from gateway.worker import carrier_for

_WORDS = {Outcome.OK: ("ok", "green"), Outcome.WARNING: ("warn", "yellow"), Outcome.FAILED: ("FAIL", "red")}
_NAME_WIDTH = 14
_PATIENCE_SECONDS = 1.0
_LEFT = 4 + 2 + _NAME_WIDTH + 2
_WIDEST = 120


def register(group: click.Group) -> None:
    """Add the command to the group of all."""
    group.add_command(doctor)


@click.command("doctor")
@json_option
def doctor(*, as_json: bool) -> None:
    """Look for what stands in the way, and say what to do. It changes nothing, and asks mail server and identity providers.

    Ends with status 1 where something fails; a warning is no failure.
    """
    checks = _examined()
    if as_json:
        show([_as_row(check) for check in checks], as_json=True)
    else:
        _show(checks)
    failed = failures(checks)
    if failed:
        raise Failed("E_Unavailable", "not well: " + ", ".join(failed))


def _examined() -> list[Check]:
    house = find_house()
    if house is not None:
        return [*examine_home(house.settings), *_inside(house)]
    try:
        settings = settings_of_process()
    except SettingsError as error:
        return [Check("settings", Outcome.FAILED, "One is wrong.", reason=str(error), remedy="Correct the environment.")]
    checks = [Check("settings", Outcome.OK, "They are accepted."), *examine_home(settings)]
    if any(check.check == "database" for check in checks):
        return checks
    return [*checks, *_opened(settings)]


def _opened(settings: Settings) -> list[Check]:
    try:
        house = open_as_it_is(settings)
    except SettingsError as error:
        return [Check("database", Outcome.FAILED, "It does not open.", reason=str(error), remedy="Mend it, or the setting.")]
    try:
        return _inside(house)
    finally:
        house.database.close()


def _inside(house: House) -> list[Check]:
    carrier = carrier_for(house.settings)
    url = house.settings.limits_url
    return examine(
        house,
        Outside(
            knock=carrier.knock if isinstance(carrier, SmtpCarrier) else None,
            shared=(lambda: _answers(url)) if url else None,
        ),
    )


def _answers(url: str) -> bool:
    """Return whether the shared counter answers; its client is an extra, and loaded only where it is wanted."""
    try:
        valkey = importlib.import_module("gateway.outbound.valkey")
    except ModuleNotFoundError:
        return False
    return valkey.Valkey(url, budget_seconds=_PATIENCE_SECONDS).count("doctor", "", 1000) is not None


def _as_row(check: Check) -> dict[str, str | None]:
    return {
        "check": check.check,
        "outcome": check.outcome.value,
        "detail": check.detail,
        "reason": check.reason or None,
        "remedy": check.remedy or None,
    }


def _show(checks: Sequence[Check]) -> None:
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    for check in checks:
        word, colour = _WORDS[check.outcome]
        click.echo(click.style(f"{word:<4}", fg=colour, bold=check.outcome is Outcome.FAILED) + "  ", nl=False)
        first, *rest = _wrapped(f"{check.detail} {f'({check.reason})' if check.reason else ''}".strip(), width)
        say(f"{check.check:<{_NAME_WIDTH}}  {first}")
        for line in rest:
            say(" " * _LEFT + line)
        for number, line in enumerate(_wrapped(check.remedy, width - 2) if check.remedy else ()):
            click.echo(" " * _LEFT + (click.style("→ ", fg="cyan") if not number else "  "), nl=False)
            say(line)
    counts = {outcome: sum(check.outcome is outcome for check in checks) for outcome in Outcome}
    say("")
    say(f"{counts[Outcome.OK]} well, {counts[Outcome.WARNING]} to look at, {counts[Outcome.FAILED]} failed.")


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width - _LEFT, 20), break_long_words=False, break_on_hyphens=False) or [""]
