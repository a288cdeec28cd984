"""Carrying mails: every way in which a mail server disappoints ends in a clear word, and none in two mails."""

import email
import email.policy
import socket
import ssl
import stat
import threading
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from gateway.domain.mails import Letter, MailDeferred, MailRefused, MailServer, MailUnconfirmed, OutgoingMail
from gateway.domain.values import Instant
from gateway.outbound import mail as carriers
from gateway.outbound.mail import FileCarrier, SmtpCarrier
from tests.journeys.processes import free_port
from tests.outbound.mail_servers import CLOSE, HANG, mail_server
from tests.outbound.servers import certificate

PATIENCE = 10
SECRET = "hunter2-Zug"


def outgoing(number: int = 1, *, recipient: str = "ada@example.com", text: str = "Hello\n") -> OutgoingMail:
    letter = Letter("en", "A subject", text, "<p>Hello</p>")
    return OutgoingMail(f"mail-{number}", "Acme", "Ada", recipient, letter, Instant(1_790_000_000_000))


class MakeCarrier(Protocol):
    def __call__(
        self, port: int, *, user: str = "", starttls: bool = False, encrypted: bool = False, ca: Path | None = None
    ) -> SmtpCarrier: ...


@pytest.fixture
def carrier() -> Iterator[MakeCarrier]:
    """Make carriers to a server on the loopback; they take their leave at the end."""
    made: list[SmtpCarrier] = []

    def make(port: int, *, user: str = "", starttls: bool = False, encrypted: bool = False, ca: Path | None = None) -> SmtpCarrier:
        server = MailServer("localhost", port, encrypted, starttls, user, SECRET if user else "", "")
        ca_file = None if ca is None else str(ca)
        made.append(SmtpCarrier(server, public_host="id.example.com", ca_file=ca_file, command_seconds=0.3, answer_seconds=0.3))
        return made[-1]

    yield make
    for one in made:
        one.close()


def nothing() -> None:
    """Hand over without a note."""


def parsed(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.SMTP)
    assert isinstance(message, EmailMessage)
    return message


def test_a_mail_arrives_whole_and_its_answer_is_told(carrier: MakeCarrier) -> None:
    text = "First\n.\n..two dots\n.one dot\nLast without end"
    with mail_server() as server:
        told = carrier(server.port).carry(outgoing(text=text), hand_over=nothing)
    assert told == "250 queued as 4711"
    assert server.verbs()[:4] == ["EHLO", "MAIL", "RCPT", "DATA"]
    assert server.commands[0] == "ehlo id.example.com"
    assert server.commands[1].startswith("mail FROM:<no-reply@id.example.com>")
    undotted = b"".join(line.removeprefix(b".") if line.startswith(b"..") else line for line in server.mails[0].splitlines(keepends=True))
    body = parsed(undotted).get_body(("plain",))
    assert body is not None
    assert body.get_content().splitlines() == text.splitlines()


def test_the_line_is_kept_for_the_next_mails(carrier: MakeCarrier) -> None:
    with mail_server() as server:
        one = carrier(server.port)
        for number in range(5):
            one.carry(outgoing(number), hand_over=nothing)
        one.close()
    assert (server.connections, len(server.mails)) == (1, 5)
    assert server.verbs()[-1] == "QUIT"


def test_a_line_serves_for_so_many_mails_and_no_more(monkeypatch: pytest.MonkeyPatch, carrier: MakeCarrier) -> None:
    monkeypatch.setattr(carriers, "MAILS_A_LINE", 2)
    with mail_server() as server:
        one = carrier(server.port)
        for number in range(5):
            one.carry(outgoing(number), hand_over=nothing)
        one.close()
    assert (server.connections, len(server.mails)) == (3, 5)


def test_a_kept_line_that_was_closed_meanwhile_costs_no_attempt(carrier: MakeCarrier) -> None:
    with mail_server() as first:
        one = carrier(first.port)
        one.carry(outgoing(1), hand_over=nothing)
        kept = one._idle[0]
        assert kept.smtp.sock is not None
        kept.smtp.sock.shutdown(socket.SHUT_RDWR)
        one.carry(outgoing(2), hand_over=nothing)
        one.close()
    assert (first.connections, len(first.mails)) == (2, 2)


def test_a_server_that_says_goodbye_on_a_kept_line_costs_no_attempt(carrier: MakeCarrier) -> None:
    with mail_server() as server:
        one = carrier(server.port)
        one.carry(outgoing(1), hand_over=nothing)
        server.script = {**server.script, "MAIL": "421 too long idle"}
        with pytest.raises(MailDeferred, match="421"):
            # On the new line, where it is an answer.
            one.carry(outgoing(2), hand_over=nothing)
        one.close()
    assert server.connections == 2


@pytest.mark.parametrize(
    ("verb", "reply", "error"),
    [
        ("CONNECT", "554 go away", MailDeferred),
        ("CONNECT", CLOSE, MailDeferred),
        ("CONNECT", HANG, MailDeferred),
        ("EHLO", CLOSE, MailDeferred),
        ("MAIL", "451 later", MailDeferred),
        # About us, not about the person: nobody's address is bad.
        ("MAIL", "550 who are you?", MailDeferred),
        ("MAIL", CLOSE, MailDeferred),
        ("RCPT", "450 greylisted, come again", MailDeferred),
        ("RCPT", "530 log in first", MailDeferred),
        ("RCPT", "550 5.1.1 no such user", MailRefused),
        ("RCPT", HANG, MailDeferred),
        ("DATA", "451 full", MailDeferred),
        ("DATA", "554 no", MailRefused),
        ("DATA", CLOSE, MailDeferred),
        (".", "451 later", MailDeferred),
        (".", "421 going down", MailDeferred),
        (".", "554 this is spam", MailRefused),
        (".", CLOSE, MailUnconfirmed),
        (".", HANG, MailUnconfirmed),
    ],
)
def test_every_disappointment_has_its_name(
    verb: str, reply: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch, carrier: MakeCarrier
) -> None:
    monkeypatch.setattr(carriers, "CONNECT_SECONDS", 0.3)
    with mail_server({verb: reply}) as server:
        one = carrier(server.port)
        with pytest.raises(error) as failed:
            one.carry(outgoing(), hand_over=nothing)
        one.close()
        server.over.set()
    if reply not in {CLOSE, HANG} and verb != "EHLO":
        assert reply in str(failed.value)
    assert server.mails == [] or verb == "."


def test_without_the_note_the_server_gets_no_whole_mail(carrier: MakeCarrier) -> None:
    def refuse() -> None:
        assert not server.mails
        raise ZeroDivisionError

    with mail_server() as server:
        one = carrier(server.port)
        with pytest.raises(ZeroDivisionError):
            one.carry(outgoing(), hand_over=refuse)
        # The line is not used again: the next mail would end this one.
        one.carry(outgoing(2), hand_over=nothing)
        one.close()
    assert len(server.torn) == 1
    assert len(server.mails) == 1
    assert b"mail-2" in server.mails[0]


def test_the_note_comes_when_all_but_the_dot_was_sent(carrier: MakeCarrier) -> None:
    order: list[str] = []
    with mail_server() as server:
        carrier(server.port).carry(
            outgoing(), hand_over=lambda: order.append(f"note after {server.verbs()[-1]}, {len(server.mails)} mails")
        )
    assert order == ["note after DATA, 0 mails"]
    assert len(server.mails) == 1


def test_a_line_serves_on_after_a_refused_address(carrier: MakeCarrier) -> None:
    with mail_server() as server:
        one = carrier(server.port)
        one.carry(outgoing(1), hand_over=nothing)
        server.script = {**server.script, "RCPT": "550 no such user"}
        with pytest.raises(MailRefused):
            one.carry(outgoing(2), hand_over=nothing)
        server.script = {**server.script, "RCPT": "250 ok"}
        one.carry(outgoing(3), hand_over=nothing)
        one.close()
    assert (server.connections, len(server.mails)) == (1, 2)


def test_a_server_that_is_down_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch, carrier: MakeCarrier) -> None:
    with mail_server({"CONNECT": CLOSE}) as server:
        one = carrier(server.port)
        for _ in range(3):
            with pytest.raises(MailDeferred):
                one.carry(outgoing(), hand_over=nothing)
        assert server.connections == 1
        one._down_until = 0
        with pytest.raises(MailDeferred):
            one.carry(outgoing(), hand_over=nothing)
        assert server.connections == 2


def test_a_server_that_is_nowhere_is_named() -> None:
    with pytest.raises(MailDeferred, match=r"mail\.invalid port 25 cannot be reached"):
        SmtpCarrier(MailServer("mail.invalid", 25, False, False, "", "", ""), public_host="id.example.com").carry(
            outgoing(), hand_over=nothing
        )


def test_several_threads_have_lines_of_their_own(carrier: MakeCarrier) -> None:
    with mail_server() as server:
        one = carrier(server.port)
        together = threading.Barrier(2)
        threads = [
            threading.Thread(target=one.carry, args=(outgoing(number),), kwargs={"hand_over": lambda: together.wait(PATIENCE) and None})
            for number in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        one.close()
    assert (server.connections, len(server.mails)) == (2, 2)


class Strict:
    """A real server that demands TLS and a login."""

    def __init__(self) -> None:
        self.got: list[Envelope] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 -- the library's name
        self.got.append(envelope)
        return "250 taken"

    def authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: object) -> AuthResult:
        right = isinstance(given, LoginPassword) and given.login == b"moongate" and given.password == SECRET.encode()
        return AuthResult(success=right, handled=False)


@pytest.fixture
def strict(tmp_path: Path) -> Callable[[], tuple[Strict, Controller, Path]]:
    def made() -> tuple[Strict, Controller, Path]:
        ca, tls = certificate(tmp_path, "localhost")
        handler = Strict()
        controller = Controller(
            handler,
            "127.0.0.1",
            free_port(),
            enable_SMTPUTF8=True,
            tls_context=tls,
            require_starttls=True,
            auth_required=True,
            authenticator=handler.authenticate,
        )
        controller.start()
        return handler, controller, ca

    return made


def test_a_real_server_takes_a_mail_by_starttls_and_login(
    strict: Callable[[], tuple[Strict, Controller, Path]], carrier: MakeCarrier
) -> None:
    handler, controller, ca = strict()
    try:
        one = carrier(controller.port, user="moongate", starttls=True, ca=ca)
        assert one.carry(outgoing(recipient="jörg@bücher.example"), hand_over=nothing) == "250 taken"
        one.close()
    finally:
        controller.stop()
    assert handler.got[0].rcpt_tos == ["jörg@xn--bcher-kva.example"]


def test_a_wrong_password_is_told_without_it(strict: Callable[[], tuple[Strict, Controller, Path]], carrier: MakeCarrier) -> None:
    _, controller, ca = strict()
    try:
        with pytest.raises(MailDeferred, match="refuses our user and password") as failed:
            carrier(controller.port, user="somebody", starttls=True, ca=ca).carry(outgoing(), hand_over=nothing)
    finally:
        controller.stop()
    assert SECRET not in repr(failed.value)


def test_a_certificate_of_nobody_we_know_is_refused_before_the_login(tmp_path: Path, carrier: MakeCarrier) -> None:
    _, tls = certificate(tmp_path, "localhost")
    script = {"EHLO": "250-mail.example\r\n250-STARTTLS\r\n250 AUTH PLAIN"}
    with mail_server(script, tls=tls) as server, pytest.raises(MailDeferred, match="TLS"):
        carrier(server.port, user="moongate", starttls=True).carry(outgoing(), hand_over=nothing)
    assert "AUTH" not in server.verbs()


def test_a_certificate_for_another_name_is_refused(tmp_path: Path, carrier: MakeCarrier) -> None:
    ca, tls = certificate(tmp_path, "mail.example")
    with mail_server(tls=tls, at_once=True) as server, pytest.raises(MailDeferred, match="TLS"):
        carrier(server.port, encrypted=True, ca=ca).carry(outgoing(), hand_over=nothing)


def test_nobody_who_strips_starttls_gets_the_password(carrier: MakeCarrier) -> None:
    with mail_server({"EHLO": "250-mail.example\r\n250 AUTH PLAIN LOGIN"}) as server, pytest.raises(MailDeferred, match="STARTTLS"):
        carrier(server.port, user="moongate", starttls=True).carry(outgoing(), hand_over=nothing)
    assert "AUTH" not in server.verbs()
    assert "MAIL" not in server.verbs()


def test_smtps_is_encrypted_from_the_first_byte(tmp_path: Path, carrier: MakeCarrier) -> None:
    ca, tls = certificate(tmp_path, "localhost")
    assert isinstance(tls, ssl.SSLContext)
    with mail_server(tls=tls, at_once=True) as server:
        one = carrier(server.port, encrypted=True, ca=ca)
        one.carry(outgoing(), hand_over=nothing)
        one.close()
    assert len(server.mails) == 1


def test_an_address_that_the_server_cannot_take_bounces_with_the_reason(carrier: MakeCarrier) -> None:
    with mail_server({"EHLO": "250 mail.example"}) as server, pytest.raises(MailRefused, match="SMTPUTF8"):
        carrier(server.port).carry(outgoing(recipient="jörg@example.com"), hand_over=nothing)


def test_what_a_server_says_is_one_short_visible_line(carrier: MakeCarrier) -> None:
    with mail_server({"RCPT": "550 \x1b[31mno\x07 " + "x" * 5000}) as server, pytest.raises(MailRefused) as failed:
        carrier(server.port).carry(outgoing(), hand_over=nothing)
    assert str(failed.value).isprintable()
    assert len(str(failed.value)) <= 200


def test_without_a_server_a_mail_is_a_file_that_only_we_read(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    one = FileCarrier(folder, public_host="localhost")
    assert one.carry(outgoing(), hand_over=nothing) == "written to mail/mail-1.eml"
    [path] = folder.iterdir()
    assert path.name == "mail-1.eml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert parsed(path.read_bytes())["Subject"] == "A subject"


def test_a_file_is_written_once_however_often_it_is_asked(tmp_path: Path) -> None:
    one = FileCarrier(tmp_path, public_host="localhost")
    one.carry(outgoing(text="first\n"), hand_over=nothing)
    one.carry(outgoing(text="second\n"), hand_over=nothing)
    [path] = tmp_path.iterdir()
    assert b"first" in path.read_bytes()


def test_a_folder_that_cannot_be_written_puts_mails_off(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("no folder")
    with pytest.raises(MailDeferred, match="cannot be written"):
        FileCarrier(tmp_path / "mail", public_host="localhost").carry(outgoing(), hand_over=nothing)
