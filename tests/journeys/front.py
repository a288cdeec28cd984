"""A real nginx with the configuration that we ship, its names and ports changed, and a certificate that lives as long as the test."""

import datetime
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.journeys.processes import ROOT, end, free_port, wait_for

CONFIGURATION = ROOT / "deploy/nginx/moongate.conf"
_MAIN = """
daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log {home}/error.log notice;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/moongate.conf;
}}
"""


@dataclass(frozen=True)
class Front:
    """Where nginx listens, and whom to trust for it."""

    home: Path
    port: int
    plain_port: int

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def tls(self, *protocols: str) -> ssl.SSLContext:
        """What a client that trusts the certificate brings."""
        context = ssl.create_default_context(cafile=str(self.home / "moongate.crt"))
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context


def made(home: Path) -> Front:
    """A front that does not run yet."""
    home.mkdir()
    _certify(home)
    return Front(home, free_port(), free_port())


@contextmanager
def fronting(front: Front, *ports: int) -> Iterator[None]:
    """Run nginx in front of servers at these ports."""
    (front.home / "moongate.conf").write_text(configured(front, *ports))
    main = front.home / "nginx.conf"
    main.write_text(_MAIN.format(home=front.home))
    command = ["nginx", "-p", str(front.home), "-e", str(front.home / "error.log"), "-c", str(main)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in (front.home / "error.log").read_text() + checked.stderr
    nginx = subprocess.Popen(command, start_new_session=True)
    try:
        wait_for(lambda: _listens(front.port), (front.home / "error.log").read_text)
        yield
    finally:
        end(nginx)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def configured(front: Front, *ports: int) -> str:
    """What we ship, with this machine's ports and files."""
    text = CONFIGURATION.read_text()
    first = "    server 127.0.0.1:8000 max_fails=1 fail_timeout=2s;\n"
    second = first.replace("8000", "8001")
    changes = {
        first + second: "".join(first.replace("8000", str(port)) for port in ports),
        "    listen 80;\n    listen [::]:80;\n": f"    listen 127.0.0.1:{front.plain_port};\n",
        "    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n": f"    listen 127.0.0.1:{front.port} ssl http2;\n",
        "server_name id.example.com *.id.example.com;": "server_name localhost id.example.com *.id.example.com;",
        "/etc/nginx/tls/": f"{front.home}/",
    }
    for ours, theirs in changes.items():
        assert ours in text, ours
        text = text.replace(ours, theirs)
    return text


def _certify(home: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.DNSName("*.id.example.com"), x509.IPAddress(ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (home / "moongate.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (home / "moongate.key").write_bytes(private)
