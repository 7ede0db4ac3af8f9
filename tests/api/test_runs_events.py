"""The events of a run over a real WebSocket, with the ``websockets`` client that the Python SDK uses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

from actorium.executors import Stats
from actorium.http.server import bind, serve
from actorium.kernel.limits import EVENT_SOCKETS_PER_RUN_MAX
from actorium.runs.lifecycle import RunStatus, container_name
from server_world import ServerWorld, measured, open_server

pytestmark = pytest.mark.anyio

SYSTEM_INFO = {
    *("memAvgBytes", "memCurrentBytes", "memMaxBytes", "cpuAvgUsage", "cpuMaxUsage", "cpuCurrentUsage"),
    *("isCpuOverloaded", "createdAt"),
}


class Site:
    """A server behind a socket, with one running run."""

    def __init__(self, world: ServerWorld, run_id: str, url: str) -> None:
        self.world = world
        self.run_id = run_id
        self.container = container_name(run_id, 1)
        self._url = url

    def address(self, *, run_id: str | None = None, token: str | None = None) -> str:
        """What ACTOR_EVENTS_WEBSOCKET_URL says, with this server's own port."""
        own = self.world.executor.spec(self.container).env["ACTOR_EVENTS_WEBSOCKET_URL"]
        path, _, own_token = own.partition("?token=")
        path = path.replace("ws://127.0.0.1:8010", self._url.replace("http", "ws"))
        path = path.replace(self.run_id, run_id or self.run_id)
        return f"{path}?token={own_token if token is None else token}"


@asynccontextmanager
async def open_site() -> AsyncIterator[Site]:
    async with open_server() as world, serve(world.app, bind("127.0.0.1", 0)) as bound:
        run = await world.running(await world.actor())
        yield Site(world, run["id"], bound.url)


async def message(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(10):
        got: dict[str, Any] = json.loads(await socket.recv())
    assert set(got) == {"name", "createdAt", "data"}
    return got


async def test_system_info_has_the_eight_fields_and_comes_again() -> None:
    async with open_site() as site, connect(site.address()) as socket:
        site.world.executor.measure(site.container, measured(site.world))
        first, second = await message(socket), await message(socket)
        assert [first["name"], second["name"]] == ["systemInfo"] * 2
        assert first["createdAt"] == "2026-01-01T00:00:00.000Z"
        assert first["data"] == {
            "memAvgBytes": 20_000_000.5,
            "memCurrentBytes": 25_000_000,
            "memMaxBytes": 30_000_000,
            "cpuAvgUsage": 12.5,
            "cpuMaxUsage": 99.5,
            "cpuCurrentUsage": 7.25,
            "isCpuOverloaded": False,
            "createdAt": "2026-01-01T00:00:00.000Z",
        }
        assert set(first["data"]) == SYSTEM_INFO
        site.world.executor.measure(site.container, measured(site.world, cpu_current_usage=99.0))
        while not (await message(socket))["data"]["isCpuOverloaded"]:
            pass


async def test_the_python_sdk_reads_what_is_sent() -> None:
    from apify.events._types import SystemInfoEventData  # the SDK's own strict model

    async with open_site() as site, connect(site.address()) as socket:
        site.world.executor.measure(site.container, measured(site.world))
        SystemInfoEventData.model_validate((await message(socket))["data"])


async def test_nothing_is_told_that_the_host_cannot_measure() -> None:
    async with open_site() as site, connect(site.address()) as socket:
        site.world.executor.measure(site.container, Stats(at=site.world.clock.now(), mem_avg_bytes=1.0))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await socket.recv()


async def test_a_graceful_abort_says_aborting_first_and_persist_state_second() -> None:
    async with open_site() as site, connect(site.address()) as early:
        await site.world.alice.post(f"/v2/actor-runs/{site.run_id}/abort?gracefully=1", status=200)
        names = [await message(early), await message(early)]
        assert [(one["name"], one["data"]) for one in names] == [
            ("aborting", {}),
            ("persistState", {"isMigrating": False}),
        ]
        async with connect(site.address()) as late:  # a socket that reconnects hears it too
            assert [(await message(late))["name"] for _ in range(2)] == ["aborting", "persistState"]
        site.world.executor.exit(site.container, 0)
        await site.world.reached(site.run_id, RunStatus.ABORTED)
        with pytest.raises(ConnectionClosedOK):
            async with asyncio.timeout(10):
                await early.recv()


async def test_an_immediate_abort_and_a_reboot_say_nothing() -> None:
    async with open_site() as site, connect(site.address()) as socket:
        await site.world.alice.post(f"/v2/actor-runs/{site.run_id}/reboot", status=200)
        await site.world.reached(site.run_id, RunStatus.RUNNING, attempt=2)
        await site.world.alice.post(f"/v2/actor-runs/{site.run_id}/abort", status=200)
        with pytest.raises(ConnectionClosedOK) as closed:
            async with asyncio.timeout(10):
                await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1000


@pytest.mark.parametrize("which", ["unknown run", "no token", "another user", "another run of the user"])
async def test_who_may_not_listen_is_told_never_to_come_again(which: str) -> None:
    async with open_site() as site:
        if which == "another user":
            _, token = await site.world.features.users.create("carol")
            address = site.address(token=token)
        elif which == "another run of the user":
            other = await site.world.actor("other", client=site.world.bob)
            run = await site.world.start(other, client=site.world.bob)
            address = site.address(run_id=run["id"])
        else:
            address = site.address(run_id="unknownunknownabc") if which == "unknown run" else site.address(token="")
        async with connect(address) as socket:
            with pytest.raises(ConnectionClosedError) as closed:
                async with asyncio.timeout(10):
                    await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


async def test_one_socket_too_many_is_told_never_to_come_again_until_another_has_left() -> None:
    async with open_site() as site:
        site.world.executor.measure(site.container, measured(site.world))
        sockets = [await connect(site.address()) for _ in range(EVENT_SOCKETS_PER_RUN_MAX)]
        for socket in sockets:
            await message(socket)
        async with connect(site.address()) as late:
            with pytest.raises(ConnectionClosedError) as closed:
                await message(late)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        await sockets.pop().close()
        async with asyncio.timeout(10), connect(site.address()) as next_one:
            assert (await message(next_one))["name"] == "systemInfo"
        for socket in sockets:
            await socket.close()


async def test_many_sockets_of_one_run_are_all_served() -> None:
    async with open_site() as site:
        site.world.executor.measure(site.container, measured(site.world))
        sockets = [await connect(site.address()) for _ in range(10)]
        assert {(await message(socket))["name"] for socket in sockets} == {"systemInfo"}
        for socket in sockets:
            await socket.close()
