"""Which addresses outside may be called: the rules against server-side request forgery (decisions.md 43)."""

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from gateway.domain.ports import Unreachable

Address = IPv4Address | IPv6Address
MAX_PORT = 65_535
_DNS_PORT = 53


class Reach(Enum):
    """How far an address may be called."""

    PUBLIC = "public"
    """By every node, with https."""
    PRIVATE = "private"
    """Only where MOONGATE_OUTBOUND_ALLOW names it, by nodes with private outbound."""
    NEVER = "never"
    """By nobody, whatever is allowed."""


# Cloud metadata services hand out credentials to whoever asks from the machine; some of them live outside link-local.
_NEVER_V4 = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "192.0.0.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Tunnels and embeddings reach an IPv4 address under another name (6to4, Teredo, IPv4-compatible and -translated, local NAT64); nobody
# serves sign-in there.
_NEVER_V6 = tuple(
    ip_network(text)
    for text in (
        "::/128",
        "::/96",
        "::ffff:0:0:0/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/32",
        "2002::/16",
        "fd00:ec2::254/128",
        "fd20:ce::254/128",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
_LOOPBACK_V6 = IPv6Address("::1")
_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class OutboundRule:
    """One entry of MOONGATE_OUTBOUND_ALLOW."""

    network: IPv4Network | IPv6Network
    port: int | None
    """None stands for every port."""

    def matches(self, address: Address, port: int) -> bool:
        """Tell whether this entry names `address` and `port`."""
        return address.version == self.network.version and address in self.network and self.port in {None, port}


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """What the platform allows and what nobody may have."""

    allow: tuple[OutboundRule, ...] = ()
    never: tuple[OutboundRule, ...] = ()
    """Refused in any case: our own database."""


@dataclass(frozen=True, slots=True)
class DnsServer:
    """One entry of MOONGATE_DNS_SERVERS."""

    address: str
    port: int


def parse_dns_servers(text: str) -> tuple[DnsServer, ...]:
    """Return the servers of `192.0.2.1,192.0.2.2:5353,[2001:db8::1]:53`. Raises ValueError for anything else."""
    return tuple(_dns_server(part.strip()) for part in text.split(",") if part.strip())


def _dns_server(text: str) -> DnsServer:
    host, separator, port = text.rpartition(":")
    if not separator or (":" in host and not host.endswith("]")):
        host, port = text, str(_DNS_PORT)
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = str(ip_address(host[1:-1] if bracketed else host))
    except ValueError:
        address = ""
    if not address or not port.isascii() or not port.isdigit() or not 0 < int(port) <= MAX_PORT:
        raise ValueError("must be addresses such as 192.0.2.1 or 192.0.2.1:5353, separated by commas")
    return DnsServer(address, int(port))


def parse_outbound_allow(text: str) -> tuple[OutboundRule, ...]:
    """Return the entries of `text`: `cidr` or `cidr:port`, separated by commas; IPv6 with a port as `[cidr]:port`.

    Raises ValueError with one line that names the entry.
    """
    return tuple(_parse_rule(entry) for part in text.split(",") if (entry := part.strip()))


def require_dialable(address: str, port: int, *, encrypted: bool, policy: OutboundPolicy, private_outbound: bool) -> Address:
    """Return the address to dial for a name that resolved to `address`, or raise Unreachable.

    Whoever calls this must dial what it returns and nothing else, or a name server that changes its mind wins (DNS rebinding).
    """
    dialled = _unmapped(address)
    reach = classify(dialled)
    if reach is Reach.NEVER or any(rule.matches(dialled, port) for rule in policy.never):
        raise Unreachable(f"{dialled} may never be called")
    if private_outbound and any(rule.matches(dialled, port) for rule in policy.allow):
        return dialled
    if reach is Reach.PRIVATE:
        cause = "not in MOONGATE_OUTBOUND_ALLOW" if private_outbound else "the node has no private outbound"
        raise Unreachable(f"{dialled} port {port} is private: {cause}")
    if not encrypted:
        raise Unreachable(f"{dialled} port {port} may only be called with https")
    return dialled


def classify(address: Address) -> Reach:
    """Return how far `address` may be called; an address that holds another one counts as the worse of both."""
    if isinstance(address, IPv6Address):
        return _classify_v6(address)
    if any(address in network for network in _NEVER_V4):
        return Reach.NEVER
    # What is neither private nor announced to the world is shared or documentation space (100.64.0.0/10 and the like).
    return Reach.PUBLIC if address.is_global and not address.is_reserved else Reach.PRIVATE


def _classify_v6(address: IPv6Address) -> Reach:
    if address == _LOOPBACK_V6:
        return Reach.PRIVATE
    if address.ipv4_mapped is not None:
        return classify(address.ipv4_mapped)
    if address in _NAT64:
        embedded = classify(IPv4Address(int(address) & 0xFFFFFFFF))
        return Reach.PUBLIC if embedded is Reach.PUBLIC else Reach.NEVER
    plain = IPv6Address(int(address))
    if any(plain in network for network in _NEVER_V6):
        return Reach.NEVER
    return Reach.PUBLIC if plain.is_global else Reach.PRIVATE


def _unmapped(text: str) -> Address:
    """Return the address, an IPv4 one where it is only written as IPv6 (`::ffff:10.0.0.1`)."""
    try:
        address = ip_address(text)
    except ValueError as error:
        raise Unreachable("the name does not resolve to an address") from error
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address
    return address


def _parse_rule(entry: str) -> OutboundRule:
    network, port = _split_port(entry)
    try:
        return OutboundRule(ip_network(network), None if port is None else _parse_port(port))
    except ValueError as error:
        raise ValueError(f"{entry!r} is no network: write cidr, cidr:port or [cidr]:port ({error})") from error


def _split_port(entry: str) -> tuple[str, str | None]:
    if entry.startswith("["):
        network, _, rest = entry[1:].partition("]")
        return network, rest.removeprefix(":") if rest else None
    network, slash, prefix = entry.partition("/")
    if not slash:
        # A bare IPv6 address is full of colons; only IPv4 may carry a port without brackets.
        host, colon, port = entry.partition(":")
        return (host, port) if colon and ":" not in port else (entry, None)
    length, colon, port = prefix.partition(":")
    return f"{network}/{length}", port if colon else None


def _parse_port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_PORT:
        raise ValueError(f"port {text!r} is not 1 to {MAX_PORT}")
    return int(text)
