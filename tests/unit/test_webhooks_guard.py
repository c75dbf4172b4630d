"""Where webhooks may go: every way to write an address, and every network that is not the public one."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.http.webhooks.addresses import AddressGuard, AddressRefused
from streams.http.webhooks.urls import MOST_CHARS, check_url

PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.63.255.255", "2606:4700:4700::1111", "2a00:1450:4001::200e"]

PRIVATE = {
    "0.0.0.0": "unspecified",  # noqa: S104 - nothing listens there
    "0.1.2.3": "unspecified",
    "10.0.0.1": "private",
    "100.64.0.1": "private",
    "100.100.100.200": "private",  # Alibaba's metadata
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "metadata",  # Azure's
    "169.254.169.254": "link-local",  # everybody's
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.192": "reserved",  # Oracle's metadata
    "192.0.2.1": "reserved",
    "192.88.99.1": "reserved",
    "192.168.1.1": "private",
    "198.18.0.1": "reserved",
    "203.0.113.7": "reserved",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:a9fe:a9fe": "link-local",
    "::127.0.0.1": "reserved",  # IPv4-compatible
    "64:ff9b::7f00:1": "a way to 127.0.0.1, which is loopback",
    "64:ff9b::10.0.0.1": "a way to 10.0.0.1",
    "64:ff9b:1::1": "reserved",
    "100::1": "reserved",
    "2001::1": "reserved",  # Teredo
    "2001:0:4136:e378:8000:63bf:f5ff:fffe": "reserved",
    "2001:db8::1": "documentation",
    "2002:7f00:1::": "6to4",
    "2002:808:808::": "6to4",
    "2606:4700::5efe:10.0.0.1": "a way to 10.0.0.1",  # ISATAP
    "2606:4700::200:5efe:192.168.0.1": "a way to 192.168.0.1",
    "3fff::1": "documentation",
    "5f00::1": "reserved",
    "fc00::1": "private",
    "fd00:ec2::254": "private",  # AWS's metadata
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fec0::1": "private",
    "ff02::1": "multicast",
}

# ours beyond what Python calls not global; the rest of IPv6 that nobody was given is refused, too
BEYOND: list[IPv4Network | IPv6Network] = [
    *map(IPv4Network, ["168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24"]),
    *map(IPv6Network, ["2001::/23", "2002::/16", "3fff::/20"]),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_let_through(address: str) -> None:
    AddressGuard().check(address)


@pytest.mark.parametrize(("address", "kind"), PRIVATE.items())
def test_any_other_is_refused_by_its_name(address: str, kind: str) -> None:
    with pytest.raises(AddressRefused, match=rf"^{re.escape(address)} is .*{kind}.*SEGUE_WEBHOOKS_NETWORKS"):
        AddressGuard().check(address)


def test_a_setting_allows_a_network_and_nothing_beside_it() -> None:
    guard = AddressGuard(["10.1.0.0/16", "fd00:1::/32"])
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd00:1::5", "8.8.8.8"):
        guard.check(address)
    for address in ("10.2.0.1", "127.0.0.1", "::ffff:10.2.0.1", "64:ff9b::10.2.0.1", "fd00:2::5"):
        with pytest.raises(AddressRefused):
            guard.check(address)


def test_what_is_no_address_is_never_let_through() -> None:
    for text in ("localhost", "", "0x7f.1", "127.1", "1.2.3.4/8"):
        with pytest.raises(ValueError, match="does not appear to be"):
            AddressGuard().check(text)


@given(st.ip_addresses())
def test_python_agrees(address: IPv4Address | IPv6Address) -> None:
    if AddressGuard().why_not(str(address)) is None:
        assert address.is_global or address in IPv6Network("64:ff9b::/96")
        assert not address.is_multicast
    else:
        beyond = any(address.version == network.version and address in network for network in BEYOND)
        unassigned = address.version == 6 and address not in IPv6Network("2000::/3")
        assert beyond or unassigned or not address.is_global or address.is_multicast


@given(st.ip_addresses(v=4))
def test_inside_another_address_it_is_what_it_is(inner: IPv4Address) -> None:
    guard = AddressGuard()
    refused = guard.why_not(str(inner)) is not None
    for outer in (f"::ffff:{inner}", f"64:ff9b::{inner}", f"2606:4700::5efe:{inner}"):
        assert (guard.why_not(outer) is not None) == refused
    assert guard.why_not(f"::{inner}") is not None
    assert guard.why_not(str(ip_address(0x2002 << 112 | int(inner) << 80))) is not None


# URLs


@pytest.mark.parametrize(
    ("url", "sent_to"),
    [
        ("https://hooks.example.com/a%2Fb?c=d%26e", "https://hooks.example.com/a%2Fb?c=d%26e"),
        ("HTTPS://Hooks.Example.com", "https://hooks.example.com"),
        ("https://hooks.example.com.:8443/", "https://hooks.example.com.:8443/"),
        ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        ("https://a_b.example/", "https://a_b.example/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://[2606:4700:4700::1111]:8443/x", "https://[2606:4700:4700::1111]:8443/x"),
        ("https://1password.example/", "https://1password.example/"),
    ],
)
def test_a_good_url_is_taken(url: str, sent_to: str) -> None:
    assert str(check_url(url, AddressGuard(), http=False)) == sent_to


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://hooks.example.com/", "SEGUE_WEBHOOKS_HTTP"),
        ("ftp://hooks.example.com/", "no https URL"),
        ("hooks.example.com/segue", "no https URL"),
        ("//hooks.example.com/", "no https URL"),
        ("https:hooks", "no https URL"),
        ("https:///x", "no https URL"),
        ("", "no https URL"),
        ("https://[::1", "no URL"),
        ("https://hooks.example.com:99999/", "no URL"),
        ("https://hooks.example.com:0/", "port 0"),
        ("https://user:pass@hooks.example.com/", "Authorization header"),
        ("https://hooks.example.com@10.0.0.1/", "Authorization header"),
        ("https://hooks.example.com/#x", "fragment"),
        ("https://hooks.example.com\\@10.0.0.1/", "backslash"),
        ("https://hooks.example.com/a b", "a space"),
        ("https://hooks.example.com/\r\nX: y", "a space"),
        ("https://a..b/", "no host name"),
        (f"https://{'a' * 64}.example/", "no host name"),
        (f"https://hooks.example.com/{'a' * MOST_CHARS}", "more than"),
        ("https://10.0.0.1/", "10.0.0.1 is private"),
        ("https://10.0.0.1./", "read in several ways"),
        ("https://8.8.8.8./", "read in several ways"),
        ("https://169.254.169.254/latest/meta-data/", "link-local"),
        ("https://0.0.0.0/", "unspecified"),
        ("https://localhost:6379/", "localhost is loopback"),
        ("https://LOCALHOST./", "loopback"),
        ("https://redis.localhost/", "loopback"),
        ("https://[::1]/", "loopback"),
        ("https://[::ffff:127.0.0.1]/", "loopback"),
        ("https://[fe80::1%25eth0]/", "link-local"),
        ("https://0x7f.1/", "read in several ways"),
        ("https://0x7f000001/", "read in several ways"),
        ("https://2130706433/", "read in several ways"),
        ("https://017700000001/", "read in several ways"),
        ("https://0177.0.0.1/", "read in several ways"),
        ("https://127.1/", "read in several ways"),
        ("https://127.0.0.0x1./", "read in several ways"),
        ("https://1.2.3.4.5/", "read in several ways"),
        ("https://0/", "read in several ways"),
        ("https://%31%32%37.0.0.1/", "read in several ways"),
        ("https://%6cocalhost/", "no host name"),
        ("https://①②⑦.⓪.⓪.①/", "127.0.0.1 is loopback"),
        ("https://127。0。0。1/", "127.0.0.1 is loopback"),
    ],
)
def test_a_bad_url_is_refused_with_the_remedy(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        check_url(url, AddressGuard(), http=False)


def test_settings_allow_http_and_this_machine() -> None:
    guard = AddressGuard(["127.0.0.0/8"])
    for url in ("http://127.0.0.1:9000/", "http://localhost:9000/", "https://hooks.example.com/"):
        assert str(check_url(url, guard, http=True)) == url
    with pytest.raises(ValueError, match="loopback"):
        check_url("http://[::1]/", guard, http=True)


@given(st.text() | st.from_regex(r"https?://[\w.:@\[\]%①。-]{1,20}(/.*)?", fullmatch=True))
def test_whatever_is_said_it_is_a_url_or_a_message(text: str) -> None:
    try:
        url = check_url(text, AddressGuard(), http=True)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either is right
    else:
        assert url.scheme in {"http", "https"}
        assert check_url(str(url), AddressGuard(), http=True) == url
