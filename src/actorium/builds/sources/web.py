"""Fetching over HTTP: only from where sources may come, with every redirect checked, within sizes and times."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from actorium import __version__
from actorium.builders import BuildFailed
from actorium.builds.sources.address import HttpAddress, authorization, http_address, shown
from actorium.builds.sources.reach import Reach, is_literal, look_up
from actorium.kernel.limits import (
    SOURCE_CONNECT_SECS,
    SOURCE_FETCH_BYTES_MAX,
    SOURCE_FETCH_SECS,
    SOURCE_PIECE_BYTES,
    SOURCE_REDIRECTS_MAX,
    SOURCE_STALL_SECS,
)

_MOVED = (301, 302, 303, 307, 308)
_TIMES = aiohttp.ClientTimeout(total=SOURCE_FETCH_SECS, sock_connect=SOURCE_CONNECT_SECS, sock_read=SOURCE_STALL_SECS)
_HEADERS = {"User-Agent": f"actorium/{__version__}", "Accept-Encoding": "identity"}


class _Resolver(AbstractResolver):
    """Names only what may be asked; aiohttp connects to these very addresses and looks nothing up again."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self.proxy_host: str | None = None
        """Which the server's own environment names: it may be anywhere."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del family  # either will do
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._addresses(host, port)
        ]

    async def _addresses(self, host: str, port: int) -> list[str]:
        return await look_up(host, port) if host == self.proxy_host else await self._reach.addresses(host, port)

    async def close(self) -> None:
        """Nothing is held."""


class Web:
    """An HTTP client for sources."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    @asynccontextmanager
    async def opened(
        self, address: HttpAddress, headers: Mapping[str, str] = {}
    ) -> AsyncIterator[tuple[HttpAddress, aiohttp.ClientResponse]]:
        """A reply, whatever its status, and the address it came from in the end. Raises BuildFailed."""
        resolver = _Resolver(self._reach)
        trust = await asyncio.to_thread(ssl.create_default_context)  # reads the machine's certificates
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, ssl=trust)
        session = aiohttp.ClientSession(
            connector=connector, timeout=_TIMES, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False,
            headers={**_HEADERS, **headers},
        )  # fmt: skip
        async with session:
            asked = address
            for _ in range(SOURCE_REDIRECTS_MAX + 1):
                proxy = self._reach.proxies.of(address.url)
                resolver.proxy_host = urlsplit(proxy).hostname if proxy else None
                if proxy or is_literal(address.host):  # of which aiohttp asks no resolver
                    await self._reach.check(address.host, address.port)
                sent = authorization(address.user, address.password)
                try:
                    response = await session.get(
                        URL(address.url, encoded=True), allow_redirects=False, headers=sent, proxy=proxy
                    )
                except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                    raise _unreachable(address, error) from error
                async with response:
                    if response.status not in _MOVED or "location" not in response.headers:
                        yield address, response
                        return
                    address = _moved(address, response.headers["location"])
        raise BuildFailed(
            f"{shown(asked.url)} redirects more than {SOURCE_REDIRECTS_MAX} times. Use the final address."
        )

    async def download(self, url: str, into: Path) -> None:
        """Fetch a file. Raises BuildFailed; what is there of the file then is of no use."""
        async with self.opened(http_address(url)) as (address, response):
            if response.status != 200:
                raise BuildFailed(_refusal(address, response.status))
            if (response.content_length or 0) > SOURCE_FETCH_BYTES_MAX:
                raise _too_large()
            left = SOURCE_FETCH_BYTES_MAX
            try:
                with into.open("wb") as file:
                    async for piece in response.content.iter_chunked(SOURCE_PIECE_BYTES):
                        left -= len(piece)
                        if left < 0:
                            raise _too_large()
                        file.write(piece)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise _unreachable(address, error) from error


def _too_large() -> BuildFailed:
    return BuildFailed(
        f"The archive is larger than {SOURCE_FETCH_BYTES_MAX // 1_048_576} MB. Leave out what the build can install or"
        " make itself, such as node_modules or data."
    )


def _moved(address: HttpAddress, location: str) -> HttpAddress:
    """The next address. Credentials go along only to the same place, and never from https to http."""
    target = http_address(urljoin(address.url, location))
    before, after = urlsplit(address.url), urlsplit(target.url)
    if before.scheme == "https" and after.scheme == "http":
        raise BuildFailed(f"{shown(address.url)} redirects to an address without encryption. Use the final address.")
    if target.user or before.netloc != after.netloc:
        return target
    return HttpAddress(url=target.url, host=target.host, port=target.port, user=address.user, password=address.password)


def _refusal(address: HttpAddress, status: int) -> str:
    place = shown(address.url)
    if status in (401, 403):
        return f"{place} answers {status}: the archive is not for everybody. Use a signed or public address."
    if status in (404, 410):
        return f"{place} answers {status}: there is no archive. Correct tarballUrl, or upload the archive again."
    return f"{place} answers {status} instead of the archive. Try again later, or use another address."


def _unreachable(address: HttpAddress, error: Exception) -> BuildFailed:
    if isinstance(error, TimeoutError):
        return BuildFailed(f"{shown(address.url)} did not answer in time. Try again later.")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return BuildFailed(f"{shown(address.url)} has a certificate that this server does not trust: {error.os_error}.")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return BuildFailed(f"{shown(address.url)} could not be fetched: {reason}. Try again later, or correct the address.")
