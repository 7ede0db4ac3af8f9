"""Calls to a server that is not there, or goes away, or does not know the caller."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from rich.console import Console

from actorium.caller.api import Api
from actorium.caller.failure import Failed
from actorium.dev.screen import Screen

pytestmark = pytest.mark.anyio


async def test_a_server_that_is_down_is_to_be_started(anyio_backend: str) -> None:
    """Not to be looked for in what the machine lacks."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        async with Api.at(f"http://127.0.0.1:{nobody.getsockname()[1]}", token="t") as api:
            with pytest.raises(Failed, match="got no answer") as caught:
                await api.call("GET", "/v2/users/me")
    assert caught.value.hint.startswith("Start the server")


@asynccontextmanager
async def answering(reply: bytes) -> AsyncIterator[Api]:
    """A server that answers every call so, and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 " + reply)
        await writer.drain()
        writer.close()

    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as server,
        Api.at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", token="t") as api,
    ):
        yield api


async def test_a_log_that_breaks_off_is_no_fault_of_the_machine(anyio_backend: str) -> None:
    async with answering(b"200 OK\r\nContent-Length: 100\r\n\r\none line\n") as api:
        with pytest.raises(Failed, match="broke off") as caught:
            assert [line async for line in api.log_lines("r1")] == ["one line"]
    assert "If the server has ended, start it again" in caught.value.hint


async def test_who_is_not_known_is_told_where_tokens_are(anyio_backend: str) -> None:
    said = b'{"error": {"type": "user-or-token-not-found", "message": "User was not found."}}'
    async with answering(b"401 No\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said)) as api:
        with pytest.raises(Failed, match=r"answered 401: User was not found\.") as caught:
            await api.call("GET", "/v2/users/me")
    shown = io.StringIO()
    Screen(Console(file=shown)).fail(caught.value)
    assert "'actorium token'" in shown.getvalue()
