"""Which addresses webhooks may be sent to: none of a private network, unless a setting allows that network.

An endpoint's URL is somebody's input, and segue stands inside a network: without this a webhook could be aimed at a
database, or at the cloud's metadata service. It is the very address that is connected to that is judged
(`streams/http/webhooks/outbound.py`), so a name that means another address the second time gains nothing.

The lists are ours rather than `ipaddress.is_global`: that one differs between Python's patch releases, and takes
IPv6 addresses with a private IPv4 address inside for global.

References
----------
IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890); RFC 4291 (IPv6), RFC 6052 (NAT64), RFC 5214 (ISATAP).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Network = IPv4Network | IPv6Network

_IPV4 = {
    "0.0.0.0/8": "unspecified",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "private (a carrier's)",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "a cloud's own (metadata)",
    "169.254.0.0/16": "link-local (metadata)",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "reserved",
    "192.0.2.0/24": "reserved for documentation",
    "192.88.99.0/24": "reserved",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "reserved for benchmarks",
    "198.51.100.0/24": "reserved for documentation",
    "203.0.113.0/24": "reserved for documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
_IPV6 = {
    "::/128": "unspecified",
    "::1/128": "loopback",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "fec0::/10": "private",
    "ff00::/8": "multicast",
    "2001::/23": "reserved (Teredo and others)",
    "2001:db8::/32": "reserved for documentation",
    "2002::/16": "a tunnel to an IPv4 address (6to4)",
    "3fff::/20": "reserved for documentation",
}
_REFUSED: list[tuple[Network, str]] = [(ip_network(text), kind) for text, kind in (_IPV4 | _IPV6).items()]
_UNICAST = IPv6Network("2000::/3")
"""All of IPv6 that is given out; the rest is refused without a name."""

_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = frozenset((0x00005EFE, 0x02005EFE))
"""The upper half of an interface's identifier, before the IPv4 address of the tunnel's end."""


class AddressRefused(OSError):
    """An address that must not be connected to. An `OSError`, so that it passes through aiohttp as a failed one."""


class AddressGuard:
    """The judge of addresses."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """Take networks (`10.1.0.0/16`) that are allowed in spite of what they are; raises `ValueError`."""
        self._allowed = [ip_network(network) for network in allowed]

    def why_not(self, address: str) -> str | None:
        """Return what an address is that must not be connected to, None for one that may be.

        Raises
        ------
        ValueError
            if it is no address.
        """
        judged = _plain(ip_address(address.partition("%")[0]))  # a zone says which link, not where
        if any(judged.version == network.version and judged in network for network in self._allowed):
            return None
        inside = _inside(judged)
        if inside is not None and (found := self.why_not(str(inside))):
            return f"a way to {inside}, which is {found}"
        return _kind(judged, inside)

    def check(self, address: str) -> None:
        """Raise `AddressRefused` for an address that must not be connected to, with the remedy."""
        if found := self.why_not(address):
            raise AddressRefused(refusal(address, found))


def refusal(address: str, kind: str) -> str:
    """Return the sentence about an address of such a kind."""
    return (
        f"{address} is {kind}: webhooks go to public addresses only; "
        "if its network is meant, list it in SEGUE_WEBHOOKS_NETWORKS"
    )


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return `::ffff:10.0.0.1` as 10.0.0.1: to the kernel both are the same."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _inside(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to, where it is one of those forms."""
    if isinstance(address, IPv4Address):
        return None
    last = IPv4Address(int(address) & 0xFFFF_FFFF)
    return last if address in _NAT64 or int(address) >> 32 & 0xFFFF_FFFF in _ISATAP else None


def _kind(address: IPv4Address | IPv6Address, inside: IPv4Address | None) -> str | None:
    for network, kind in _REFUSED:
        if address.version == network.version and address in network:
            return kind
    if isinstance(address, IPv6Address) and address not in _UNICAST and not (inside and address in _NAT64):
        return "reserved"
    return None
