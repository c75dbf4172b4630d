"""Which URLs an endpoint may have: what can be said of one before its name is looked up.

It is parsed by yarl, which aiohttp sends by: what is judged here is what is connected to. The address behind a name is
judged when it is connected to.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

from yarl import URL

from streams.http.webhooks.addresses import refusal

if TYPE_CHECKING:
    from streams.http.webhooks.addresses import AddressGuard

MOST_CHARS = 2_048

_CONTROLS = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_LAST_IS_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.IGNORECASE)
"""Of such hosts browsers and C libraries make IPv4 addresses: 2130706433, 0x7f.1 and 017700000001 are 127.0.0.1."""

_NAME = re.compile(r"(?=.{1,253}$)[\w-]{1,63}(?:\.[\w-]{1,63})*", re.ASCII)
_THIS_MACHINE = re.compile(r"(?:.*\.)?localhost", re.IGNORECASE)


def check_url(text: str, guard: AddressGuard, *, http: bool) -> URL:
    """Return a URL as it will be sent to; raises `ValueError` with what is wrong and the remedy.

    Parameters
    ----------
    http
        Whether `http://` will do, too.
    """
    if len(text) > MOST_CHARS:
        message = f"the URL has more than {MOST_CHARS} characters"
        raise ValueError(message)
    if _CONTROLS.search(text):
        message = "the URL has a space, a backslash or a control character in it; percent-encode it"
        raise ValueError(message)
    try:
        url = URL(text)
        port = url.port
    except ValueError as error:
        message = f"this is no URL ({error}); write https://hooks.example.com/segue"
        raise ValueError(message) from None
    _check_parts(url, port, http=http)
    _check_host(url.raw_host or "", guard)
    return url


def _check_parts(url: URL, port: int | None, *, http: bool) -> None:
    message = ""
    if url.scheme == "http" and not http:
        message = "http sends what it says to everybody on the way: use https, or set SEGUE_WEBHOOKS_HTTP=true"
    elif url.scheme not in {"http", "https"} or not url.raw_host:
        message = "this is no https URL; write https://hooks.example.com/segue"
    elif url.raw_user is not None or url.raw_password is not None:
        message = "the URL holds a user or a password, which would be shown; send an Authorization header by `headers`"
    elif url.raw_fragment:
        message = "the URL has a fragment (#…), which is never sent; leave it out"
    elif not port:
        message = "port 0 is none"
    if message:
        raise ValueError(message)


def _check_host(host: str, guard: AddressGuard) -> None:
    """Judge a host that is an address, or that everybody knows for one."""
    name = host.removesuffix(".")
    try:
        address = str(ip_address(host if _LAST_IS_A_NUMBER.fullmatch(name) else name))
    except ValueError:
        if _LAST_IS_A_NUMBER.fullmatch(name):
            message = f"{host} is an address in a form that is read in several ways; write four decimal numbers"
            raise ValueError(message) from None
        if not _NAME.fullmatch(name):
            message = f"{host[:100]!r} is no host name"
            raise ValueError(message) from None
        if not _THIS_MACHINE.fullmatch(name):
            return
        address = "127.0.0.1"
    if found := guard.why_not(address):
        raise ValueError(refusal(host, found))
