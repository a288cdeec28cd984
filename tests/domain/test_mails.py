"""Where mails go: the setting and the addresses."""

import pytest

from gateway.domain.mails import MailServer, is_address, parse_mail_server, plain_line


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", MailServer("mail.example", 25, False, False, "", "", "")),
        ("smtp://mail.example:2525", MailServer("mail.example", 2525, False, False, "", "", "")),
        ("smtp://u:p%40ss@mail.example?starttls=1", MailServer("mail.example", 587, False, True, "u", "p@ss", "")),
        ("smtps://u%40x.example:p@mail.example", MailServer("mail.example", 465, True, False, "u@x.example", "p", "")),
        ("smtp://u:p@localhost:1025", MailServer("localhost", 1025, False, False, "u", "p", "")),
        ("smtp://mail.example?from=id@acme.example", MailServer("mail.example", 25, False, False, "", "", "id@acme.example")),
        ("smtp://[::1]:1025", MailServer("::1", 1025, False, False, "", "", "")),
    ],
)
def test_a_mail_server_is_read_from_its_url(url: str, server: MailServer) -> None:
    assert parse_mail_server(url) == server


def test_without_a_url_there_is_no_server() -> None:
    assert parse_mail_server("") is None


@pytest.mark.parametrize(
    "url",
    [
        "http://mail.example",
        "smtp://",
        "smtp://u:hunter2",
        "smtp://u:hunter2@mail.example",
        "smtp://u:hunter2@mail.example?starttls=yes",
        "smtp://u:hunter2@mail.example?startls=1",
        "smtp://mail.example:hunter2",
        "smtp://mail.example/hunter2",
        "smtp://mail.example?from=hunter2",
        "smtp://mail.example?from=a@b.example%0D%0ABcc:%20hunter2@c.example",
    ],
)
def test_a_wrong_url_is_told_without_its_secrets(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|is|takes|would|has) ") as refused:
        parse_mail_server(url)
    assert "hunter2" not in str(refused.value)


def test_a_server_shows_no_password() -> None:
    assert "hunter2" not in repr(parse_mail_server("smtps://u:hunter2@mail.example"))


@pytest.mark.parametrize(
    "address", ["", "ada", "ada@", "@x.example", "a b@x.example", "a@x\r\n.example", "a\x00@x.example", "a@b@c", "<a@x.example>"]
)
def test_a_mail_goes_to_an_address_only(address: str) -> None:
    assert not is_address(address)


def test_a_line_keeps_what_can_be_seen() -> None:
    assert plain_line(" Ada\r\n\tLove\u202elace\u2069 \x00") == "Ada Love lace"
    assert plain_line("علی\u200cرضا") == "علی\u200cرضا"
    assert plain_line("abc", 2) == "ab"
