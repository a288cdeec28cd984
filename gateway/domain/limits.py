"""What nobody may do more often than so: sizes of the limits, and as whom a caller is counted."""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from gateway.domain.values import MINUTE_MS, SECOND_MS

_PREFIX_BITS = 64
"""Of an IPv6 address: what one household gets, and one attacker has at least."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How many in a window; the window begins with the first and its end forgets all."""

    name: str
    most: int
    window_ms: int
    least: int = 1
    """What each process grants at least, whatever its share is."""

    def share(self, processes: int) -> int:
        """Return what one of so many processes grants: its part, so that all together keep the limit."""
        return max(min(self.least, self.most), -(-self.most // max(1, processes)))


SIGN_INS = Limit("sign-in", 3000, MINUTE_MS)
"""Sign-ins begun from one address, each of which is a stored row: a large office behind one address, in the morning, stays below."""
NAMES = Limit("name", 3000, MINUTE_MS)
"""Names typed from one address."""
PASSWORDS = Limit("password", 300, 15 * MINUTE_MS)
"""Wrong passwords from one address, whoever's: one guess at each of many accounts never meets the lock of an account."""
PROOFS = Limit("proof", 10, MINUTE_MS)
"""Wrong proofs of one app from one address (openid.md 25)."""

_SLOWEST_SCIM = 25


@lru_cache(maxsize=256)
def scim_limit(requests_per_second: int) -> Limit:
    """Return the limit of a connection (decisions.md 37)."""
    return Limit("scim", requests_per_second, SECOND_MS, least=_SLOWEST_SCIM)


def counted_as(address: str) -> str:
    """Return as whom a caller is counted; empty: nobody in particular, and no limit by address holds.

    An IPv6 address counts with its whole network, in which its owner has more addresses than we have memory. This machine itself is
    nobody: it is a proxy that no setting names, and one limit for all who come through it would shut them out together.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback:
        return ""
    if isinstance(parsed, IPv6Address):
        spare = 128 - _PREFIX_BITS
        return f"{IPv6Address(int(parsed) >> spare << spare)}/{_PREFIX_BITS}"
    return str(parsed)
