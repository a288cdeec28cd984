"""Settings: defaults that work, one line for each wrong value, and never a value in the line (interfaces.md section 2)."""

import io
import json
import logging
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway import logs
from gateway.settings import Settings, SettingsError
from gateway.wiring import is_loopback, open_house
from tests.conftest import settings_for

WRONG = [
    ("MOONGATE_PUBLIC_URL", "id.example.com"),
    ("MOONGATE_PUBLIC_URL", "ftp://id.example.com"),
    ("MOONGATE_PUBLIC_URL", "https://user:secret@id.example.com"),
    ("MOONGATE_PUBLIC_URL", "https://id.example.com?a=secret"),
    ("MOONGATE_PUBLIC_URL", "https://id.example.com:secret"),
    ("MOONGATE_PUBLIC_URL", "https://"),
    ("MOONGATE_TENANT_URL", "https://id.example.com/t"),
    ("MOONGATE_TENANT_URL", "https://{slug}.id.example.com/{slug}"),
    ("MOONGATE_TENANT_URL", "{slug}"),
    ("MOONGATE_DATABASE_URL", "/var/lib/moongate.db"),
    ("MOONGATE_DATABASE_URL", "sqlite:///"),
    ("MOONGATE_DATABASE_URL", "mysql://moongate:secret@localhost/moongate"),
    ("MOONGATE_DATABASE_URL", "postgresql://moongate:secret@localhost:port/moongate"),
    ("MOONGATE_SECRET_KEYS", "secret"),
    ("MOONGATE_SECRET_KEYS", "k" * 32 + ",secret"),
    ("MOONGATE_LIMITS_URL", "http://localhost/secret"),
    ("MOONGATE_METRICS_ALLOW", "everybody,secret"),
    ("MOONGATE_SMTP_URL", "smtp://user:secret@host:nowhere"),
    ("MOONGATE_SMTP_URL", "imap://user:secret@host"),
    ("MOONGATE_OUTBOUND_ALLOW", "everywhere"),
    ("MOONGATE_TRUSTED_PROXIES", "10.0.0.0/8,secret"),
    ("MOONGATE_LOG_FORMAT", "secret"),
    ("MOONGATE_DNS_SERVERS", "192.0.2.1,secret"),
    ("MOONGATE_DNS_SERVERS", "192.0.2.1:0"),
    ("MOONGATE_DNS_SERVERS", "dns.secret.example"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_told_in_one_line_that_names_the_setting_and_not_the_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as stopped:
        Settings.from_env({name: value})
    text = str(stopped.value)
    assert text.startswith(name)
    assert "\n" not in text
    assert "secret" not in text.removeprefix("MOONGATE_SECRET_KEYS")


def test_an_empty_environment_serves_at_localhost_from_a_folder_of_its_own() -> None:
    settings = Settings.from_env({})
    assert settings.home == Path.cwd() / "var"
    assert settings.database_url == f"sqlite:///{settings.home}/moongate.db"
    assert settings.public_url == "http://localhost:8000"
    assert settings.tenant_url == "http://localhost:8000/t/{slug}"
    assert not settings.public_url_given
    assert settings.secret_keys == ()


def test_what_is_given_is_taken() -> None:
    settings = Settings.from_env(
        {
            "MOONGATE_HOME": "/srv/moongate",
            "MOONGATE_PUBLIC_URL": "https://id.example.com/",
            "MOONGATE_TENANT_URL": "https://{slug}.id.example.com",
            "MOONGATE_SECRET_KEYS": f" {'n' * 40}, {'o' * 40} ",
            "MOONGATE_TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8",
            "MOONGATE_LOG_FORMAT": "json",
        }
    )
    assert settings.public_url == "https://id.example.com"
    assert settings.public_url_given
    assert settings.tenant_url == "https://{slug}.id.example.com"
    assert settings.secret_keys == ("n" * 40, "o" * 40)
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def test_a_server_of_postgresql_demands_keys_that_every_process_has() -> None:
    url = "postgresql://moongate:secret@db.example/moongate"
    with pytest.raises(SettingsError, match=r"^MOONGATE_SECRET_KEYS") as stopped:
        Settings.from_env({"MOONGATE_DATABASE_URL": url})
    assert "\n" not in str(stopped.value)
    settings = Settings.from_env({"MOONGATE_DATABASE_URL": url, "MOONGATE_SECRET_KEYS": "k" * 64})
    assert settings.database_url == url


def test_no_setting_shows_a_secret_by_accident() -> None:
    url = "postgresql://moongate:hush@db.example/moongate"
    shown = repr(
        Settings.from_env({"MOONGATE_DATABASE_URL": url, "MOONGATE_SECRET_KEYS": "k" * 64, "MOONGATE_SMTP_URL": "smtps://u:hush@h"})
    )
    assert "hush" not in shown
    assert "kkk" not in shown


def test_issuers_follow_the_public_url_unless_they_have_a_pattern_of_their_own() -> None:
    assert Settings.from_env({"MOONGATE_PUBLIC_URL": "https://id.example.com"}).tenant_url == "https://id.example.com/t/{slug}"


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.7", False),
        ("127.0.0.1.example.com", False),
        ("", False),
    ],
)
def test_only_this_machines_own_addresses_are_loopback(host: str, here: bool) -> None:
    assert is_loopback(host) is here


class TestOpening:
    """The house opens, or one line says why not."""

    def test_keys_are_made_once_and_readable_by_nobody_else(self, tmp_path: Path) -> None:
        settings = Settings.from_env({"MOONGATE_HOME": str(tmp_path / "home")})
        first = open_house(settings)
        first.database.close()
        path = settings.home / "secret-keys"
        kept = path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600
        assert len(kept) == 64
        open_house(settings).database.close()
        assert path.read_text() == kept
        assert sorted(item.name for item in settings.home.iterdir() if item.name.startswith(".")) == []

    def test_another_key_is_refused_and_a_newer_one_before_it_is_not(self, tmp_path: Path) -> None:
        open_house(settings_for(tmp_path, MOONGATE_SECRET_KEYS="a" * 64)).database.close()
        with pytest.raises(SettingsError, match="MOONGATE_SECRET_KEYS"):
            open_house(settings_for(tmp_path, MOONGATE_SECRET_KEYS="b" * 64))
        open_house(settings_for(tmp_path, MOONGATE_SECRET_KEYS=f"{'b' * 64},{'a' * 64}")).database.close()

    @pytest.mark.sqlite
    def test_a_home_that_cannot_be_made_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(SettingsError, match="MOONGATE_HOME"):
            open_house(settings_for(tmp_path / "file" / "home"))

    def test_a_database_that_cannot_be_opened_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="MOONGATE_DATABASE_URL"):
            open_house(settings_for(tmp_path, MOONGATE_DATABASE_URL=f"sqlite:///{tmp_path}"))


class TestLogs:
    """One line a record, for people or for machines."""

    @pytest.fixture(autouse=True)
    def as_before(self) -> Iterator[None]:
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        yield
        root.handlers[:] = handlers
        root.setLevel(level)

    def test_json_is_one_object_a_line_with_the_fields_as_members(self) -> None:
        stream = io.StringIO()
        logs.configure("", stream)
        logging.getLogger("moongate").warning("line\nbreak", extra={"fields": {"job": "7"}})
        [line] = stream.getvalue().splitlines()
        told = json.loads(line)
        assert (told["level"], told["message"], told["job"]) == ("warning", "line\nbreak", "7")

    def test_text_shows_the_fields_behind_the_message_on_the_same_line(self) -> None:
        stream = io.StringIO()
        logs.configure("text", stream)
        logging.getLogger("moongate").warning("a job failed\nforged line", extra={"fields": {"error": "x\ny"}})
        [line] = stream.getvalue().splitlines()
        assert "a job failed" in line
        assert "error=" in line

    def test_libraries_that_print_urls_and_tokens_are_quiet(self) -> None:
        stream = io.StringIO()
        logs.configure("text", stream)
        for name in ("authlib.oauth2", "urllib3.connectionpool", "peewee"):
            logging.getLogger(name).info("code=secret")
            logging.getLogger(name).debug("code=secret")
        assert stream.getvalue() == ""
