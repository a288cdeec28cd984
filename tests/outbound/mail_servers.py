"""A mail server on the loopback that follows a script, as rude as a test asks for, and notes what it got."""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedReader

CLOSE = "close"
"""Instead of a reply: the line is cut."""
HANG = "hang"
"""Instead of a reply: nothing, until the test is over."""

_POLITE = {
    "CONNECT": "220 mail.example",
    "EHLO": "250-mail.example\r\n250-8BITMIME\r\n250 SMTPUTF8",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go on",
    ".": "250 queued as 4711",
    "RSET": "250 ok",
    "QUIT": "221 bye",
    "STARTTLS": "220 go on",
    "AUTH": "235 come in",
}


@dataclass
class MailServer:
    """What a scripted server got."""

    port: int
    script: Mapping[str, str]
    tls: ssl.SSLContext | None = None
    at_once: bool = False
    """TLS from the first byte."""
    connections: int = 0
    commands: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    """Whole ones, as they came over the line without the last dot."""
    torn: list[bytes] = field(default_factory=list)
    """What came of mails whose last dot never came."""
    over: threading.Event = field(default_factory=threading.Event)
    lines: list[socket.socket] = field(default_factory=list)

    def hang_up(self) -> None:
        """Cut every line, as a server that is ended does."""
        for line in self.lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def verbs(self) -> list[str]:
        return [command.split(" ")[0].upper() for command in self.commands]


@contextmanager
def mail_server(
    script: Mapping[str, str] | None = None, *, tls: ssl.SSLContext | None = None, at_once: bool = False
) -> Iterator[MailServer]:
    """Serve until the block ends; `script` replaces replies of a polite server by the verb they answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = MailServer(listener.getsockname()[1], _POLITE | dict(script or {}), tls, at_once)
        accepting = threading.Thread(target=_accept, args=(listener, server))
        accepting.start()
        try:
            yield server
        finally:
            server.over.set()
            listener.shutdown(socket.SHUT_RDWR)
            server.hang_up()
            accepting.join()


def _accept(listener: socket.socket, server: MailServer) -> None:
    talks: list[threading.Thread] = []
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            break
        server.connections += 1
        server.lines.append(connection)
        talks.append(threading.Thread(target=_talk, args=(connection, server)))
        talks[-1].start()
    for talk in talks:
        talk.join()


def _talk(connection: socket.socket, server: MailServer) -> None:
    connection.settimeout(10)
    try:
        if server.at_once and server.tls is not None:
            connection = server.tls.wrap_socket(connection, server_side=True)
        with connection:
            _converse(connection, server)
    except OSError:
        # The other side went away, or does not like our certificate.
        return
    finally:
        connection.close()


def _converse(connection: socket.socket, server: MailServer) -> None:
    if not _reply(connection, server, "CONNECT"):
        return
    reader = connection.makefile("rb")
    while line := reader.readline():
        command = line.decode().rstrip("\r\n")
        server.commands.append(command)
        verb = command.split(" ")[0].upper()
        if not _reply(connection, server, verb):
            return
        if verb == "STARTTLS" and server.tls is not None:
            connection = server.tls.wrap_socket(connection, server_side=True)
            reader = connection.makefile("rb")
        if verb == "DATA" and server.script["DATA"].startswith("354") and not _take_mail(connection, reader, server):
            return
        if verb == "QUIT":
            return


def _take_mail(connection: socket.socket, reader: BufferedReader, server: MailServer) -> bool:
    lines: list[bytes] = []
    while (line := reader.readline()) != b".\r\n":
        if not line:
            server.torn.append(b"".join(lines))
            return False
        lines.append(line)
    if server.script["."] not in {CLOSE, HANG}:
        server.mails.append(b"".join(lines))
    return _reply(connection, server, ".")


def _reply(connection: socket.socket, server: MailServer, verb: str) -> bool:
    """Answer by the script; return whether the talk goes on."""
    said = server.script.get(verb, "502 what?")
    if said == HANG:
        server.over.wait(10)
    if said in {CLOSE, HANG}:
        return False
    connection.sendall(said.encode() + b"\r\n")
    return not said.startswith("421")
