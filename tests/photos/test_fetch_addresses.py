"""Which addresses are public, and what FETCH_ALLOW_PRIVATE lets through."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UsageError
from core.net.addresses import AllowList, address_of, is_public


@pytest.mark.parametrize(
    "text",
    ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001:80b::200e", "64:ff9b::1.1.1.1"],
)
def test_the_open_internet_is_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1.1.1.1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "2606:4700::5efe:10.0.0.1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_everything_else_is_not(text: str) -> None:
    assert not is_public(ip_address(text))


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
@settings(deadline=None)
def test_no_ipv4_address_gets_further_by_hiding_in_ipv6(address: IPv4Address) -> None:
    for prefix in ("::ffff:0:0", "64:ff9b::"):
        hidden = IPv6Address(int(IPv6Address(prefix)) | int(address))
        assert is_public(hidden) == is_public(address)
    for prefix in ("::", "::ffff:0:0:0"):
        assert not is_public(IPv6Address(int(IPv6Address(prefix)) | int(address)))


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
@settings(deadline=None)
def test_nothing_is_public_that_the_standard_library_calls_otherwise(address: IPv4Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast


@pytest.mark.parametrize(
    ("text", "host", "address", "port", "expected"),
    [
        ("", "shop.local", "10.0.0.5", 80, False),
        ("10.0.0.0/8", "shop.local", "10.0.0.5", 80, True),
        ("10.0.0.0/8", "shop.local", "11.0.0.5", 80, False),
        (" 127.0.0.1 , 10.0.0.5", "x", "10.0.0.5", 80, True),
        ("127.0.0.1", "x", "::ffff:127.0.0.1", 80, True),
        ("127.0.0.1:8080", "x", "127.0.0.1", 8080, True),
        ("127.0.0.1:8080", "x", "127.0.0.1", 80, False),
        ("[::1]:8080", "x", "::1", 8080, True),
        ("[::1]:8080", "x", "::1", 80, False),
        ("::1", "x", "::1", 80, True),
        ("fd00::/8", "x", "fd12::1", 80, True),
        ("Shop.Local", "shop.local.", "192.168.0.2", 443, True),
        ("shop.local:9000", "shop.local", "192.168.0.2", 9000, True),
        ("shop.local:9000", "shop.local", "192.168.0.2", 443, False),
        ("shop.local", "evil-shop.local", "192.168.0.2", 443, False),
        ("shop.local", "www.shop.local", "192.168.0.2", 443, False),
    ],
)
def test_what_may_be_private(text: str, host: str, address: str, port: int, expected: bool) -> None:
    assert AllowList(text).permits(host, ip_address(address), port) is expected


@pytest.mark.parametrize("text", ["http://shop.local", "10.0.0.0/33", "a b", "shop.local:99999", ":80", "shop..local"])
def test_an_entry_that_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="FETCH_ALLOW_PRIVATE"):
        AllowList(text)


def test_zones_are_left_out() -> None:
    assert address_of(("fe80::1%eth0", 80, 0, 2)) == IPv6Address("fe80::1")
