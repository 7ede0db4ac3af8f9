"""Archives that are records of this very server: read from the store, without a detour over the network."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from actorium.builders import BuildFailed
from actorium.builds.sources.address import HTTP_PORTS
from actorium.kernel.errors import Forbidden, Invalid, NotFound
from actorium.kernel.limits import SOURCE_FETCH_BYTES_MAX
from actorium.kernel.principal import Principal
from actorium.key_value_stores.content import streamed
from actorium.key_value_stores.reading import Content

_RECORD = re.compile(r"/v2/key-value-stores/(?P<store>[^/]+)/records/(?P<key>[^/]+)")


class ReadRecord(Protocol):
    """``KeyValueStores.read``."""

    async def __call__(
        self, principal: Principal, address: str, key: str, *, signature: str | None = None
    ) -> Content: ...


class Records:
    """Records of this server as sources. ``own``: the addresses under which it is reached, without /v2."""

    def __init__(self, read: ReadRecord, *, own: Collection[str]) -> None:
        self._read = read
        self._own = {base for url in own if (base := _base(url)) is not None}

    def path_of(self, url: str) -> tuple[str, str, str | None] | None:
        """The store, the key and the signature in a record's address; None: it is no record of this server."""
        found = _base(url)
        if found is None:
            return None
        for origin, prefix in self._own:
            if found[0] == origin and found[1].startswith(f"{prefix}/"):
                match = _RECORD.fullmatch(found[1], len(prefix))
                if match is not None:
                    signature = parse_qs(urlsplit(url).query).get("signature", [None])[0]
                    return unquote(match["store"]), unquote(match["key"]), signature
        return None

    async def download(self, owner: Principal, path: tuple[str, str, str | None], into: Path) -> None:
        """Write a record, decoded, to a file. The owner's rights or the signature must open it. Raises BuildFailed."""
        store_id, key, signature = path
        try:
            content = await self._read(owner, store_id, key, signature=signature)
        except (NotFound, Forbidden, Invalid) as error:
            raise BuildFailed(
                f"The archive, record {key!r} of the key-value store {store_id!r}, cannot be read: {error.message}"
                " Push the sources again."
            ) from error
        left = SOURCE_FETCH_BYTES_MAX
        with into.open("wb") as file:
            async for piece in streamed(content.plain()):
                left -= len(piece)
                if left < 0:
                    raise BuildFailed(f"The archive is larger than {SOURCE_FETCH_BYTES_MAX // 1_048_576} MB.")
                file.write(piece)


def _base(url: str) -> tuple[tuple[str, str, int], str] | None:
    """Scheme, host and port, and the path."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in HTTP_PORTS or not parts.hostname:
        return None
    return (parts.scheme, parts.hostname.lower(), port or HTTP_PORTS[parts.scheme]), parts.path.rstrip("/")
