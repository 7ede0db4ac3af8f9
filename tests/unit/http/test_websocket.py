"""WebSockets through the ASGI interface."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actorium.http.websocket import Socket, SocketClosed
from actorium.kernel.errors import NotFound

pytestmark = pytest.mark.anyio


class Peer:
    """The other end of a connection, as an ASGI server shows it."""

    def __init__(self, *messages: dict[str, Any], gone: bool = False) -> None:
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.inbox.put_nowait({"type": "websocket.connect"})
        for message in messages:
            self.inbox.put_nowait(message)
        self.sent: list[dict[str, Any]] = []
        self.gone = gone

    async def send(self, message: dict[str, Any]) -> None:
        if self.gone and message["type"] == "websocket.send":
            raise OSError("gone")
        self.sent.append(message)

    async def visit(self, app: Any, path: str, *, query: str = "", denial: bool = True) -> list[dict[str, Any]]:
        scope = {
            "type": "websocket",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [],
            "extensions": {"websocket.http.response": {}} if denial else {},
        }
        async with asyncio.timeout(5):
            await app(scope, self.inbox.get, self.send)
        return self.sent


LEAVE = {"type": "websocket.disconnect", "code": 1001}


async def greet(socket: Socket) -> None:
    await socket.accept()
    await socket.send_text(f"{socket['runId']} {socket.principal.username} {socket.query.get('x')}")
    await socket.wait_closed()


@pytest.fixture
def app(make_app: Any) -> Any:
    async def refuse(socket: Socket) -> None:
        raise NotFound("No such run.")

    async def broken(socket: Socket) -> None:
        await socket.accept()
        raise KeyError("bug")

    async def echo(socket: Socket) -> None:
        await socket.accept()
        assert await socket.receive() == "hi"
        await socket.send_text("back")

    async def shut(socket: Socket) -> None:
        await socket.accept()
        await socket.close(4000, "enough")
        with pytest.raises(SocketClosed):
            await socket.send_text("late")

    paths = {"refuse": refuse, "broken": broken, "echo": echo, "shut": shut}
    handlers = {f"/v2/{name}": handler for name, handler in paths.items()}
    return make_app([], websockets={"/v2/actor-runs/{runId}/events": greet, **handlers})


async def test_accept_send_and_wait_until_the_peer_leaves(app: Any) -> None:
    peer = Peer({"type": "websocket.receive", "text": "ignored"}, LEAVE)
    sent = await peer.visit(app, "/v2/actor-runs/r1/events", query="token=alice-token&x=1")
    assert sent == [{"type": "websocket.accept"}, {"type": "websocket.send", "text": "r1 alice 1"}]


async def test_strangers_reach_the_handler_as_nobody(app: Any) -> None:
    sent = await Peer(LEAVE).visit(app, "/v2/actor-runs/r1/events")
    assert sent[1]["text"] == "r1  None"


async def test_the_connection_is_closed_after_the_handler(app: Any) -> None:
    sent = await Peer({"type": "websocket.receive", "text": "hi"}).visit(app, "/v2/echo")
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert sent[-1]["code"] == 1000


async def test_a_handler_may_close_with_its_own_code(app: Any) -> None:
    sent = await Peer().visit(app, "/v2/shut")
    assert sent[-1] == {"type": "websocket.close", "code": 4000, "reason": "enough"}


@pytest.mark.parametrize(
    ("path", "query", "status", "kind"),
    [
        ("/v2/refuse", "", 404, b"record-not-found"),
        ("/v2/nothing", "", 404, b"page-not-found"),
        ("/v2/actor-runs/r1/events", "token=wrong", 401, b"user-or-token-not-found"),
    ],
)
async def test_refusals_before_the_handshake_are_http(
    app: Any, path: str, query: str, status: int, kind: bytes
) -> None:
    sent = await Peer().visit(app, path, query=query)
    assert sent[0]["status"] == status
    assert kind in sent[1]["body"]
    sent = await Peer().visit(app, path, query=query, denial=False)
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_bugs_close_with_1011(app: Any) -> None:
    sent = await Peer().visit(app, "/v2/broken")
    assert sent[-1]["code"] == 1011


async def test_sending_to_a_peer_that_left(app: Any) -> None:
    sent = await Peer({"type": "websocket.receive", "text": "hi"}, gone=True).visit(app, "/v2/echo")
    assert sent == [{"type": "websocket.accept"}]
