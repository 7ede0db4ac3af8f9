"""A container engine's API for the server: Docker's, over a socket of this machine, which Podman answers too."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from actorium.kernel.errors import BackendUnavailable, Unavailable
from actorium.kernel.limits import ENGINE_ANSWER_SECS_MAX, ENGINE_LINE_BYTES_MAX

_HEREDOCS_SINCE = [4, 8]  # of Podman


class EngineRefused(Unavailable):
    """The engine said no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ContainerEngine:
    """One engine. Raises BackendUnavailable when it does not answer, EngineRefused when it says no."""

    def __init__(self, path: str) -> None:
        self.socket = path
        self._version: dict[str, Any] | None = None
        self._opened: aiohttp.ClientSession | None = None

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(self.socket),
                base_url="http://engine",
                timeout=aiohttp.ClientTimeout(total=ENGINE_ANSWER_SECS_MAX),
            )
        return self._opened

    async def call(self, method: str, target: str, **params: str) -> Any:
        """One call with a short answer, decoded."""
        try:
            async with self._session.request(method, target, params=params) as reply:
                answer = await reply.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._absent(error) from error
        if reply.status >= 400:
            raise EngineRefused(reply.status, _message(answer))
        return _decoded(answer)

    async def stream(
        self, target: str, *, content: AsyncIterator[bytes] | None = None, **params: str
    ) -> AsyncIterator[dict[str, Any]]:
        """A long call's messages as they come. The engine ends the work when the connection closes."""
        endless = aiohttp.ClientTimeout(total=None)
        headers = {"Content-Type": "application/x-tar"} if content is not None else {}
        try:
            async with self._session.post(
                target, params=params, data=content, headers=headers, timeout=endless
            ) as reply:
                if reply.status >= 400:
                    raise EngineRefused(reply.status, _message(await reply.read()))
                async for line in _lines(reply.content):
                    message = _decoded(line)
                    if isinstance(message, dict):
                        yield message
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._absent(error) from error

    def _absent(self, error: BaseException) -> BackendUnavailable:
        why = str(error) or type(error).__name__
        return BackendUnavailable(
            f"The container engine at {self.socket} does not answer ({why}). Start it, or name another one in "
            "ACTORIUM_CONTAINER_HOST."
        )

    async def version(self) -> dict[str, Any]:
        """What it says of itself, asked once."""
        if self._version is None:
            self._version = await self.call("GET", "/version") or {}
        return self._version

    async def is_podman(self) -> bool:
        """Podman differs where Docker's API has no word for something, or another one."""
        parts = (await self.version()).get("Components") or ()
        return any("Podman" in str(one.get("Name", "")) for one in parts)

    async def knows_heredocs(self) -> bool:
        """Whether its builds read heredocs in Dockerfiles; Docker's classic builder never does."""
        digits = [int(part) for part in re.findall(r"\d+", str((await self.version()).get("Version")))[:2]]
        return await self.is_podman() and digits >= _HEREDOCS_SINCE

    async def image(self, reference: str) -> dict[str, Any] | None:
        """What is known of an image of this machine; None: there is none."""
        try:
            found: dict[str, Any] = await self.call("GET", f"/images/{reference.lstrip('/')}/json")
        except EngineRefused as error:
            if error.status in (400, 404, 500):  # no such image, or no name of an image at all
                return None
            raise
        return found

    async def labelled(self, label: str) -> list[dict[str, Any]]:
        """Containers with this label, those that ended included."""
        found: list[dict[str, Any]] = await self.call(
            "GET", "/containers/json", all="true", filters=json.dumps({"label": [label]})
        )
        return found

    async def remove_container(self, reference: str) -> None:
        """End and remove a container; absent is success."""
        try:
            await self.call("DELETE", f"/containers/{reference}", force="true", v="true")
        except EngineRefused as error:
            if error.status not in (404, 409):  # gone, or somebody is removing it
                raise

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in content.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line
        if len(rest) > ENGINE_LINE_BYTES_MAX:
            raise EngineRefused(502, "It sent a line without an end.")
    yield rest


def _decoded(answer: bytes) -> Any:
    try:
        return json.loads(answer) if answer.strip() else None
    except ValueError:
        return answer.decode("utf-8", "replace")


def _message(answer: bytes) -> str:
    found = _decoded(answer)
    if isinstance(found, dict) and "message" in found:
        return str(found["message"])
    return str(found or "no reason given")[:500]
