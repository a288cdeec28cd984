"""Real servers on the loopback, each as hostile as a test asks for."""

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Handler = Callable[[socket.socket, threading.Event], None]
"""Answers one connection; the event is set when the test is over."""


@dataclass
class Server:
    """A listening socket and what arrived at it."""

    port: int
    stop: threading.Event = field(default_factory=threading.Event)
    requests: list[bytes] = field(default_factory=list)


@contextmanager
def serve(handler: Handler, *, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run `handler` for each connection, after the request was read, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(listener.getsockname()[1])
        threads = [threading.Thread(target=_accept, args=(listener, server, handler, tls))]
        threads[0].start()
        try:
            yield server
        finally:
            server.stop.set()
            listener.shutdown(socket.SHUT_RDWR)
            threads[0].join()


def _accept(listener: socket.socket, server: Server, handler: Handler, tls: ssl.SSLContext | None) -> None:
    workers: list[threading.Thread] = []
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            break
        workers.append(threading.Thread(target=_answer, args=(connection, server, handler, tls)))
        workers[-1].start()
    for worker in workers:
        worker.join()


def _answer(connection: socket.socket, server: Server, handler: Handler, tls: ssl.SSLContext | None) -> None:
    connection.settimeout(10)
    with connection:
        try:
            wrapped = connection if tls is None else tls.wrap_socket(connection, server_side=True)
            with wrapped:
                request = _read_request(wrapped)
                if request:
                    server.requests.append(request)
                    handler(wrapped, server.stop)
        except OSError:
            # The client went away: for most of these servers that is the expected end.
            return


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        block = connection.recv(65536)
        if not block:
            return data
        data += block
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answering(body: bytes, *, status: str = "200 OK", headers: tuple[str, ...] = ("Content-Type: application/json",)) -> Handler:
    """Return a handler that answers properly."""

    def handle(connection: socket.socket, _stop: threading.Event) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode() + body)

    return handle


def dripping(first: bytes, drop: bytes) -> Handler:
    """Return a handler that sends `first` and then `drop` every hundredth of a second, for ever."""

    def handle(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(first)
        while not stop.wait(0.01):
            connection.sendall(drop)

    return handle


def silent(connection: socket.socket, stop: threading.Event) -> None:
    """Say nothing until the test is over."""
    stop.wait(10)


def certificate(folder: Path, *names: str) -> tuple[Path, ssl.SSLContext]:
    """Return the file of a self-signed certificate for `names` (host names or addresses) and the context of a server that shows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    today = datetime.datetime.now(datetime.UTC)
    shown = x509.SubjectAlternativeName([_general_name(name) for name in names])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(shown, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(built.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
