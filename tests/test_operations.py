"""The page about operations says what there is: every setting, every check, every figure, and nothing else."""

import re
from pathlib import Path

import click
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from gateway.cli import main
from gateway.metrics import figures
from gateway.metrics.families import Kind
from gateway.services import doctor, readiness
from gateway.services.doctor import Outside
from gateway.services.doctor_home import examine_home
from gateway.services.house import House

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/operations.md").read_text()


def test_every_setting_stands_on_the_page_and_nothing_else() -> None:
    read = set(re.findall(r'environ\.get\("(MOONGATE_\w+)"', (ROOT / "gateway/settings.py").read_text()))
    assert set(re.findall(r"^\| `(MOONGATE_\w+)`", PAGE, re.MULTILINE)) == read


def test_every_figure_stands_on_the_page_with_its_labels_and_nothing_else(client: FlaskClient) -> None:
    rows = re.findall(r"^\| ((?:`moongate_\w+`(?:, )?)+) \|([^|]*)\|", PAGE, re.MULTILINE)
    shown = {name: set(re.findall(r"`(\w+)`", labels)) for names, labels in rows for name in re.findall(r"`(\w+)`", names)}
    counted = {name + ("_total" if family.kind is Kind.COUNTER else ""): set(family.labels) for name, family in figures.ALL.items()}
    asked = {family.name for family in text_string_to_metric_families(client.get("/metrics", base_url="http://localhost").text)}
    stock = {name for name in asked if name not in figures.ALL}
    assert {name: labels for name, labels in shown.items() if name not in stock} == counted
    assert stock <= shown.keys()
    assert len(shown) == len(counted) + len(stock)


def test_every_check_stands_on_the_page(house: House) -> None:
    checks = [*doctor.examine(house, Outside()), *examine_home(house.settings)]
    assert {check.check for check in checks if f"`{check.check}`" not in PAGE} == set()
    table = PAGE.split("| check | fails | warns |")[1].split("\n\n")[0]
    assert {check.check for check in readiness.examine(house)} | {"leaving"} == set(re.findall(r"^\| `([a-z ]+)` \|", table, re.MULTILINE))


def test_what_the_doctor_tells_to_do_is_a_command_that_there_is() -> None:
    texts = [(ROOT / f"gateway/services/{name}.py").read_text() for name in ("doctor", "doctor_home", "readiness")]
    told = re.findall(r"moongate ([a-z-]+)(?: ([a-z-]+))?", "\n".join(texts))
    assert len(told) > 5
    for name, part in told:
        command = main.commands[name]
        assert not isinstance(command, click.Group) or part in command.commands, f"moongate {name} {part}"
