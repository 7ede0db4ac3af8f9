"""Logs over HTTP: many followers of one reading, secrets across cuts, and who may go on reading."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from structlog.testing import capture_logs

from actorium.database import Tx
from actorium.executors import Cause
from actorium.kernel.limits import LOG_LINE_BYTES_MAX, LOG_WINDOW_BYTES
from actorium.logs import store as logs_store
from actorium.runs import store as runs_store
from actorium.runs.lifecycle import RunStatus, container_name
from asgi_client import Answer
from server_world import ServerWorld, open_server
from world import Client, version

pytestmark = pytest.mark.anyio
FOLLOWERS = 50


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often logs, and runs by their ids, were read from their tables."""
    counted: Counter[str] = Counter()
    for module, name in ((logs_store, "chunks"), (runs_store, "find")):
        original = getattr(module, name)

        def counting(tx: Tx, *args: Any, original: Any = original, name: str = name, **kwargs: Any) -> Any:
            counted[name] += 1
            return original(tx, *args, **kwargs)

        monkeypatch.setattr(module, name, counting)
    return counted


class Following:
    """Requests that follow one run's log, and what each has received."""

    def __init__(self, world: ServerWorld, path: str, number: int, *, client: Client | None = None) -> None:
        self._world, self._path, self._client = world, path, client or world.alice
        self.bodies = [bytearray() for _ in range(number)]
        self.tasks = [asyncio.ensure_future(self._follow(body)) for body in self.bodies]
        self._more = asyncio.Event()
        self.complete = 0

    async def _follow(self, body: bytearray) -> None:
        async def receive() -> Any:
            await asyncio.Event().wait()

        async def send(message: Any) -> None:
            body.extend(message.get("body", b""))
            self.complete += message["type"] == "http.response.body" and not message.get("more_body", False)
            self._more.set()

        headers = {"authorization": f"Bearer {self._client._token}"}
        await self._world.app(self._client.scope("GET", self._path, headers=headers), receive, send)

    async def said(self, text: bytes) -> None:
        async with asyncio.timeout(20):
            while not all(text in body for body in self.bodies):
                self._more.clear()
                await self._more.wait()

    async def ended(self) -> None:
        async with asyncio.timeout(20):
            await asyncio.gather(*self.tasks)


async def test_followers_of_one_log_share_one_reading_of_each_batch(reads: Counter[str]) -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        container = container_name(run["id"], 1)
        following = Following(world, f"/v2/logs/{run['id']}?stream=1", FOLLOWERS)
        await following.said(b"ACTOR: Run")
        for number in range(5):
            reads.clear()
            world.executor.write(container, b"\x1b[31mline %d\x1b[0m" % number)
            await following.said(b"line %d\n" % number)
            assert reads["chunks"] == 1
            assert reads["find"] <= 2, "the run is read for the secrets to mask, not for each follower"
        reads.clear()
        await world.finished(run["id"])
        await following.ended()
        assert reads["chunks"] <= 4
        assert len({bytes(body) for body in following.bodies}) == 1
        whole = (await world.alice.request("GET", f"/v2/logs/{run['id']}")).body
        assert bytes(following.bodies[0]) == whole
        assert following.complete == FOLLOWERS
        assert not world.features.logs._feeds
        assert not world.features.logs._pumps


async def test_one_who_may_not_read_any_more_is_cut_off_and_the_others_are_not() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        await world.alice.put(f"/v2/actor-runs/{run['id']}", {"generalAccess": "ANYONE_WITH_ID_CAN_READ"})
        mine = Following(world, f"/v2/logs/{run['id']}?stream=1", 1)
        theirs = Following(world, f"/v2/logs/{run['id']}?stream=1", 2, client=world.bob)
        await theirs.said(b"ACTOR: Run")
        await mine.said(b"ACTOR: Run")
        with capture_logs():  # else each traceback is drawn for people, which takes a second
            await world.alice.put(f"/v2/actor-runs/{run['id']}", {"generalAccess": "RESTRICTED"})
            await theirs.ended()
        assert theirs.complete == 0, "a reply that is cut must not look whole"
        world.executor.write(container_name(run["id"], 1), b"not for bob")
        await mine.said(b"not for bob")
        assert not any(b"not for bob" in body for body in theirs.bodies)
        await world.finished(run["id"])
        await mine.ended()


async def test_a_follower_that_leaves_stops_the_reading_and_another_can_begin_at_once() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        first = Following(world, f"/v2/logs/{run['id']}?stream=1&raw=1", 1)
        await first.said(b"ACTOR: Run")
        first.tasks[0].cancel()
        second = Following(world, f"/v2/logs/{run['id']}?stream=1&raw=1", 1)
        await asyncio.wait(first.tasks)
        await second.said(b"ACTOR: Run")
        world.executor.write(container_name(run["id"], 1), b"still there")
        await second.said(b"still there")
        await world.finished(run["id"])
        await second.ended()


async def test_a_log_longer_than_the_window_is_whole_for_slow_and_late_followers() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        container, stream = container_name(run["id"], 1), f"/v2/logs/{run['id']}?stream=1"
        early = Following(world, stream, 2)
        await early.said(b"ACTOR: Run")
        for number in range(3):
            world.executor.write(container, b"x" * (LOG_WINDOW_BYTES // 2) + b"\npart %d" % number)
            await early.said(b"part %d\n" % number)
        feed = world.features.logs._feeds[run["id"]]
        assert feed.after(0) is None
        assert sum(len(piece.raw) for piece in feed.after(feed._start) or []) <= LOG_WINDOW_BYTES + LOG_LINE_BYTES_MAX
        late = Following(world, stream, 2)
        await late.said(b"part 2\n")
        await world.finished(run["id"])
        await early.ended()
        await late.ended()
        whole = (await world.alice.request("GET", f"/v2/logs/{run['id']}")).body
        assert {bytes(body) for body in early.bodies + late.bodies} == {whole}


async def secret_run(world: ServerWorld, secret: str) -> dict[str, Any]:
    variable = {"name": "KEY", "value": secret, "isSecret": True}
    sources = dict(version(("Dockerfile", "FROM scratch"))) | {"envVars": [variable]}
    run: dict[str, Any] = await world.running(await world.actor(versions=[sources]))
    return run


async def printed(world: ServerWorld, run: dict[str, Any], text: bytes) -> Answer:
    world.executor.write(container_name(run["id"], 1), text)
    await world.finished(run["id"])
    return await world.alice.request("GET", f"/v2/logs/{run['id']}?raw=1")


async def test_a_secret_across_two_pieces_of_a_line_that_are_read_apart_is_masked() -> None:
    async with open_server() as world:
        secret = "0123456789-abcdefghij"
        run = await secret_run(world, secret)
        lines = [b"short"] * 999 + [b"y" * (LOG_LINE_BYTES_MAX - 10) + secret.encode() + b", she said"]
        log = (await printed(world, run, b"\n".join(lines))).body
        assert log.splitlines()[-2][25:] == b"y" * (LOG_LINE_BYTES_MAX - 10) + b"*****"
        assert log.splitlines()[-1][25:] == b"*****, she said"


async def test_what_an_actor_wrote_before_its_metamorph_is_masked_with_its_own_secrets() -> None:
    async with open_server() as world:
        run = await secret_run(world, "of-the-first")
        await world.actor("second")
        first = world.executor._kept[container_name(run["id"], 1)]
        first.lines.append((world.clock.now(), b"my key is of-the-first"))  # its hint is lost
        await world.alice.post(f"/v2/actor-runs/{run['id']}/metamorph?targetActorId=alice~second", status=200)
        await world.reached(run["id"], RunStatus.RUNNING, attempt=2)
        tokens = [world.features.tokens.token(run["id"], count).encode() for count in (0, 1)]
        world.executor.write(container_name(run["id"], 2), b"another Actor %b %b" % (*tokens,))
        await world.finished(run["id"], attempt=2)
        log = (await world.alice.request("GET", f"/v2/logs/{run['id']}")).body
        assert [line[25:] for line in log.splitlines()[1:]] == [
            b"my key is *****",
            b"ACTOR: The run goes on as alice/second, build 0.1.1.",
            b"another Actor ***** *****",
        ]


async def test_a_secret_of_the_build_before_a_resurrection_is_masked_after_it_too() -> None:
    async with open_server() as world:
        run = await secret_run(world, "of-the-first")
        await world.finished(run["id"])
        await world.alice.put(f"/v2/actors/{run['actId']}/versions/0.1", {"envVars": []})
        await world.alice.post(f"/v2/actors/{run['actId']}/builds?version=0.1&waitForFinish=10")
        again = await world.alice.post(f"/v2/actor-runs/{run['id']}/resurrect?build=latest", status=200)
        assert again["buildNumber"] == "0.1.2"
        await world.reached(run["id"], RunStatus.RUNNING, attempt=2)
        world.executor.write(container_name(run["id"], 2), b"found in my store: of-the-first")
        await world.finished(run["id"], attempt=2)
        log = (await world.alice.request("GET", f"/v2/logs/{run['id']}")).body
        assert log.endswith(b" found in my store: *****\n")


async def test_the_log_tells_the_turns_of_a_run_behind_what_was_written_before_them() -> None:
    async with open_server() as world:
        actor = await world.actor()
        run = await world.running(actor, timeout=100, restartOnError="true")
        path, name = f"/v2/actor-runs/{run['id']}", f"{run['id']}-"
        world.executor.write(f"{name}1", b"one")
        await world.alice.post(f"{path}/reboot", status=200)
        await world.reached(run["id"], RunStatus.RUNNING, attempt=2)
        world.executor.write(f"{name}2", b"two")
        world.executor.exit(f"{name}2", 3)
        await world.reached(run["id"], RunStatus.RUNNING, attempt=3)
        world.executor.write(f"{name}3", b"three")
        await world.alice.post(f"{path}/abort", status=200)
        await world.reached(run["id"], RunStatus.ABORTED, attempt=3)
        await world.alice.post(f"{path}/resurrect?restartOnError=0", status=200)
        await world.reached(run["id"], RunStatus.RUNNING, attempt=4)
        world.executor.write(f"{name}4", b"four")
        world.executor.exit(f"{name}4", None, cause=Cause.OUT_OF_MEMORY)
        failed = await world.reached(run["id"], RunStatus.FAILED, attempt=4)
        log = (await world.alice.request("GET", f"/v2/logs/{run['id']}")).body
        assert [line[25:].decode() for line in log.splitlines()[1:]] == [
            "one",
            "ACTOR: The run goes on in a new container (attempt 2).",
            "two",
            "ACTOR: The run failed and is started again, as restartOnError says (restart 1).",
            "three",
            "ACTOR: The run was aborted.",
            "ACTOR: The run is resurrected with build 0.1.1.",
            "four",
            f"ACTOR: {failed['statusMessage']}.",
        ]


async def test_head_and_the_nested_forms_answer_like_the_log() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        actor, run_id = run["actId"], run["id"]
        paths = [f"/v2/logs/{run_id}", f"/v2/actor-runs/{run_id}/log", f"/v2/acts/{actor}/runs/last/log"]
        for path in paths:  # of a run that goes on: HEAD holds nobody
            head = await world.alice.request("HEAD", f"{path}?stream=1&download=1", timeout=5)
            assert head.status == 200
            assert head.headers["content-type"] == "text/plain; charset=utf-8"
            assert "content-disposition" in head.headers
        log = await printed(world, run, b"one\r\ntwo")
        assert [line[25:] for line in log.body.splitlines()[1:]] == [b"one", b"two"]
        for path in paths:
            for query in ("", "?stream=1"):
                assert (await world.alice.request("GET", path + query)).body == log.body
            assert (await world.bob.request("GET", path)).status == 404
            assert (await world.bob.request("HEAD", path)).status == 404
        assert not world.features.logs._feeds
