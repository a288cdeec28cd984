"""Questions to the domain name system: the only ones are for texts by which a tenant proves that a domain is its own."""

from collections.abc import Sequence

import dns.exception
import dns.resolver

from gateway import turns
from gateway.domain.outbound import DnsServer
from gateway.domain.ports import Unreachable

_SECONDS = 5.0
"""For the whole answer, whatever has to be tried."""
_MOST_TEXTS = 100
_LONGEST_TEXT = 1000


class TextRecords:
    """A `TextLookup` that asks the machine's own servers, or those that are set."""

    def __init__(self, servers: Sequence[DnsServer] = ()) -> None:
        """Take the servers; none: those of the machine."""
        self._servers = servers

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the TXT records of a name; empty where there is no such name. Raises Unreachable."""
        try:
            resolver = self._resolver()
            with turns.aside():
                # Nothing is added to the name: a search list would find a record somewhere else.
                found = resolver.resolve(f"{name}.", "TXT", search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return ()
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            reason = f"TXT of {name}: {type(error).__name__}"
            raise Unreachable(reason) from error
        records = list(found.rrset or ())[:_MOST_TEXTS]
        return tuple(b"".join(record.strings)[:_LONGEST_TEXT].decode(errors="replace") for record in records)

    def _resolver(self) -> dns.resolver.Resolver:
        """Return a resolver without a memory: whoever sets the record wants it seen now."""
        resolver = dns.resolver.Resolver(configure=not self._servers)
        if self._servers:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(server.address, server.port) for server in self._servers]
        resolver.lifetime = _SECONDS
        return resolver
