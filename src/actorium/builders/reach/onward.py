"""From this machine to a host: directly, or through the proxy that the server's environment names."""

from __future__ import annotations

import asyncio
import base64
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from actorium.kernel.limits import HEAD_SECS_MAX

_PIECE = 65_536
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Onward:
    """Opens connections. Raises OSError, also for what a proxy does not let through."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._proxies = {
            kind: environment.get(f"{kind}_proxy") or environment.get(f"{kind.upper()}_PROXY") or ""
            for kind in ("http", "https", "all", "no")
        }

    def proxy(self, host: str, port: int, *, secure: bool) -> str:
        """The address of the proxy to use for a host; empty: none."""
        found = self._proxies["https" if secure else "http"] or self._proxies["all"]
        if not found or self._is_near(host, port):
            return ""
        return found if "://" in found else f"http://{found}"

    def _is_near(self, host: str, port: int) -> bool:
        """As NO_PROXY says it: names, also of all that is below them, with or without a port, or a star."""
        for entry in (part.strip().lower() for part in self._proxies["no"].split(",")):
            name = entry.removeprefix("*").lstrip(".") if entry != "*" else entry
            if name in ("*", host, f"{host}:{port}") or (name and f".{host}".endswith(f".{name}")):
                return True
        return False

    async def tunnel(self, host: str, port: int) -> tuple[StreamReader, StreamWriter]:
        """A connection to a host, for whatever is spoken there."""
        proxy = self.proxy(host, port, secure=True)
        if not proxy:
            return await _dial(host, port)
        reader, writer = await _to_proxy(proxy)
        try:
            place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            writer.write(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{login(proxy)}\r\n".encode())
            async with asyncio.timeout(HEAD_SECS_MAX):
                head = await reader.readuntil(b"\r\n\r\n")
            if head.split(None, 2)[1] != b"200":
                raise OSError(f"the machine's own proxy said {head.splitlines()[0].decode('latin-1')}")
        except BaseException as error:
            writer.close()
            if isinstance(error, asyncio.IncompleteReadError | asyncio.LimitOverrunError | IndexError):
                raise OSError("the machine's own proxy did not answer as one") from error
            raise
        return reader, writer

    async def plain(self, host: str, port: int) -> tuple[StreamReader, StreamWriter, str]:
        """A connection for one request of plain HTTP, and the proxy that it leads to, if to one."""
        proxy = self.proxy(host, port, secure=False)
        reader, writer = await (_to_proxy(proxy) if proxy else _dial(host, port))
        return reader, writer, proxy


def login(proxy: str) -> str:
    """The line that a proxy wants to know who asks, if its address says."""
    parts = urlsplit(proxy)
    if parts.username is None:
        return ""
    words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Proxy-Authorization: Basic {base64.b64encode(words.encode()).decode()}\r\n"


async def _to_proxy(proxy: str) -> tuple[StreamReader, StreamWriter]:
    parts = urlsplit(proxy)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise OSError(f"a proxy of the kind {parts.scheme} can't be used: name an http or https one")
    context = ssl.create_default_context() if parts.scheme == "https" else None
    return await _dial(parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme], context)


async def _dial(host: str, port: int, context: ssl.SSLContext | None = None) -> tuple[StreamReader, StreamWriter]:
    async with asyncio.timeout(HEAD_SECS_MAX):
        return await asyncio.open_connection(host, port, ssl=context, limit=_PIECE)
