"""The calls that commands make, as any client would: plain HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from actorium.caller.failure import Failed
from actorium.caller.own_server import DOCTOR
from actorium.kernel.limits import CALL_SECS, LOG_LINE_BYTES_SHOWN

NO_SERVER = (
    "Start the server again, or this command if that has started it; until then nothing can be built or run."
    " Its log says why it ended."
)
CUT_OFF = "If the server has ended, start it again, or this command if that has started it. Its log says why it ended."
UNKNOWN_CALLER = (
    "Set APIFY_TOKEN, or ACTORIUM_TOKEN for this machine's own server, to a token of that server:"
    " there, 'actorium token' prints that of the first user."
)
UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class Raw:
    """A body that is sent as it is."""

    content: bytes
    content_type: str


class Api:
    """The API of one server, as one user. Raises Failed for what does not work."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, *, token: str) -> AsyncIterator[Api]:
        """Connected while the block runs."""
        headers = {"Authorization": f"Bearer {token}", "X-Apify-Request-Origin": "DEVELOPMENT"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout, auto_decompress=True) as session:
            yield cls(session, url)

    async def call(self, method: str, path: str, body: Any = None, **query: object) -> Any:
        """What is under ``data`` of the answer, or all of it where there is no envelope; None: it has no body."""
        where = f"{method} {path}"
        sent: dict[str, Any] = {"json": body}
        if isinstance(body, Raw):
            sent = {"data": body.content, "headers": {"Content-Type": body.content_type}}
        try:
            async with asyncio.timeout(CALL_SECS):
                async with self._session.request(method, self._address(path, query), **sent) as reply:
                    text = await reply.text()
        except TimeoutError:
            raise Failed(f"{where} got no answer within {CALL_SECS} seconds.", DOCTOR) from None
        except aiohttp.ClientConnectorError as error:
            raise Failed(f"{where} got no answer: {error}.", NO_SERVER) from error
        except aiohttp.ClientError as error:
            raise Failed(f"{where} got no answer: {error or type(error).__name__}.", DOCTOR) from error
        if reply.status >= 400:
            raise _refused(where, reply.status, text)
        answer = json.loads(text) if text else None
        return answer.get("data", answer) if isinstance(answer, dict) else answer

    async def log_lines(self, subject_id: str) -> AsyncIterator[str]:
        """The log of a run or build, line by line as it is written, until it has finished."""
        path = f"/v2/logs/{subject_id}"
        try:
            async with self._session.get(self._address(path, {"stream": 1})) as reply:
                if reply.status != 200:
                    raise _refused(f"GET {path}", reply.status, await reply.text())
                rest = b""
                async for piece in reply.content.iter_any():
                    *lines, rest = (rest + piece).split(b"\n")
                    if len(rest) > LOG_LINE_BYTES_SHOWN:
                        lines, rest = [*lines, rest], b""
                    for line in lines:
                        yield line.decode(errors="replace").rstrip("\r")
                if rest:
                    yield rest.decode(errors="replace")
        except aiohttp.ClientError as error:
            raise Failed(f"The log of {subject_id} broke off before its end.", CUT_OFF) from error

    def _address(self, path: str, query: Mapping[str, object]) -> str:
        return f"{self._url}{path}?{urlencode(query)}" if query else f"{self._url}{path}"


def _refused(where: str, status: int, text: str) -> Failed:
    hint = UNKNOWN_CALLER if status == UNAUTHORIZED else DOCTOR
    return Failed(f"{where} answered {status}: {_message(text)}", hint, status=status)


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text[:300]
