"""Where sources may be fetched from: public addresses, and what the installation's owner has allowed beside them.

Without this, whoever may build could let the server ask its own neighbours: databases, routers, metadata services.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from actorium.builders import BuildFailed
from actorium.builds.sources.proxies import Proxies

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, as texts. Raises OSError."""

_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))  # IPv4 behind NAT64: the last four bytes


class Refused(BuildFailed):
    """A host lies where sources may not come from."""


class Reach:
    """Which addresses may be asked, and through which proxy. ``networks``: allowed beside public ones, with commas
    between."""

    def __init__(self, networks: str = "", *, lookup: Lookup | None = None, proxies: Proxies | None = None) -> None:
        self.proxies = proxies or Proxies({})
        self._networks = [ip_network(part.strip(), strict=False) for part in networks.split(",") if part.strip()]
        self._lookup = lookup or look_up

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be asked, at least one. Raises Refused, BuildFailed."""
        try:
            found = list(await self._lookup(host, port))
        except OSError as error:
            raise BuildFailed(f"The host {host!r} of the sources was not found. Correct their address.") from error
        return self._permitted(host, found)

    async def check(self, host: str, port: int) -> None:
        """The same for a host that a proxy looks up: what is not found here, it may know. Raises Refused."""
        try:
            found = list(await self._lookup(host, port))
        except OSError:
            return
        self._permitted(host, found)

    def _permitted(self, host: str, found: Sequence[str]) -> list[str]:
        good = [address for address in found if self.permits(address)]
        if not good:
            raise Refused(
                f"The host {host!r} of the sources is not on the public internet. If it is this server itself, let"
                " ACTORIUM_PUBLIC_URL be that address; if it is another machine, whoever runs this server can allow it"
                " with ACTORIUM_SOURCE_NETWORKS."
            )
        return good

    def permits(self, text: str) -> bool:
        """Whether an address may be asked."""
        address = ip_address(text.partition("%")[0])
        if _within(address, self._networks):
            return True
        return all(one.is_global and not one.is_multicast for one in (address, *_inside(address)))


def is_literal(host: str) -> bool:
    """Whether a host is an address already."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


async def look_up(host: str, port: int) -> list[str]:
    """Ask the system's resolver. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _within(address: IPv4Address | IPv6Address, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any((mapped or address) in network for network in networks)


def _inside(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _TRANSLATED):
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in found if one is not None]
