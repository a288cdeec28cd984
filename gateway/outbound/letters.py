"""A mail as bytes: MIME with a text and an HTML part, headers that no name can break out of, addresses of every script."""

import email.policy
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage

from gateway.domain.mails import MailRefused, OutgoingMail, plain_line

_NAME_LIMIT = 64
_SUBJECT_LIMIT = 150


@dataclass(frozen=True, slots=True)
class Written:
    """A mail ready to be sent."""

    recipient: str
    """The address of the envelope."""
    international: bool
    """Whether the server must take SMTPUTF8 (RFC 6531): the local part is not ASCII."""
    data: bytes
    """With CR LF at every line's end; all ASCII unless international."""


def write(mail: OutgoingMail, *, sender: str, host: str) -> Written:
    """Return a mail as bytes, from the address `sender`; `host` is what its Message-ID ends with.

    Raises MailRefused where the address names no host.
    """
    local, domain = _split(mail.recipient)
    international = not local.isascii()
    message = EmailMessage(policy=email.policy.SMTPUTF8 if international else email.policy.SMTP)
    message["From"] = Address(_header(mail.sender_name, _NAME_LIMIT), addr_spec=sender)
    message["To"] = Address(_header(mail.recipient_name, _NAME_LIMIT), local, domain)
    message["Subject"] = _header(mail.letter.subject, _SUBJECT_LIMIT)
    message["Date"] = datetime.fromtimestamp(mail.written_at / 1000, UTC)
    message["Message-ID"] = f"<{mail.id}@{host}>"
    # So that no holiday notice answers us, and none answers that (RFC 3834 §5; the second one is Exchange's).
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    # Lines of any length and script in short ASCII lines: no server on the way has a reason to touch them.
    coding = "base64" if mail.letter.language == "ja" else "quoted-printable"
    message.set_content(mail.letter.text, cte=coding)
    message.add_alternative(mail.letter.html, subtype="html", cte=coding)
    # Last: what makes the mail one of two parts would move it into the first of them.
    message["Content-Language"] = mail.letter.language
    return Written(f"{local}@{domain}", international, message.as_bytes())


def _split(address: str) -> tuple[str, str]:
    """Return the local part and the host, the latter in ASCII (RFC 5890).

    The standard library writes hosts by the rules of 2003, by which four letters become others (ß becomes ss): that may be
    somebody else's host, so an address is refused unless what is written reads back as the same.
    """
    local, _, host = address.rpartition("@")
    if host.isascii():
        return local, host
    try:
        ascii_host = host.encode("idna").decode()
        same = ascii_host.encode().decode("idna") == unicodedata.normalize("NFC", host.lower())
    except UnicodeError as error:
        raise MailRefused("the address names no host") from error
    if not same:
        raise MailRefused("the host of the address can be read in two ways: write it in its ASCII form, xn--…")
    return local, ascii_host


def _header(text: str, limit: int) -> str:
    """Return a text for a header: one line, and none that is read as an encoded word.

    The library decodes those (RFC 2047) wherever it finds them, and writes what they hold: `=?utf-8?q?=0D=0ABcc=3A_x?=` would begin a line.
    """
    return plain_line(text, limit).replace("=?", "= ?")
