"""The web proxies that the server's environment names, by the variables that everybody uses."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

_SCHEMES = ("http", "https")


class Proxies:
    """``http_proxy``, ``https_proxy``, ``no_proxy``, and the same in capitals."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        def named(name: str) -> str:
            return (environment.get(name) or environment.get(name.upper()) or "").strip()

        self._by_scheme = {scheme: named(f"{scheme}_proxy") for scheme in _SCHEMES}
        self._exempt = [part.strip().lstrip("*.").lower() for part in named("no_proxy").split(",") if part.strip()]
        self._nobody = named("no_proxy") == "*"

    def of(self, url: str) -> str | None:
        """The proxy through which an address is asked."""
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        if self._nobody or any(host == name or host.endswith(f".{name}") for name in self._exempt):
            return None
        proxy = self._by_scheme.get(parts.scheme)
        return (proxy if "://" in proxy else f"http://{proxy}") if proxy else None
