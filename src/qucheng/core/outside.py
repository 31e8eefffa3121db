"""Addresses that others name for us to send to: which of them lie outside, so that nobody is reached through us who could not be reached anyway.

The ranges stand here by name where Python's own judgement differs between its releases.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, ClassVar, TypeAlias
from urllib import parse

import msgspec

from qucheng.core import errors

if TYPE_CHECKING:
    from collections.abc import Collection

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_URL = 500
PORTS = frozenset({443, 8443})
VISIBLE = re.compile("[!-~]+")
LABEL = re.compile("(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
NAME = 253
# addresses of the public internet are in here, and nowhere else
PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
NOT_PUBLIC: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # relays of 6to4
        "2001::/23",  # Teredo and other protocols
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: has an IPv4 address in it
        "3fff::/20",  # documentation
    )
)


class UrlRefusedError(errors.RefusedError):
    """Nothing is sent to such an address of a page."""

    code: ClassVar[str] = "outside.url"
    status: ClassVar[int] = 422


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """host: a name in ASCII, or an address without brackets. path: with the query."""

    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return shown if self.port == 443 else f"{shown}:{self.port}"  # noqa: PLR2004 - https's own


def target(url: str, *, allowed: Collection[str] = ()) -> Target:
    """Raises UrlRefusedError for anything but https://host/…, on port 443 or 8443. allowed: networks with any port."""
    if not 1 <= len(url) <= LONGEST_URL or not VISIBLE.fullmatch(url) or "\\" in url:
        raise UrlRefusedError(f"An address has at most {LONGEST_URL} visible characters of ASCII.")
    try:
        parts = parse.urlsplit(url)
        host, port = (parts.hostname or "").removesuffix("."), 443 if parts.port is None else parts.port
    except ValueError:
        raise UrlRefusedError("This is no address.") from None
    if parts.scheme != "https":
        raise UrlRefusedError("An address begins with https://.")
    if "@" in parts.netloc or parts.fragment:
        raise UrlRefusedError("An address has neither a user nor a fragment.")
    literal = _literal(host)
    if literal is None and not _is_name(host) and not (allowed and host == "localhost"):
        raise UrlRefusedError("The host is a name or an address.")
    within = literal is not None and _is_among(literal, allowed)
    if literal is not None and not within and not is_public(literal):
        raise UrlRefusedError("The address is not one of the public internet.")
    if port not in PORTS and not allowed:
        raise UrlRefusedError("The port is 443 or 8443.")
    return Target(host=host, port=port, path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def may_be_reached(text: str, port: int, *, allowed: Collection[str] = ()) -> bool:
    """Whether something is sent to this address: one of the public internet, or one of the networks that are allowed."""
    address = _literal(text)
    if address is None:
        return False
    return _is_among(address, allowed) or (port in PORTS and is_public(address))


def is_public(address: Address) -> bool:
    if address.is_multicast or not address.is_global or any(address in network for network in NOT_PUBLIC):
        return False
    return address.version == 4 or address in PUBLIC_V6  # noqa: PLR2004 - of IP


def _is_among(address: Address, networks: Collection[str]) -> bool:
    return any(address in ipaddress.ip_network(network) for network in networks)


def _literal(host: str) -> Address | None:
    """Of an address with a zone (fe80::1%eth0) nothing: it is of one machine."""
    try:
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_name(host: str) -> bool:
    """With a dot in it, and ending in a word: what ends in a number would be read as an address by some."""
    labels = host.split(".")
    if len(host) > NAME or len(labels) == 1 or not all(LABEL.fullmatch(label) for label in labels):
        return False
    return not re.fullmatch("[0-9]+|0[xX][0-9A-Fa-f]*", labels[-1])
