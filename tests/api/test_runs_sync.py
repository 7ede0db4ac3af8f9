"""Synchronous runs over the API: the output record, the items, and every other way such a call can end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from starlette.types import Message

from actorium.kernel.limits import RUN_SYNC_SECS_MAX
from actorium.runs import sync
from actorium.runs.changes import ENDED
from actorium.runs.lifecycle import RunStatus, container_name
from asgi_client import Answer, Body
from server_world import ServerWorld, answered, open_server
from world import Client

pytestmark = pytest.mark.anyio

RECORD = "run-sync"
ITEMS = "run-sync-get-dataset-items"


@dataclass
class Held:
    """A synchronous call that waits, and the run that it waits for."""

    world: ServerWorld
    answer: asyncio.Future[Answer]
    run: dict[str, Any]

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        path = f"/v2/key-value-stores/{self.run['defaultKeyValueStoreId']}/records/{key}"
        put = await self.world.alice.request("PUT", path, body=content, headers={"Content-Type": content_type})
        assert put.status == 201

    async def push(self, *items: Any) -> None:
        path = f"/v2/datasets/{self.run['defaultDatasetId']}/items"
        assert (await self.world.alice.request("POST", path, json=list(items))).status == 201

    async def exits(self, code: int | None = 0) -> Answer:
        """End the process; the answer of the call."""
        self.world.executor.exit(container_name(self.run["id"], 1), code)
        async with asyncio.timeout(5):
            return await self.answer


@asynccontextmanager
async def held(
    world: ServerWorld, target: str, *, method: str = "POST", body: Body = b"", headers: Mapping[str, str] | None = None
) -> AsyncIterator[Held]:
    """A call whose run is RUNNING."""
    seen = world.executor.watch()
    answer = asyncio.ensure_future(world.alice.request(method, target, body=body, headers=headers))
    try:
        name, _ = await anext(seen)
        yield Held(world, answer, await world.reached(name.removesuffix("-1"), RunStatus.RUNNING))
    finally:
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)


async def record_of(world: ServerWorld, run: dict[str, Any], key: str) -> Answer:
    return await world.alice.request("GET", f"/v2/key-value-stores/{run['defaultKeyValueStoreId']}/records/{key}")


async def task_of(world: ServerWorld, actor: str, **more: Any) -> str:
    made = await world.alice.post("/v2/actor-tasks", {"actId": actor, "name": "mine"} | more)
    return str(made["id"])


async def test_the_output_is_answered_as_it_is_stored() -> None:
    content, content_type = b"\xef\xbb\xbf h\xc3\xa9llo \x00", "text/plain; charset=utf-8"
    async with open_server() as world:
        actor = await world.actor()
        task = await task_of(world, actor, input={"a": 1, "b": 2}, options={"memoryMbytes": 256, "build": "latest"})
        for path in (f"actors/{actor}", "acts/alice~hello", f"actor-tasks/{task}", "actor-tasks/~mine"):
            for method in ("POST", "GET"):
                sent: Any = {"body": b'{"b":3}', "headers": {"Content-Type": "application/json"}}
                target = f"/v2/{path}/{RECORD}?timeout=77"
                async with held(world, target, method=method, **(sent if method == "POST" else {})) as call:
                    await call.put("OUTPUT", content, content_type)
                    answer = await call.exits()
                assert (answer.status, answer.body) == (201, content)
                assert answer.headers["content-type"] == content_type
                assert not {"etag", "accept-ranges"} & answer.headers.keys()
                assert call.run["options"]["timeoutSecs"] == 77
                given = await record_of(world, call.run, "INPUT")
                from_task = {"a": 1, "b": 2} if "task" in path else {}
                wanted = from_task | ({"b": 3} if method == "POST" else {})
                assert (given.json if given.status == 200 else {}) == wanted
                if "task" in path:
                    assert (call.run["actorTaskId"], call.run["options"]["memoryMbytes"]) == (task, 256)


async def test_an_output_that_is_not_there_is_empty_and_another_key_may_be_asked_for() -> None:
    async with open_server() as world:
        actor = await world.actor()
        async with held(world, f"/v2/actors/{actor}/{RECORD}") as call:
            await call.put("other", b"1", "application/json")
            answer = await call.exits()
            assert (answer.status, answer.body) == (201, b"")
        page = b"<script>alert(1)</script>"
        async with held(world, f"/v2/actors/{actor}/{RECORD}?outputRecordKey=a.html") as call:
            await call.put("a.html", page, "text/html")
            answer = await call.exits()
            assert (answer.status, answer.body) == (201, page)
            assert answer.headers["content-security-policy"].startswith("sandbox")
        async with held(world, f"/v2/actors/{actor}/{RECORD}") as call:
            await world.alice.delete(f"/v2/key-value-stores/{call.run['defaultKeyValueStoreId']}")
            answer = await call.exits()
            assert (answer.status, answer.body) == (201, b"")


QUERIES = (
    "",
    "format=csv&fields=a,b&outputFields=x,y&delimiter=;&bom=0",
    "format=csv&skipHeaderRow=1&omit=list&flatten=deep",
    "format=xml&xmlRoot=all&xmlRow=one&limit=2",
    "format=rss&feedTitle=T&feedDescription=D",
    "format=html&attachment=1",
    "format=jsonl&unwind=list&desc=1&offset=1&limit=2",
    "format=xlsx&attachment=1",
    "clean=1&limit=1",
    "skipHidden=1&skipEmpty=1&simplified=1&skipFailedPages=1",
    "view=short",
)
VOLATILE = ("x-request-id", "x-ratelimit-limit")


async def test_items_are_answered_as_the_dataset_answers_them_with_every_parameter() -> None:
    schema = {
        "actorSpecification": 1,
        "views": {"short": {"title": "S", "transformation": {"fields": ["b"]}, "display": {"component": "table"}}},
    }
    items = [{"a": 1, "b": "x", "#h": 1, "list": [1, 2], "deep": {"c": 1}}, {}, {"a": 2, "list": [{"z": 1}]}]
    async with open_server() as world:
        definition = {"actorSpecification": 1, "name": "hello", "version": "0.1", "storages": {"dataset": schema}}
        files = [
            {"name": "Dockerfile", "format": "TEXT", "content": "FROM scratch"},
            {"name": ".actor/actor.json", "format": "TEXT", "content": msgspec.json.encode(definition).decode()},
        ]
        version = {"versionNumber": "0.1", "sourceType": "SOURCE_FILES", "buildTag": "latest", "sourceFiles": files}
        actor = await world.actor(versions=[version])
        task = await task_of(world, actor)
        for index, query in enumerate(QUERIES):
            path = (f"actors/{actor}", f"actor-tasks/{task}")[index % 2]
            async with held(world, f"/v2/{path}/{ITEMS}?{query}", method=("POST", "GET")[index // 2 % 2]) as call:
                await call.push(*items)
                answer = await call.exits()
            direct = await world.alice.request("GET", f"/v2/datasets/{call.run['defaultDatasetId']}/items?{query}")
            assert (answer.status, direct.status) == (201, 200), (query, answer.body)
            assert answer.body == direct.body, query
            told, known = ({k: v for k, v in one.headers.items() if k not in VOLATILE} for one in (answer, direct))
            assert told == known, query
            assert {f"x-apify-pagination-{name}" for name in ("offset", "limit", "count", "total", "desc")} <= {*told}


async def test_a_run_that_deleted_its_dataset_has_no_items() -> None:
    async with open_server() as world, held(world, f"/v2/actors/{await world.actor()}/{ITEMS}") as call:
        await world.alice.delete(f"/v2/datasets/{call.run['defaultDatasetId']}")
        assert answered(await call.exits(), 400)["error"]["type"] == "default-dataset-not-found"


@pytest.mark.parametrize("end", [RECORD, ITEMS])
async def test_a_run_that_does_not_succeed_is_a_400_with_its_id_and_status(end: str) -> None:
    async with open_server() as world:
        actor = await world.actor()
        for status in ("FAILED", "ABORTED", "TIMED-OUT"):
            async with held(world, f"/v2/actors/{actor}/{end}?timeout=30") as call:
                await call.put("OUTPUT", b"1", "application/json")
                if status == "ABORTED":
                    await world.alice.post(f"/v2/actor-runs/{call.run['id']}/abort", status=200)
                elif status == "TIMED-OUT":
                    await world.clock.advance(30)
                    await world.reached(call.run["id"], RunStatus.TIMING_OUT, RunStatus.TIMED_OUT)
                    await world.clock.advance(30)
                answer = await (call.exits(1) if status == "FAILED" else call.answer)
            error = answered(answer, 400)["error"]
            assert error["type"] == "run-failed"
            assert call.run["id"] in error["message"]
            assert status in error["message"]


@pytest.mark.parametrize("end", [RECORD, ITEMS])
async def test_after_300_seconds_the_call_ends_and_the_run_goes_on(end: str) -> None:
    async with open_server() as world, held(world, f"/v2/actors/{await world.actor()}/{end}") as call:
        path = f"/v2/actor-runs/{call.run['id']}"
        await world.clock.advance(RUN_SYNC_SECS_MAX - 1)
        world.features.waiters.strike(ENDED, frozenset({call.run["id"]}))  # a wake is only a hint
        await world.clock.advance(0)
        assert not call.answer.done()
        await world.clock.advance(1)
        world.features.waiters.strike(ENDED, frozenset({call.run["id"]}))
        async with asyncio.timeout(5):
            error = answered(await call.answer, 408)["error"]
        assert error["type"] == "run-timeout-exceeded"
        assert call.run["id"] in error["message"]
        assert (await world.alice.get(path))["status"] == "RUNNING"
        assert not world.is_watched(call.run["id"])
        assert (await world.finished(call.run["id"]))["status"] == "SUCCEEDED"


async def test_the_time_ends_a_call_though_nothing_happens_to_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "RUN_SYNC_SECS_MAX", 0.05)
    async with open_server() as world:
        answer = await world.alice.request("POST", f"/v2/actors/{await world.actor()}/{RECORD}")
        assert answered(answer, 408)["error"]["type"] == "run-timeout-exceeded"


async def test_waiting_asks_nothing_until_the_run_changes() -> None:
    async with open_server() as world:
        actor = await world.actor()
        drawn = world.views_drawn()
        async with held(world, f"/v2/actors/{actor}/{RECORD}") as call:
            await world.clock.advance(0)
            before = len(drawn)
            await world.clock.advance(200)
            await asyncio.sleep(0.2)  # the time in which a poll would show
            assert len(drawn) == before
            assert (await call.exits()).status == 201


async def test_a_client_that_leaves_is_no_longer_waited_for_and_its_run_goes_on() -> None:
    async with open_server() as world:
        target = f"/v2/actors/{await world.actor()}/{RECORD}"
        leaves = asyncio.Event()
        sent: list[Message] = []

        async def receive() -> Message:
            if sent_body.is_set():
                await leaves.wait()
                return {"type": "http.disconnect"}
            sent_body.set()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        sent_body = asyncio.Event()
        seen = world.executor.watch()
        scope = world.alice.scope("POST", target, headers={"authorization": f"Bearer {world.alice._token}"})
        call = asyncio.ensure_future(world.app(scope, receive, send))
        name, _ = await anext(seen)
        run_id = name.removesuffix("-1")
        await world.reached(run_id, RunStatus.RUNNING)
        assert world.is_watched(run_id)
        leaves.set()
        async with asyncio.timeout(5):
            await call
        assert not world.is_watched(run_id)
        assert (await world.finished(run_id))["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("rest", "status", "kind"),
    [
        (f"{RECORD}?outputRecordKey=a/b", 400, "invalid-record-key"),
        (f"{RECORD}?memory=100", 400, "invalid-value"),
        (f"{RECORD}?build=nightly", 403, "unknown-build-tag"),
        (f"{RECORD}?timeout=soon", 400, "invalid-parameter"),
        (f"{ITEMS}?format=doc", 400, "param-not-one-of"),
        (f"{ITEMS}?format=csv&delimiter=long", 400, "invalid-value"),
        (f"{ITEMS}?format=xml&xmlRoot=1", 400, "invalid-value"),
        (f"{ITEMS}?fields=a&outputFields=b,c", 400, "invalid-value"),
        (f"{ITEMS}?offset=-1", 400, "invalid-value"),
    ],
)
async def test_a_call_that_is_wrong_starts_nothing(rest: str, status: int, kind: str) -> None:
    async with open_server() as world:
        actor = await world.actor()
        for path in (f"actors/{actor}", f"actor-tasks/{await task_of(world, actor)}"):
            for method in ("POST", "GET"):
                error = answered(await world.alice.request(method, f"/v2/{path}/{rest}"), status)["error"]
                assert error["type"] == kind
        broken = await world.alice.request(
            "POST", f"/v2/actors/{actor}/{RECORD}", body=b"{", headers={"Content-Type": "application/json"}
        )
        assert answered(broken, 400)["error"]["type"] == "invalid-input"
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 0


async def test_head_starts_nothing() -> None:
    async with open_server() as world:
        actor = await world.actor()
        for path in (f"actors/{actor}", f"actor-tasks/{await task_of(world, actor)}"):
            for end in (RECORD, ITEMS):
                refused = await world.alice.request("HEAD", f"/v2/{path}/{end}")
                assert (refused.status, refused.headers["allow"]) == (405, "OPTIONS, GET, POST")
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 0


async def test_whom_the_actor_is_not_there_for_and_who_may_not_ask() -> None:
    async with open_server() as world:
        actor = await world.actor()
        for end in (RECORD, ITEMS):
            for client, status in ((world.bob, 404), (world.nobody, 401)):
                assert (await client.request("POST", f"/v2/actors/{actor}/{end}")).status == status
        worker = {"Service-Worker": "script"}
        refused = await world.alice.request("GET", f"/v2/actors/{actor}/{RECORD}", headers=worker)
        assert refused.status == 403
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 0


async def test_an_actor_may_run_another_one_and_wait_for_it() -> None:
    async with open_server() as world:
        actor = await world.actor()
        outer = await world.running(actor)
        inside = Client(world.app, token=world.features.tokens.token(outer["id"]))
        seen = world.executor.watch()
        call = asyncio.ensure_future(inside.request("POST", f"/v2/actors/{actor}/{ITEMS}"))
        name, _ = await anext(seen)
        inner = await world.reached(name.removesuffix("-1"), RunStatus.RUNNING)
        assert inner["meta"]["origin"] == "ACTOR"
        world.executor.exit(name, 0)
        async with asyncio.timeout(5):
            answer = await call
        assert (answer.status, answer.body) == (201, b"[]")
