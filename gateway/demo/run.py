"""Starts the demo and says what to open and what to paste."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

from werkzeug.serving import make_server

from gateway.demo.relying_party import Registration, RelyingPartyApp
from gateway.demo.stage import Provisioned, Tenants, connect_directory, set_tenants
from gateway.domain.nodes import Node
from gateway.domain.ports import HttpFetcher, Unreachable
from gateway.http.endpoints import OPENID_CONFIGURATION, below
from gateway.services.house import OPERATOR
from gateway.settings import Settings, SettingsError
from gateway.wiring import open_house, system_clock

Say = Callable[[str], None]

_START_SECONDS = 30
_LOOPBACK = "127.0.0.0/8,::1/128"


def run_demo(port: int, say: Say) -> int:
    """Run the demo until the gateway ends or somebody stops it; return the exit status.

    Raises SettingsError for a set database: the demo has its own and would fill a real one.
    """
    if os.environ.get("MOONGATE_DATABASE_URL"):
        raise SettingsError("MOONGATE_DATABASE_URL is set: the demo has a database of its own and refuses another one")
    home = Path("var", f"demo-{port}").absolute()
    shutil.rmtree(home, ignore_errors=True)
    variables = {
        "MOONGATE_HOME": str(home),
        "MOONGATE_PUBLIC_URL": f"http://localhost:{port}",
        "MOONGATE_OUTBOUND_ALLOW": _LOOPBACK,
    }
    house = open_house(Settings.from_env(variables))
    context = house.context(OPERATOR)
    with socket.create_server(("localhost", _app_port(port))) as listener:
        app_url = f"http://localhost:{listener.getsockname()[1]}"
        tenants = set_tenants(context, app_url)
        registration = Registration(tenants.acme.issuer, tenants.app.client_id, tenants.app_secret, app_url)
        _serve_app(RelyingPartyApp(registration, house.fetcher, system_clock), listener)
        gateway = _start_gateway(port, variables, home)
        # The gateway is a child: whoever ends the demo, by whichever signal, ends it too.
        signal.signal(signal.SIGTERM, _end)
        try:
            _wait_until_served(gateway, house.fetcher, tenants.corp, home)
            provisioned = connect_directory(context, house.fetcher, tenants)
            _tell(say, port, app_url, tenants, provisioned)
            return gateway.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            gateway.terminate()
            gateway.wait()


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _app_port(port: int) -> int:
    """Return the port behind the gateway's for the app, or 0 (any) where that one is in use."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port + 1))
        except (OSError, OverflowError):
            return 0
    return port + 1


def _serve_app(app: RelyingPartyApp, listener: socket.socket) -> None:
    server = make_server("localhost", 0, app.flask, threaded=True, fd=listener.fileno())
    threading.Thread(target=server.serve_forever, name="demo-app", daemon=True).start()


def _start_gateway(port: int, variables: Mapping[str, str], home: Path) -> subprocess.Popen[bytes]:
    """Start the gateway as production does; what it says goes into a file beside its database."""
    with (home / "gateway.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "--port", str(port)], env={**os.environ, **variables}, stdout=log, stderr=log
        )


def _wait_until_served(gateway: "subprocess.Popen[bytes]", fetcher: HttpFetcher, node: Node, home: Path) -> None:
    pause = threading.Event()
    for _ in range(_START_SECONDS * 10):
        try:
            fetcher.get_json(below(node, OPENID_CONFIGURATION), private_outbound=True)
        except Unreachable:
            if gateway.poll() is not None:
                break
            pause.wait(0.1)
        else:
            return
    message = f"the gateway did not start; {home / 'gateway.log'} says why:\n{(home / 'gateway.log').read_text()[-2000:]}"
    raise SettingsError(message)


def _tell(say: Say, port: int, app_url: str, tenants: Tenants, provisioned: Provisioned) -> None:
    say(f"""
Moongate is running, for this machine only. Stop it with Ctrl-C; its home is var/demo-{port}.

1. Open the app and sign in:   {app_url}/

   {tenants.grace.login:<22} {tenants.grace.password}   signs in through her organisation's provider `corp` (Federated Only)
   {tenants.eve.login:<22} {tenants.eve.password}   has an account at `corp`, but nobody provisioned her: E_No_User
   {tenants.mia.login:<22} {tenants.mia.password}   signs in here with a password and has to set up a second factor

2. Be the directory: paste these, then what the README says about SCIM.

SCIM base: {provisioned.scim_base}
SCIM token: {provisioned.scim_token}

3. Switch Grace off while she is signed in, and watch the app:

   BASE={provisioned.scim_base} TOKEN={provisioned.scim_token}
   ID=$(curl -s -G "$BASE/Users" -H "Authorization: Bearer $TOKEN" --data-urlencode 'filter=userName eq "{tenants.grace.login}"' \\
        | python3 -c 'import json,sys; print(json.load(sys.stdin)["Resources"][0]["id"])')
   curl -s -X PATCH "$BASE/Users/$ID" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/scim+json' -d '{{
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{{"op": "Replace", "path": "active", "value": "False"}}]}}'

4. Why could somebody not sign in? The id stands on the error page:

   MOONGATE_HOME=var/demo-{port} .venv/bin/moongate explain ID

Ready: http://localhost:{port}
""")
