"""A mail as bytes: whatever a name or an address holds, headers stay whole and lines stay ASCII."""

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage

import pytest

from gateway.domain.mails import Letter, MailRefused, OutgoingMail
from gateway.domain.values import Instant
from gateway.outbound.letters import write

LETTER = Letter("de", "Grüße", "Grüße an alle\n", "<p>Grüße</p>")
MAIL = OutgoingMail("4711", "Acme", "Ada", "ada@example.com", LETTER, Instant(1_790_000_000_000))
HOSTILE = [
    "Ada\r\nBcc: victim@example.com",
    "Ada\nSubject: spam\n\nbody",
    "Ada\x00\x0b\x0c\x1c\x85\u2028\u2029Bcc: x@y.example",
    '"Ada" <evil@example.com>, Bob',
    "\u202eadA\u202c \u2066x\u2069",
    "Я" * 400,
    "=?utf-8?q?=0D=0ABcc=3A_x=40y?=",
    "==??utf-8?q?=0D=0ABcc=3A_x=40y?=",
    "=\r\n?utf-8?b?DQpCY2M6IHg=?=",
    "=\u200d?utf-8?b?DQpCY2M6IHg=?=",
    "",
]


def written(mail: OutgoingMail) -> EmailMessage:
    data = write(mail, sender="no-reply@id.example.com", host="id.example.com").data
    assert all(line.endswith(b"\r\n") and len(line) <= 1000 for line in data.splitlines(keepends=True))
    assert b"\r" not in data.replace(b"\r\n", b"")
    assert b"\n" not in data.replace(b"\r\n", b"")
    message = email.message_from_bytes(data, policy=email.policy.SMTP)
    assert isinstance(message, EmailMessage)
    return message


EXPECTED = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "MIME-Version",
    "Content-Type",
    "Content-Language",
]


def test_a_mail_says_that_nobody_wrote_it_and_keeps_its_id() -> None:
    message = written(MAIL)
    assert message.keys() == EXPECTED
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == "<4711@id.example.com>"
    assert message["Date"].datetime.isoformat() == "2026-09-21T14:13:20+00:00"
    assert message["Subject"] == "Grüße"
    assert message["From"] == "Acme <no-reply@id.example.com>"
    assert message["To"] == "Ada <ada@example.com>"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


def test_the_same_mail_is_the_same_but_for_its_boundary() -> None:
    first, second = written(MAIL), written(MAIL)
    assert {name: first[name] for name in EXPECTED if name != "Content-Type"} == {
        name: second[name] for name in EXPECTED if name != "Content-Type"
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_breaks_out_of_its_header(text: str) -> None:
    hostile = replace(MAIL, sender_name=text, recipient_name=text, letter=replace(LETTER, subject=text))
    message = written(hostile)
    assert message.keys() == EXPECTED
    assert [address.addr_spec for address in message["To"].addresses] == ["ada@example.com"]
    assert [address.addr_spec for address in message["From"].addresses] == ["no-reply@id.example.com"]
    for shown in (message["To"].addresses[0].display_name, message["Subject"]):
        assert shown.replace("\u200d", "").isprintable()
        assert len(shown) <= 150


def test_japanese_goes_in_short_ascii_lines() -> None:
    text = "日本語の長い行" * 200
    data = write(replace(MAIL, letter=Letter("ja", text, text, f"<p>{text}</p>")), sender="no-reply@id.example.com", host="x.example").data
    assert data.isascii()
    assert max(map(len, data.splitlines())) <= 78


@pytest.mark.parametrize(
    ("address", "envelope"),
    [
        ("ada@example.com", "ada@example.com"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
        ("o'hara+x=y@example.com", "o'hara+x=y@example.com"),
    ],
)
def test_a_host_of_another_script_is_written_in_ascii(address: str, envelope: str) -> None:
    made = write(replace(MAIL, recipient=address), sender="no-reply@id.example.com", host="id.example.com")
    assert (made.recipient, made.international, made.data.isascii()) == (envelope, False, True)


def test_an_address_of_another_script_is_sent_as_it_is() -> None:
    made = write(replace(MAIL, recipient="用户@例え.example"), sender="no-reply@id.example.com", host="id.example.com")
    assert (made.recipient, made.international) == ("用户@xn--r8jz45g.example", True)
    assert "用户@xn--r8jz45g.example".encode() in made.data


@pytest.mark.parametrize("address", ["ada@straße.example", "ada@" + "ü" * 64 + ".example", "ada@bücher..example"])
def test_a_host_that_two_rules_write_differently_is_refused(address: str) -> None:
    with pytest.raises(MailRefused):
        write(replace(MAIL, recipient=address), sender="no-reply@id.example.com", host="id.example.com")
