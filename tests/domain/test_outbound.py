"""Which addresses may be called: by everybody, by rule, by nobody."""

from ipaddress import ip_address, ip_network

import pytest

from gateway.domain.outbound import OutboundPolicy, OutboundRule, Reach, classify, parse_dns_servers, parse_outbound_allow, require_dialable
from gateway.domain.ports import Unreachable

EVERYTHING = OutboundPolicy(allow=parse_outbound_allow("0.0.0.0/0, ::/0"))

NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.0.1",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::10.0.0.1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "100::1",
    "::ffff:0:127.0.0.1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "2001:0:53aa:64c::1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b::127.0.0.1",
    "64:ff9b:1::10.0.0.1",
    "::ffff:169.254.169.254",
]
PRIVATE = [
    "127.0.0.1",
    "127.9.9.9",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "203.0.113.7",
    "::1",
    "fd00::1",
    "fc00::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
]
PUBLIC = ["8.8.8.8", "20.190.128.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize(
    ("address", "reach"),
    [*((text, Reach.NEVER) for text in NEVER), *((text, Reach.PRIVATE) for text in PRIVATE), *((text, Reach.PUBLIC) for text in PUBLIC)],
)
def test_every_kind_of_address_is_known(address: str, reach: Reach) -> None:
    assert classify(ip_address(address)) is reach


@pytest.mark.parametrize("address", NEVER)
def test_dangerous_addresses_are_refused_even_if_everything_is_allowed(address: str) -> None:
    with pytest.raises(Unreachable):
        require_dialable(address, 443, encrypted=True, policy=EVERYTHING, private_outbound=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused_without_a_rule(address: str) -> None:
    with pytest.raises(Unreachable, match="could not be reached") as refusal:
        require_dialable(address, 443, encrypted=True, policy=OutboundPolicy(), private_outbound=True)
    assert "MOONGATE_OUTBOUND_ALLOW" in refusal.value.reason


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused_to_nodes_without_private_outbound(address: str) -> None:
    with pytest.raises(Unreachable) as refusal:
        require_dialable(address, 443, encrypted=True, policy=EVERYTHING, private_outbound=False)
    assert "private outbound" in refusal.value.reason


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_need_no_rule(address: str) -> None:
    require_dialable(address, 443, encrypted=True, policy=OutboundPolicy(), private_outbound=False)


def test_plain_http_is_refused_where_no_rule_names_the_address() -> None:
    for private_outbound, policy in ((True, OutboundPolicy()), (False, EVERYTHING)):
        with pytest.raises(Unreachable) as refusal:
            require_dialable("8.8.8.8", 80, encrypted=False, policy=policy, private_outbound=private_outbound)
        assert "https" in refusal.value.reason


def test_rule_with_private_outbound_allows_private_address_and_plain_http() -> None:
    policy = OutboundPolicy(allow=parse_outbound_allow("127.0.0.0/8:8000"))
    assert str(require_dialable("127.0.0.1", 8000, encrypted=False, policy=policy, private_outbound=True)) == "127.0.0.1"


def test_rule_for_one_port_does_not_open_another() -> None:
    policy = OutboundPolicy(allow=parse_outbound_allow("127.0.0.0/8:8000"))
    with pytest.raises(Unreachable):
        require_dialable("127.0.0.1", 5432, encrypted=False, policy=policy, private_outbound=True)


def test_our_own_database_is_refused_even_if_allowed() -> None:
    policy = OutboundPolicy(allow=EVERYTHING.allow, never=parse_outbound_allow("10.0.0.5/32:5432"))
    with pytest.raises(Unreachable):
        require_dialable("10.0.0.5", 5432, encrypted=True, policy=policy, private_outbound=True)
    require_dialable("10.0.0.5", 443, encrypted=True, policy=policy, private_outbound=True)


def test_mapped_address_is_dialled_and_matched_as_what_it_is() -> None:
    policy = OutboundPolicy(allow=parse_outbound_allow("10.0.0.0/8"))
    assert str(require_dialable("::ffff:10.0.0.1", 443, encrypted=True, policy=policy, private_outbound=True)) == "10.0.0.1"


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(Unreachable):
        require_dialable("localhost", 443, encrypted=True, policy=EVERYTHING, private_outbound=True)


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("", []),
        (" , ", []),
        ("10.0.0.0/8", [("10.0.0.0/8", None)]),
        ("10.0.0.0/8:8443, 192.168.1.5", [("10.0.0.0/8", 8443), ("192.168.1.5/32", None)]),
        ("127.0.0.1:8000", [("127.0.0.1/32", 8000)]),
        ("::1", [("::1/128", None)]),
        ("[::1]:8000", [("::1/128", 8000)]),
        ("fd00::/8", [("fd00::/8", None)]),
        ("fd00::/8:443", [("fd00::/8", 443)]),
        ("[fd00::/8]:443", [("fd00::/8", 443)]),
        ("[fd00::/8]", [("fd00::/8", None)]),
    ],
)
def test_entries_are_read(text: str, rules: list[tuple[str, int | None]]) -> None:
    assert parse_outbound_allow(text) == tuple(OutboundRule(ip_network(network), port) for network, port in rules)


@pytest.mark.parametrize(
    "entry", ["idp.local", "10.0.0.5/8", "10.0.0.0/33", "10.0.0.1:0", "10.0.0.1:99999", "10.0.0.0/8:", "[::1]x", "/8", "::1:x"]
)
def test_wrong_entry_is_named_in_one_line(entry: str) -> None:
    with pytest.raises(ValueError, match="cidr") as error:
        parse_outbound_allow(f"10.0.0.0/8,{entry}")
    assert repr(entry) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("", []),
        ("192.0.2.1", [("192.0.2.1", 53)]),
        ("192.0.2.1:5353, 2001:db8::1", [("192.0.2.1", 5353), ("2001:db8::1", 53)]),
        ("[2001:db8::1]:5353", [("2001:db8::1", 5353)]),
    ],
)
def test_dns_servers_are_read(text: str, servers: list[tuple[str, int]]) -> None:
    assert [(server.address, server.port) for server in parse_dns_servers(text)] == servers


@pytest.mark.parametrize("text", ["dns.example", "192.0.2.1:x", "192.0.2.1:70000", "192.0.2.1:0", "192.0.2", ":53", "[::1"])
def test_what_is_no_dns_server_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be addresses"):
        parse_dns_servers(text)
