"""Which network addresses a photo may be fetched from.

Anyone who can submit a URL could otherwise have this machine read its neighbours: databases, cloud metadata, routers.
Ranges are those of the IANA special-purpose registries.
"""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from core.errors import UsageError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC_V4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's metadata service behind an address that looks public
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]
_GLOBAL_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = [
    IPv6Network(text)
    for text in (
        "2001::/23",  # Teredo and other protocol assignments
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries any IPv4 address
        "3fff::/20",
    )
]
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP_MARKS = (0x00005EFE, 0x02005EFE)


@lru_cache(1024)
def is_public(address: Address) -> bool:
    """Return whether an address belongs to the open internet, seen through any IPv4 address it carries."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    carried = address.ipv4_mapped
    # Networks without IPv4 reach all of it through NAT64, so only what it carries decides.
    if carried is None and address in _NAT64:
        carried = IPv4Address(int(address) & 0xFFFFFFFF)
    if carried is not None:
        return is_public(carried)
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP_MARKS:
        return False
    return address in _GLOBAL_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


@dataclass(frozen=True, slots=True)
class _Allowed:
    name: str
    network: Network | None
    port: int | None


class AllowList:
    """Hosts and networks that may be private: local tests, a shop's own storage.

    Args:
        text: Comma-separated host names, addresses or networks (CIDR), each with an optional `:port` (IPv6 with a port
            in brackets). A name allows whatever it resolves to.

    Raises:
        UsageError: An entry is none of these.
    """

    def __init__(self, text: str) -> None:
        self._entries = [_parse(entry.strip()) for entry in text.split(",") if entry.strip()]

    def permits(self, host: str, address: Address, port: int) -> bool:
        """Return whether a private address may be connected to.

        Args:
            host: The name the address was found under.
            address: What is going to be connected to.
            port: Where.
        """
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        host = host.lower().rstrip(".")
        return any(
            entry.port in {None, port}
            and (entry.name == host or (entry.network is not None and address in entry.network))
            for entry in self._entries
        )


def _parse(entry: str) -> _Allowed:
    host, port = _split_port(entry)
    try:
        return _Allowed("", ip_network(host), port)
    except ValueError:
        pass
    if not host or not all(
        part.isascii() and part.replace("-", "").replace("_", "").isalnum() for part in host.split(".")
    ):
        raise UsageError(
            f"FETCH_ALLOW_PRIVATE: {entry!r} is no host name, address or network (shop.local, 10.0.0.5, 10.0.0.0/8)."
        )
    return _Allowed(host.lower(), None, port)


def _split_port(entry: str) -> tuple[str, int | None]:
    host, colon, port = entry.rpartition(":")
    if colon and port.isdecimal() and (host.endswith("]") or ":" not in host):
        if not 0 < int(port) < 65536:
            raise UsageError(f"FETCH_ALLOW_PRIVATE: {entry!r} has no usable port.")
        return host.strip("[]"), int(port)
    return entry.strip("[]"), None


def address_of(sockaddr: tuple[object, ...]) -> Address:
    """Return the address in what `getaddrinfo` gave, without an IPv6 zone."""
    return _address(str(sockaddr[0]))


@lru_cache(1024)
def _address(text: str) -> Address:
    return ip_address(text.partition("%")[0])
