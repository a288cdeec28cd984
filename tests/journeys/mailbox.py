"""A mail server as a process of its own: `python -m tests.journeys.mailbox FILE` prints its port and notes each whole mail as a line."""

import asyncio
import email
import email.policy
import os
import sys
import zlib

from aiosmtpd.smtp import SMTP, Envelope, Session

PAUSE_SECONDS = 0.002
"""How long it thinks about a mail: long enough that whoever is killed is often killed then."""


class Mailbox:
    """Notes whole mails; one whose sender died before the last dot never gets here."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 -- the library's name
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=email.policy.SMTP)
        assert message.is_multipart()
        # Of the senders that die while it thinks, one half loses a mail, the other half has it delivered and never learns.
        keeps_first = zlib.crc32(content) % 2 == 0
        if not keeps_first:
            await asyncio.sleep(PAUSE_SECONDS)
        os.write(self._file, f"{envelope.rcpt_tos[0]} {message['Message-ID']}\n".encode())
        if keeps_first:
            await asyncio.sleep(PAUSE_SECONDS)
        return "250 taken"


async def main(path: str) -> None:
    """Serve until killed."""
    mailbox = Mailbox(path)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(mailbox), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 -- how it tells its port
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
