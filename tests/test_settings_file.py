"""Settings of a file go before the environment, and are read anew."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import settings
from gateway.settings import SettingsError, read_file, settings_of_process


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What a test read is forgotten after it."""
    yield
    settings._from_file.clear()


def test_a_file_goes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONGATE_PUBLIC_URL", "https://old.example")
    file = tmp_path / "settings"
    file.write_text(
        "# where the world reaches us\n\nMOONGATE_PUBLIC_URL = https://id.example.com\nMOONGATE_SECRET_KEYS=" + "k=" * 32 + "\n"
    )
    read_file(file)
    assert settings_of_process().public_url == "https://id.example.com"
    assert settings_of_process().secret_keys == ("k=" * 32,)


def test_what_no_longer_stands_in_the_file_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOONGATE_LOG_FORMAT", raising=False)
    file = tmp_path / "settings"
    file.write_text("MOONGATE_LOG_FORMAT=json\n")
    read_file(file)
    assert settings_of_process().log_format == "json"
    file.write_text("")
    read_file(file)
    assert settings_of_process().log_format == ""


@pytest.mark.parametrize("line", ["MOONGATE_LOG_FORMAT", "export MOONGATE_LOG_FORMAT=json", "PATH=/tmp", "LD_PRELOAD=x"])
def test_a_line_that_is_no_setting_is_told_by_its_number_and_not_by_its_text(line: str, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text(f"MOONGATE_LOG_FORMAT=json\n{line}\n")
    with pytest.raises(SettingsError, match=r"line 2 is not MOONGATE_NAME=value") as caught:
        read_file(file)
    assert line not in str(caught.value)


def test_a_file_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_file(tmp_path / "nowhere")
