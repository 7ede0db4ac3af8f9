"""The two clients of a container engine, against a stand-in on a socket, and what is chosen from what answers."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actorium import app
from actorium.executors.container.engine import ContainerEngine, EngineRefused
from actorium.executors.container.executor import ContainerExecutor
from actorium.executors.container.keeper.api import Api, EngineError, Frames
from actorium.executors.container.places import sockets
from actorium.executors.container.probe import find, name, probe
from actorium.executors.process.probe import Finding
from actorium.kernel.clock import SystemClock
from actorium.kernel.errors import BackendUnavailable, Unavailable
from actorium.settings import Settings

VERSION = {"Version": "4.3.1", "Components": [{"Name": "Podman Engine"}]}
INFO = {"MemoryLimit": True, "CpuCfsQuota": True, "PidsLimit": False, "CgroupDriver": "systemd", "SecurityOptions": []}
ANSWERS = {
    "/_ping": (200, b"OK"),
    "/version": (200, json.dumps(VERSION).encode()),
    "/info": (200, json.dumps(INFO).encode()),
    "/images/there/json": (200, b'{"Id": "sha256:1"}'),
    "/build": (200, b'{"stream": "one"}\n{"stre'),  # the rest comes with the next piece
    "/broken": (500, b'{"message": "no luck"}'),
}


@asynccontextmanager
async def stand_in(path: Path) -> AsyncIterator[str]:
    """An engine that knows a few answers."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        target = head.split()[1].partition("?")[0]
        status, body = ANSWERS.get(target, (404, b'{"message": "page not found"}'))
        more = b'am": "two"}\n' if target == "/build" else b""
        length = len(body) + len(more)
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.write(more)
        writer.close()

    async with await asyncio.start_unix_server(answer, path):
        yield str(path)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "engine.sock"


@pytest.mark.anyio
async def test_the_servers_client(place: Path) -> None:
    async with stand_in(place) as path:
        engine = ContainerEngine(path)
        assert await engine.image("there") == {"Id": "sha256:1"}
        assert await engine.image("gone") is None
        assert [message async for message in engine.stream("/build")] == [{"stream": "one"}, {"stream": "two"}]
        with pytest.raises(EngineRefused, match="no luck"):
            await engine.call("GET", "/broken")
        await engine.remove_container("gone")
        await engine.close()


@pytest.mark.anyio
async def test_an_engine_that_is_not_there_says_what_to_do(place: Path) -> None:
    engine = ContainerEngine(str(place))
    with pytest.raises(BackendUnavailable, match="ACTORIUM_CONTAINER_HOST"):
        await engine.call("GET", "/_ping")
    await engine.close()


@pytest.mark.anyio
async def test_what_is_found(place: Path) -> None:
    assert await find(f"unix://{place}", {}) is None
    async with stand_in(place) as path:
        engine = await find(path, {})
        assert engine is not None
        assert await name(engine) == "Podman 4.3.1"
        found = {one.name: one for one in await probe(engine)}
        assert found["container engine"].ok
        assert (found["limits"].ok, found["limits"].meaning) == (False, "not limited: processes")
        assert not found["build groups"].ok
        await engine.close()


def test_the_usual_places(tmp_path: Path) -> None:
    (tmp_path / "podman").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "podman/podman.sock"))
        (tmp_path / "docker.sock").symlink_to(tmp_path / "podman/podman.sock")
        found = sockets("", {"XDG_RUNTIME_DIR": str(tmp_path)})
        assert found[-1] == str(tmp_path / "docker.sock")  # and not the same engine by its other name
        assert str(tmp_path / "podman/podman.sock") not in found
    assert sockets("unix:///somewhere/x", {}) == ["/somewhere/x"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("executor", "isolated", "answers", "chosen"),
    [
        ("process", False, True, False),
        ("auto", True, True, False),
        ("auto", False, True, True),
        ("auto", False, False, False),
        ("container", True, True, True),
    ],
)
async def test_the_choice(
    place: Path, executor: str, isolated: bool, answers: bool, chosen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def probed(_: object) -> list[Finding]:
        return [Finding("namespaces", isolated, "")]

    monkeypatch.setattr(app.probe, "probe", probed)
    settings = Settings(executor=executor, container_host=str(place) if answers else f"{place}.absent")
    async with stand_in(place):
        engine = await app._engine(settings)
    assert (engine is not None) is chosen
    if engine is not None:
        await engine.close()


@pytest.mark.anyio
async def test_an_engine_that_was_asked_for_must_answer(place: Path) -> None:
    with pytest.raises(Unavailable, match="podman system service"):
        await app._engine(Settings(executor="container", container_host=str(place)))


def test_frames_in_any_pieces() -> None:
    sent = b"".join(kind + len(text).to_bytes(4, "big") + text for kind, text in PIECES)
    for size in (1, 3, 7, 8, 9, 1000):
        frames = Frames()
        assert b"".join(frames.feed(sent[at : at + size]) for at in range(0, len(sent), size)) == b"onetwo\xff"


PIECES = [(b"\1\0\0\0", b"one"), (b"\2\0\0\0", b""), (b"\2\0\0\0", b"two\xff")]


@pytest.fixture
def scripted(place: Path) -> Iterator[list[bytes]]:
    """A socket that answers each connection with the next reply, and hangs up."""
    replies: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place))
    listener.listen()

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                if not replies:
                    return
                connection.recv(65536)
                connection.sendall(replies.pop(0))

    thread = threading.Thread(target=serve)
    thread.start()
    yield replies
    replies.clear()
    with socket.socket(socket.AF_UNIX) as last:
        last.connect(str(place))
        thread.join()
    listener.close()


def test_the_shims_client(place: Path, scripted: list[bytes]) -> None:
    scripted += [
        b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a": 1}',
        b'HTTP/1.1 409 No\r\nContent-Length: 16\r\n\r\n{"message": "n"}',
        b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nearly",
        b'HTTP/1.1 404 Not Found\r\n\r\n{"message": "no such container"}',
        b"",
    ]
    api = Api(str(place))
    assert api.call("GET", "/x") == {"a": 1}
    with pytest.raises(EngineError, match=r"^n$") as refused:
        api.call("GET", "/x")
    assert refused.value.status == 409
    stream, early = api.attach("x")
    stream.close()
    assert early == b"early"
    with pytest.raises(EngineError, match="no such container"):
        api.attach("x")
    with pytest.raises(EngineError, match="does not answer"):
        api.call("GET", "/x")


@pytest.mark.anyio
async def test_an_engine_that_can_list_no_containers_now_holds_up_no_survey(place: Path, tmp_path: Path) -> None:
    """Podman cannot in the moment in which one of them ends; what is left over is ended a little later."""
    async with stand_in(place):
        executor = ContainerExecutor(tmp_path / "state", engine=ContainerEngine(str(place)), clock=SystemClock())
        assert await executor.survey() == {}
        assert executor._looked_for_strays is None
        await executor.close()
