"""Carrying mails: to a server by SMTP, or into a folder where no server is set. The only room with an SMTP client.

Exactly one mail for each event, although processes are killed: all but the last dot is sent, then the caller notes that the mail is
handed over, then the dot goes. Killed before the dot, the server drops what it has (RFC 5321 §4.1.1.4), and the mail is sent again;
killed after the note, it is not (docs/adr/0011-jobs.md).
"""

import os
import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway import turns
from gateway.domain.mails import MailDeferred, MailRefused, MailServer, MailUnconfirmed, OutgoingMail
from gateway.outbound.letters import Written, write

CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 30.0
"""How long a server may take for a step before the last dot."""
ANSWER_SECONDS = 120.0
"""How long it may take for the answer to the last dot: after that nobody knows whether the mail went."""
LINES_KEPT = 2
LINE_IDLE_SECONDS = 20.0
MAILS_A_LINE = 100
DOWN_SECONDS = 5.0
"""How long a server that could not be reached is left alone: mails meanwhile are put off at once instead of each waiting for it."""

_OK = 250
_GO_ON = 354
_CLOSING = 421
_PERMANENT = 500
_WANTS_LOGIN = frozenset({530, 534, 535, 538})
_REPLY_LIMIT = 200
_DOT = b".\r\n"


@dataclass(slots=True)
class _Line:
    """An open connection, logged in."""

    smtp: smtplib.SMTP
    mails: int = 0
    idle_since: float = 0.0


class _Gone(Exception):
    """A kept connection turned out to be closed before it was used."""


class SmtpCarrier:
    """Gives mails to a server. Safe for threads; keeps a few connections open between mails. One per process."""

    def __init__(
        self,
        server: MailServer,
        *,
        public_host: str,
        ca_file: str | None = None,
        command_seconds: float = COMMAND_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        """Take the server; `public_host` is who we say we are; `ca_file` replaces the usual authorities."""
        self._server = server
        self._host = public_host
        self._sender = server.sender or f"no-reply@{public_host}"
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._command_seconds = command_seconds
        self._answer_seconds = answer_seconds
        self._guard = threading.Lock()
        self._idle: list[_Line] = []
        self._down_until = 0.0

    def carry(self, mail: OutgoingMail, *, hand_over: Callable[[], None]) -> str:
        """Deliver a mail and return the server's answer (MailCarrier)."""
        written = write(mail, sender=self._sender, host=self._host)
        with turns.aside():
            kept = self._take()
            if kept is not None:
                with suppress(_Gone):
                    return self._send(kept, written, hand_over)
            return self._send(self._open(), written, hand_over)

    def knock(self) -> None:
        """See whether the server takes us: connect, encrypt, log in and take leave. Raises MailDeferred."""
        _leave(self._open())

    def close(self) -> None:
        """Take leave of the server on all connections that nobody uses."""
        with self._guard:
            lines, self._idle = self._idle, []
        for line in lines:
            _leave(line)

    def _take(self) -> _Line | None:
        with self._guard:
            fresh = time.monotonic() - LINE_IDLE_SECONDS
            stale = [line for line in self._idle if line.idle_since < fresh]
            self._idle = [line for line in self._idle if line.idle_since >= fresh]
            taken = self._idle.pop() if self._idle else None
        for line in stale:
            _leave(line)
        return taken

    def _keep(self, line: _Line) -> None:
        line.mails += 1
        line.idle_since = time.monotonic()
        with self._guard:
            if line.mails < MAILS_A_LINE and len(self._idle) < LINES_KEPT:
                self._idle.append(line)
                return
        _leave(line)

    def _open(self) -> _Line:
        """Return a new connection, encrypted and logged in as the setting says. Raises MailDeferred."""
        if time.monotonic() < self._down_until:
            raise MailDeferred("the mail server could not be reached a moment ago")
        server = self._server
        try:
            smtp = self._dial(server)
        except (OSError, smtplib.SMTPException) as error:
            self._down_until = time.monotonic() + DOWN_SECONDS
            raise MailDeferred(f"the mail server {server.host} port {server.port} cannot be reached: {_cause(error)}") from error
        try:
            if server.starttls:
                smtp.starttls(context=self._tls)
            smtp.ehlo_or_helo_if_needed()
            if server.user:
                smtp.login(server.user, server.password)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            smtp.close()
            self._down_until = time.monotonic() + DOWN_SECONDS
            raise MailDeferred(f"the mail server {server.host} port {server.port} does not take us: {_cause(error)}") from error
        return _Line(smtp)

    def _dial(self, server: MailServer) -> smtplib.SMTP:
        # The name we greet by is given: else the library asks the name servers for it, without a time limit.
        if server.encrypted:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, local_hostname=self._host, timeout=CONNECT_SECONDS, context=self._tls
            )
        else:
            smtp = smtplib.SMTP(server.host, server.port, local_hostname=self._host, timeout=CONNECT_SECONDS)
        if smtp.sock is not None:
            # The dot follows the mail at once, and would wait for the server's acknowledgement of it: 40 ms a mail.
            smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._patience(smtp, self._command_seconds)
        return smtp

    def _send(self, line: _Line, written: Written, hand_over: Callable[[], None]) -> str:
        """Send a mail on a connection, which is kept if it can serve again. Raises _Gone for one that was closed meanwhile."""
        try:
            self._announce(line, written)
            line.smtp.send(_dotted(written.data))
            hand_over()
        except (OSError, smtplib.SMTPException) as error:
            line.smtp.close()
            raise MailDeferred(f"the line to the mail server broke: {_cause(error)}") from error
        except (MailRefused, MailDeferred):
            self._abandon(line)
            raise
        except BaseException:
            # Without its dot the server must not take it.
            line.smtp.close()
            raise
        return self._finish(line)

    def _announce(self, line: _Line, written: Written) -> None:
        """Send the envelope, up to where the server waits for the mail."""
        smtp = line.smtp
        if written.international and not smtp.has_extn("smtputf8"):
            raise MailRefused("the mail server takes no address in this script (SMTPUTF8)")
        options = ["SMTPUTF8", "BODY=8BITMIME"] if written.international else []
        try:
            code, reply = smtp.mail(self._sender, options)
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            smtp.close()
            raise (_Gone() if line.mails else MailDeferred(f"the line to the mail server broke: {_cause(error)}")) from error
        if code == _CLOSING and line.mails:
            smtp.close()
            raise _Gone
        if code != _OK:
            raise MailDeferred(f"the mail server does not take mails from {self._sender}: {_told(code, reply)}")
        code, reply = smtp.rcpt(written.recipient)
        if code not in {_OK, _OK + 1}:
            _refuse(code, reply)
        code, reply = smtp.docmd("DATA")
        if code != _GO_ON:
            _refuse(code, reply)

    def _finish(self, line: _Line) -> str:
        """Send the dot and return the answer. Raises MailUnconfirmed where none comes."""
        smtp = line.smtp
        try:
            self._patience(smtp, self._answer_seconds)
            smtp.send(_DOT)
            code, reply = smtp.getreply()
            self._patience(smtp, self._command_seconds)
        except (OSError, smtplib.SMTPException) as error:
            smtp.close()
            raise MailUnconfirmed(f"no answer after the end of the mail: {_cause(error)}") from error
        if code != _OK:
            self._abandon(line)
            _refuse(code, reply)
        self._keep(line)
        return _told(code, reply)

    def _abandon(self, line: _Line) -> None:
        """Keep a connection on which a mail was refused, if it can be set back."""
        try:
            code, _ = line.smtp.rset()
        except (OSError, smtplib.SMTPException):
            line.smtp.close()
            return
        if code == _OK:
            self._keep(line)
        else:
            line.smtp.close()

    @staticmethod
    def _patience(smtp: smtplib.SMTP, seconds: float) -> None:
        if smtp.sock is not None:
            smtp.sock.settimeout(seconds)


class FileCarrier:
    """Writes each mail into a folder, as `<id>.eml`: once, however often it is asked."""

    def __init__(self, folder: Path, *, public_host: str) -> None:
        """Take the folder, made when it is needed."""
        self._folder = folder
        self._host = public_host

    def carry(self, mail: OutgoingMail, *, hand_over: Callable[[], None]) -> str:  # noqa: ARG002 -- a file that is there already does no harm
        """Write a mail and return where it lies (MailCarrier)."""
        written = write(mail, sender=f"no-reply@{self._host}", host=self._host)
        path = self._folder / f"{mail.id}.eml"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(path, written.data)
        except OSError as error:
            raise MailDeferred(f"{path} cannot be written: {error.strerror}") from error
        return f"written to {self._folder.name}/{path.name}"

    def close(self) -> None:
        """Do nothing: nothing is kept open."""

    def _write(self, path: Path, data: bytes) -> None:
        """Write under another name and link it: whoever reads the folder sees whole mails only, and each once."""
        fresh = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                path.hardlink_to(fresh)
        finally:
            fresh.unlink()


def _dotted(data: bytes) -> bytes:
    """Return a mail as it goes over the line, without the last dot: a dot at a line's beginning is doubled (RFC 5321 §4.5.2)."""
    doubled = re.sub(rb"(?m)^\.", b"..", data)
    return doubled if doubled.endswith(b"\r\n") else doubled + b"\r\n"


def _refuse(code: int, reply: bytes) -> None:
    """Raise what a refusal means: for good, or until later."""
    if code >= _PERMANENT and code not in _WANTS_LOGIN:
        raise MailRefused(_told(code, reply))
    raise MailDeferred(_told(code, reply))


def _told(code: int, reply: bytes) -> str:
    """Return a server's answer for the log: one short line that can be seen."""
    text = "".join(letter if letter.isprintable() else " " for letter in reply.decode("utf-8", "replace"))
    return f"{code} {' '.join(text.split())}"[:_REPLY_LIMIT]


def _cause(error: Exception) -> str:
    """Return what went wrong, without what a server says to a login: it may repeat what it was sent."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return f"it refuses our user and password ({error.smtp_code})"
        case smtplib.SMTPResponseException():
            reply = error.smtp_error if isinstance(error.smtp_error, bytes) else str(error.smtp_error).encode()
            return _told(error.smtp_code, reply)
        case smtplib.SMTPException():
            return f"{type(error).__name__}: {error}"[:_REPLY_LIMIT]
        case ssl.SSLError():
            return f"TLS: {error.reason or type(error).__name__}"[:_REPLY_LIMIT]
        case TimeoutError():
            return "it does not answer in time"
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return type(error).__name__


def _leave(line: _Line) -> None:
    with suppress(OSError, smtplib.SMTPException):
        line.smtp.quit()
    line.smtp.close()
