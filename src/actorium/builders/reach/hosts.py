"""Which hosts are let through: by exact name and port, or all below a name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

_ADDRESS = re.compile(r"https?://[^\s\"']+")
_INDEXES = (
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS",
    "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS",
)  # fmt: skip
WEB_PORTS = (80, 443)
"""Of an entry that names none. An entry is a name, with a dot before it for all below it, and perhaps a port."""


def registries(variables: Mapping[str, str], npmrc: str, more: Iterable[str] = ()) -> list[str]:
    """What the host's settings of pip, uv and npm name, and ``more`` addresses, as entries with ports."""
    texts = [variables[name] for name in _INDEXES if name in variables]
    for line in npmrc.splitlines():
        key, _, value = line.partition("=")
        if key.endswith("registry"):
            texts.append(value)
    found: dict[str, None] = {}
    for text in (*texts, *more):
        for address in _ADDRESS.findall(text):
            parts = urlsplit(address)
            if parts.hostname:
                host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
                found[f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"] = None
    return list(found)


class Hosts:
    """A list of hosts."""

    def __init__(self, entries: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys(entry.lower() for entry in entries))
        self._exact: set[tuple[str, int]] = set()
        self._below: set[tuple[str, int]] = set()
        for entry in self.names:
            host, ports = _split(entry)
            for port in ports:
                (self._below if host.startswith(".") else self._exact).add((host, port))

    def allow(self, host: str, port: int) -> bool:
        """Whether a step may reach this."""
        host = host.lower().rstrip(".")
        if (host, port) in self._exact:
            return True
        parts = host.split(".")
        return any((f".{'.'.join(parts[at:])}", port) in self._below for at in range(1, len(parts)))


def _split(entry: str) -> tuple[str, tuple[int, ...]]:
    match = re.fullmatch(r"(.*?)(?::([0-9]+))?", entry)
    assert match is not None
    host, port = match[1], match[2]
    if entry.startswith("["):
        inner, _, rest = entry[1:].partition("]")
        host, port = inner, rest[1:]
    return host, (int(port),) if port else WEB_PORTS
