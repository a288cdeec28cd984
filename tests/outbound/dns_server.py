"""A real DNS server on loopback, which knows the TXT records it is given."""

import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from gateway.domain.outbound import DnsServer

Records = Mapping[str, Sequence[str]]


class _Server(socketserver.ThreadingUDPServer):
    allow_reuse_address = True
    records: Records
    rcode: dns.rcode.Rcode


class _Question(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, answering = cast(tuple[bytes, socket.socket], self.request)
        server = cast(_Server, self.server)
        question = dns.message.from_wire(data)
        name = question.question[0].name
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        known = server.records.get(name.to_text(omit_final_dot=True).lower())
        if server.rcode is not dns.rcode.NOERROR:
            answer.set_rcode(server.rcode)
        elif known is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif known and question.question[0].rdtype == dns.rdatatype.TXT:
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *known))
        answering.sendto(answer.to_wire(), self.client_address)


@contextmanager
def dns_server(records: Records, rcode: dns.rcode.Rcode = dns.rcode.NOERROR) -> Iterator[DnsServer]:
    """Serve `records`, each text as a zone file has it, or answer everything with an error."""
    with _Server(("127.0.0.1", 0), cast(Any, _Question)) as server:
        server.records, server.rcode = records, rcode
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield DnsServer("127.0.0.1", server.server_address[1])
        server.shutdown()
        thread.join()
