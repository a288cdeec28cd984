"""The only reader of the environment: one frozen `Settings`, validated once (interfaces.md section 2)."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from gateway.domain.mails import parse_mail_server
from gateway.domain.outbound import DnsServer, OutboundRule, parse_dns_servers, parse_outbound_allow

MINIMUM_KEY_LENGTH = 32
"""Characters of a secret key: fewer cannot hold 128 random bits in any usual spelling."""


class SettingsError(Exception):
    """A setting is wrong; the one line names it and says what it takes. Its value is never shown: it may be a secret."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the environment decides."""

    home: Path
    database_url: str = field(repr=False)
    """It may hold a password."""
    public_url: str
    """Where the outside reaches us, without a slash at its end."""
    public_url_given: bool
    """Whether somebody set it: demanded for a bind beyond loopback (decisions.md 49)."""
    tenant_url: str
    """Pattern with `{slug}` for issuers of new nodes."""
    secret_keys: tuple[str, ...] = field(repr=False)
    """Newest first; empty: kept in the home."""
    limits_url: str = field(repr=False)
    smtp_url: str = field(repr=False)
    outbound_allow: tuple[OutboundRule, ...]
    dns_servers: tuple[DnsServer, ...]
    """Where domains are looked up; none: the machine's own servers."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    metrics_allow: tuple[IPv4Network | IPv6Network, ...]
    """From where `/metrics` is answered."""
    log_format: str
    """`text`, `json`, or empty: text on a terminal, else json."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Return the settings of an environment. Raises SettingsError for the first wrong value."""
        home = Path(environ.get("MOONGATE_HOME") or "./var").absolute()
        public_url = _origin("MOONGATE_PUBLIC_URL", environ.get("MOONGATE_PUBLIC_URL") or "http://localhost:8000")
        secret_keys = _secret_keys(environ.get("MOONGATE_SECRET_KEYS", ""))
        database_url = _database_url(environ.get("MOONGATE_DATABASE_URL") or f"sqlite:///{home / 'moongate.db'}", secret_keys)
        return cls(
            home=home,
            database_url=database_url,
            public_url=public_url,
            public_url_given=bool(environ.get("MOONGATE_PUBLIC_URL")),
            tenant_url=_tenant_url(environ.get("MOONGATE_TENANT_URL") or f"{public_url}/t/{{slug}}"),
            secret_keys=secret_keys,
            limits_url=_scheme("MOONGATE_LIMITS_URL", environ.get("MOONGATE_LIMITS_URL", ""), ("valkey", "redis")),
            smtp_url=_smtp_url(environ.get("MOONGATE_SMTP_URL", "")),
            outbound_allow=_outbound_allow(environ.get("MOONGATE_OUTBOUND_ALLOW", "")),
            dns_servers=_dns_servers(environ.get("MOONGATE_DNS_SERVERS", "")),
            trusted_proxies=_networks("MOONGATE_TRUSTED_PROXIES", environ.get("MOONGATE_TRUSTED_PROXIES", "")),
            metrics_allow=_networks("MOONGATE_METRICS_ALLOW", environ.get("MOONGATE_METRICS_ALLOW") or "127.0.0.0/8,::1/128"),
            log_format=_among("MOONGATE_LOG_FORMAT", environ.get("MOONGATE_LOG_FORMAT", ""), ("", "text", "json")),
        )


_from_file: dict[str, str] = {}
"""What a file says beside the environment (`read_file`)."""


def settings_of_process() -> Settings:
    """Return the settings of this process. Raises SettingsError for the first wrong value."""
    return Settings.from_env({**os.environ, **_from_file})


def read_file(path: Path) -> None:
    """Let the lines `MOONGATE_…=value` of a file go before the environment in this process.

    Read anew, what no longer stands there is forgotten. Values stand as they are, without quotes. Raises SettingsError for a line that is
    neither that, nor empty, nor a comment.
    """
    _from_file.clear()
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: the file of settings cannot be read") from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, separator, value = line.partition("=")
        if not separator or not re.fullmatch(r"MOONGATE_[A-Z_]+", name.strip()):
            raise SettingsError(f"{path}: line {number} is not MOONGATE_NAME=value")
        _from_file[name.strip()] = value.strip()


def _origin(name: str, text: str) -> str:
    """Return an http(s) URL without query, fragment and final slash."""
    url = text.rstrip("/")
    parts = _split(name, url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        _refuse(name, "must be an http or https URL without user, query and fragment, such as https://id.example.com")
    return url


def _tenant_url(text: str) -> str:
    """Return the pattern of new issuers; `{slug}` stands in its host or its path once."""
    if text.count("{slug}") != 1:
        _refuse("MOONGATE_TENANT_URL", "must hold {slug} once, such as https://{slug}.id.example.com")
    _origin("MOONGATE_TENANT_URL", text.replace("{slug}", "slug"))
    return text.rstrip("/")


def _database_url(text: str, secret_keys: tuple[str, ...]) -> str:
    """Return the URL; a server's demands keys that are given: those kept in one machine's home would be missing on the next."""
    if re.match(r"postgres(ql)?://", text):
        _split("MOONGATE_DATABASE_URL", text)
        if not secret_keys:
            _refuse("MOONGATE_SECRET_KEYS", "is demanded with PostgreSQL: the same keys for every process, kept outside of the database")
    elif not re.fullmatch(r"sqlite:///.+", text):
        _refuse("MOONGATE_DATABASE_URL", "must be sqlite:///<path> or postgresql://<user>@<host>/<name>")
    return text


def _secret_keys(text: str) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in text.split(",") if key.strip())
    if any(len(key) < MINIMUM_KEY_LENGTH for key in keys):
        _refuse("MOONGATE_SECRET_KEYS", f"each key must have at least {MINIMUM_KEY_LENGTH} random characters")
    return keys


def _outbound_allow(text: str) -> tuple[OutboundRule, ...]:
    try:
        return parse_outbound_allow(text)
    except ValueError as error:
        raise SettingsError(f"MOONGATE_OUTBOUND_ALLOW: {error}") from error


def _dns_servers(text: str) -> tuple[DnsServer, ...]:
    try:
        return parse_dns_servers(text)
    except ValueError as error:
        raise SettingsError(f"MOONGATE_DNS_SERVERS {error}") from error


def _networks(name: str, text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise SettingsError(f"{name} must be networks such as 10.0.0.0/8, separated by commas") from error


def _scheme(name: str, text: str, allowed: tuple[str, ...]) -> str:
    if text and _split(name, text).scheme not in allowed:
        _refuse(name, "must begin with " + " or ".join(f"{scheme}://" for scheme in allowed))
    return text


def _smtp_url(text: str) -> str:
    try:
        parse_mail_server(text)
    except ValueError as error:
        raise SettingsError(f"MOONGATE_SMTP_URL {error}") from error
    return text


def _among(name: str, text: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        _refuse(name, "must be " + " or ".join(value for value in allowed if value))
    return text


def _split(name: str, text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 -- reading it is the check: urlsplit looks at the port only then
    except ValueError as error:
        raise SettingsError(f"{name} is no URL") from error
    return parts


def _refuse(name: str, rule: str) -> NoReturn:
    raise SettingsError(f"{name} {rule}")
