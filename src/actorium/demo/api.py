"""The calls that the demo makes, as any client would: plain HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp

from actorium.demo.failure import DemoFailed
from actorium.demo.server import DOCTOR
from actorium.kernel.limits import DEMO_CALL_SECS

_SKIPPED = {".git", ".venv", "storage", "__pycache__"}


class Api:
    """The API of one server, as one user. Raises DemoFailed for what does not work."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, *, token: str) -> AsyncIterator[Api]:
        """Connected while the block runs."""
        headers = {"Authorization": f"Bearer {token}"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout, auto_decompress=True) as session:
            yield cls(session, url)

    async def call(self, method: str, path: str, body: Any = None, **query: object) -> Any:
        """What is under ``data`` of the answer, or all of it where there is no envelope."""
        where = f"{method} {path}"
        try:
            async with asyncio.timeout(DEMO_CALL_SECS):
                async with self._session.request(method, self._address(path, query), json=body) as reply:
                    text = await reply.text()
        except TimeoutError:
            raise DemoFailed(f"{where} got no answer within {DEMO_CALL_SECS} seconds.", DOCTOR) from None
        except aiohttp.ClientError as error:
            raise DemoFailed(f"{where} got no answer: {error or type(error).__name__}.", DOCTOR) from error
        if reply.status >= 400:
            raise DemoFailed(f"{where} answered {reply.status}: {_message(text)}", DOCTOR)
        answer = json.loads(text)
        return answer["data"] if isinstance(answer, dict) else answer

    async def log_lines(self, subject_id: str) -> AsyncIterator[str]:
        """The log of a run or build, line by line as it is written, until it has finished."""
        path = f"/v2/logs/{subject_id}"
        try:
            async with self._session.get(self._address(path, {"stream": 1})) as reply:
                if reply.status != 200:
                    raise DemoFailed(f"GET {path} answered {reply.status}: {_message(await reply.text())}", DOCTOR)
                async for line in reply.content:
                    yield line.decode(errors="replace").rstrip("\r\n")
        except (aiohttp.ClientError, ValueError) as error:  # ValueError: a line longer than the reader's buffer
            raise DemoFailed(f"The log of {subject_id} broke off before its end.", DOCTOR) from error

    def _address(self, path: str, query: Mapping[str, object]) -> str:
        return f"{self._url}{path}?{urlencode(query)}" if query else f"{self._url}{path}"


def source_files(folder: Path) -> list[dict[str, str]]:
    """The files of an Actor's folder as a version holds them."""
    return [{"name": path.relative_to(folder).as_posix(), **_content(path)} for path in _files(folder)]


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _SKIPPED & set(path.relative_to(folder).parts):
            yield path


def _content(path: Path) -> dict[str, str]:
    content = path.read_bytes()
    try:
        return {"format": "TEXT", "content": content.decode()}
    except UnicodeDecodeError:
        return {"format": "BASE64", "content": base64.b64encode(content).decode()}


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text[:300]
