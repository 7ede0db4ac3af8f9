"""Lists of runs, the last run, the paths below a run that lead to its storages and log, and the log itself."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from apify_client._models import ListOfRuns

from actorium.runs.lifecycle import RunStatus, container_name
from server_world import ServerWorld, open_server
from world import Client, version

pytestmark = pytest.mark.anyio

LINE = re.compile(rb"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z ")


async def five(world: ServerWorld) -> tuple[str, str, list[str]]:
    """Two Actors and their runs, a second apart: three of the first, two of the second."""
    first, second = await world.actor("first"), await world.actor("second")
    made = []
    for actor, status in (
        (first, RunStatus.SUCCEEDED),
        (first, RunStatus.FAILED),
        (first, RunStatus.RUNNING),
        (second, RunStatus.SUCCEEDED),
        (second, RunStatus.READY),
    ):
        run = await world.start(actor)
        await world.bring(run["id"], status)
        made.append(run["id"])
        await world.clock.advance(1)
    return first, second, made


def ids(page: dict[str, Any]) -> list[str]:
    return [item["id"] for item in page["items"]]


async def test_a_list_has_a_page_of_runs_by_start() -> None:
    async with open_server(loops=False) as world:
        first, second, made = await five(world)
        page = await world.alice.get("/v2/actor-runs")
        ListOfRuns.model_validate(page)
        assert ids(page) == made
        assert (page["total"], page["count"], page["offset"], page["limit"], page["desc"]) == (5, 5, 0, 1000, False)
        assert ids(await world.alice.get("/v2/actor-runs?desc=1")) == made[::-1]
        page = await world.alice.get("/v2/actor-runs?desc=true&limit=2&offset=1")
        assert ids(page) == [made[3], made[2]]
        assert (page["total"], page["count"], page["offset"], page["limit"], page["desc"]) == (5, 2, 1, 2, True)
        for prefix in ("acts", "actors"):
            assert ids(await world.alice.get(f"/v2/{prefix}/{first}/runs")) == made[:3]
            assert ids(await world.alice.get(f"/v2/{prefix}/~second/runs")) == made[3:]
        assert ids(await world.alice.get("/v2/actor-runs?limit=0")) == made
        assert (await world.alice.get("/v2/actor-runs?limit=5000"))["limit"] == 1000
        assert ids(await world.alice.get("/v2/actor-runs?offset=99")) == []
        assert ids(await world.bob.get("/v2/actor-runs")) == []
        await world.bob.get(f"/v2/actors/{second}/runs", status=404)


async def test_an_item_of_a_list_is_the_short_form() -> None:
    async with open_server(loops=False) as world:
        *_, made = await five(world)
        item = (await world.alice.get("/v2/actor-runs?limit=1"))["items"][0]
        whole = await world.alice.get(f"/v2/actor-runs/{made[0]}")
        assert item.pop("buildNumberInt") == 100_001
        assert item == {name: whole[name] for name in item}
        assert set(item) == {
            *("id", "actId", "userId", "actorTaskId", "status", "startedAt", "finishedAt", "buildId", "buildNumber"),
            *("meta", "usageTotalUsd", "defaultKeyValueStoreId", "defaultDatasetId", "defaultRequestQueueId"),
        }


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("status=SUCCEEDED", [0, 3]),
        ("status=SUCCEEDED,FAILED", [0, 1, 3]),
        ("status=SUCCEEDED%2C%20READY", [0, 3, 4]),
        ("status=TIMED-OUT", []),
        ("status=", [0, 1, 2, 3, 4]),
        ("startedAfter=2026-01-01T00:00:02.000Z", [2, 3, 4]),
        ("startedBefore=2026-01-01T00:00:01.000Z", [0, 1]),
        ("startedAfter=2026-01-01T00:00:01Z&startedBefore=2026-01-01T01:00:03%2B01:00", [1, 2, 3]),
        ("startedAfter=2026-01-01T00:00:01Z&status=FAILED&desc=1", [1]),
    ],
)
async def test_filters(query: str, wanted: list[int]) -> None:
    async with open_server(loops=False) as world:
        *_, made = await five(world)
        page = await world.alice.get(f"/v2/actor-runs?{query}")
        assert ids(page) == [made[index] for index in wanted]
        assert page["total"] == len(wanted)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("status=FINISHED", "invalid-value"),
        ("startedAfter=yesterday", "invalid-parameter"),
        ("offset=-1", "invalid-value"),
        ("limit=-1", "invalid-value"),
        ("desc=down", "invalid-parameter"),
    ],
)
async def test_wrong_filters(query: str, kind: str) -> None:
    async with open_server() as world:
        error = await world.alice.get(f"/v2/actor-runs?{query}", status=400)
        assert error["type"] == kind
        assert query.partition("=")[0] in error["message"]


async def test_the_last_run_is_the_newest_that_fits() -> None:
    async with open_server(loops=False) as world:
        first, _, made = await five(world)
        for prefix in ("acts", "actors"):
            last = f"/v2/{prefix}/{first}/runs/last"
            assert (await world.alice.get(last))["id"] == made[2]
            assert (await world.alice.get(f"{last}?status=FAILED"))["id"] == made[1]
            assert (await world.alice.get(f"{last}?status=SUCCEEDED,FAILED"))["id"] == made[1]
            assert (await world.alice.get(f"{last}?origin=API&waitForFinish=0"))["id"] == made[2]
            assert (await world.alice.get(f"{last}?origin=WEB", status=404))["type"] == "record-not-found"
            assert (await world.alice.get(f"{last}?status=ABORTED", status=404))["type"] == "record-not-found"
            assert (await world.alice.get(f"{last}?origin=HOME", status=400))["type"] == "param-not-one-of"
            assert (await world.bob.get(last, status=404))["type"] == "record-not-found"
        rebooted = await world.alice.post(f"/v2/acts/{first}/runs/last/reboot", status=200)
        assert (rebooted["id"], rebooted["stats"]["rebootCount"]) == (made[2], 1)
        aborted = await world.alice.post(f"/v2/acts/{first}/runs/last/abort?status=RUNNING", status=200)
        assert (aborted["id"], aborted["status"]) == (made[2], "ABORTING")
        assert (await world.alice.post(f"/v2/acts/{first}/runs/last/abort?status=RUNNING", status=404))["type"]


async def test_the_storages_of_a_run_answer_below_it() -> None:
    async with open_server() as world:
        actor = await world.actor()
        run = await world.running(actor)
        for base in (f"/v2/actor-runs/{run['id']}", f"/v2/acts/{actor}/runs/last", "/v2/actors/~hello/runs/last"):
            assert (await world.alice.get(f"{base}/dataset"))["id"] == run["defaultDatasetId"]
            assert (await world.alice.get(f"{base}/key-value-store"))["id"] == run["defaultKeyValueStoreId"]
            assert (await world.alice.get(f"{base}/request-queue"))["id"] == run["defaultRequestQueueId"]
            assert (await world.alice.request("POST", f"{base}/dataset/items", json=[{"n": base}])).status == 201
            assert (await world.alice.request("GET", f"{base}/dataset/items?desc=1&limit=1")).json == [{"n": base}]
            put = await world.alice.request("PUT", f"{base}/key-value-store/records/KEY", json={"n": base})
            assert put.status == 201
            record = await world.alice.request("GET", f"{base}/key-value-store/records/KEY")
            assert record.json == {"n": base}
            request = {"url": "https://example.com/", "uniqueKey": base}
            added = await world.alice.post(f"{base}/request-queue/requests", request, status=201)
            assert added["wasAlreadyPresent"] is False
            assert (await world.alice.request("HEAD", f"{base}/dataset/items")).status == 200
        await world.bob.get(f"/v2/actor-runs/{run['id']}/dataset", status=404)


async def test_a_signature_opens_what_lies_below_a_run() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        dataset = await world.alice.get(f"/v2/datasets/{run['defaultDatasetId']}")
        signature = dataset["itemsPublicUrl"].partition("?")[2]
        await world.alice.request("POST", f"/v2/actor-runs/{run['id']}/dataset/items", json={"n": 1})
        for client in (world.nobody, world.bob):
            below = f"/v2/actor-runs/{run['id']}/dataset"
            assert (await client.request("GET", f"{below}/items?{signature}")).json == [{"n": 1}]
            assert (await client.request("GET", f"{below}/items?{signature}x")).status == 403
            assert (await client.request("GET", f"{below}?{signature}")).status in (403, 404)
            assert (await client.request("POST", f"{below}/items?{signature}", json={})).status in (401, 404)


async def test_the_nested_run_is_the_same_run_and_only_of_its_own_actor() -> None:
    async with open_server() as world:
        actor, other = await world.actor(), await world.actor("other")
        run = await world.running(actor)
        for prefix in ("acts", "actors"):
            assert (await world.alice.get(f"/v2/{prefix}/{actor}/runs/{run['id']}"))["id"] == run["id"]
            wrong = await world.alice.get(f"/v2/{prefix}/{other}/runs/{run['id']}", status=404)
            assert wrong["type"] == "record-not-found"


async def test_who_may_see_a_run_sees_it_below_its_actor_too() -> None:
    """Clients take a 404 for "no such run" only by the type record-not-found."""
    async with open_server() as world:
        actor = await world.actor()
        run = await world.running(actor)
        paths = [f"/v2/acts/{reference}/runs/{run['id']}" for reference in (actor, "alice~hello")]
        for path in (*paths, f"/v2/actors/unknownunknownabc/runs/{run['id']}"):
            assert (await world.bob.get(path, status=404))["type"] == "record-not-found"
        await world.alice.put(f"/v2/actor-runs/{run['id']}", {"generalAccess": "ANYONE_WITH_ID_CAN_READ"})
        for client, path in ((world.bob, paths[0]), (world.bob, paths[1]), (world.nobody, paths[0])):
            assert (await client.get(path))["id"] == run["id"]
        await world.finished(run["id"])
        await world.alice.delete(f"/v2/actors/{actor}")
        assert (await world.alice.get(paths[0]))["id"] == run["id"], "runs outlive their Actor"
        assert (await world.alice.get(paths[1], status=404))["type"] == "record-not-found"


async def printed(world: ServerWorld, text: bytes) -> dict[str, Any]:
    """A run that has printed something, which is in its log."""
    run = await world.running(await world.actor())
    await world.clock.advance(1.5)
    world.executor.write(container_name(run["id"], 1), text)
    await logged(world, run["id"], text.split(b"\n")[0][:8])
    return run


async def logged(world: ServerWorld, run_id: str, part: bytes) -> bytes:
    """The log, once it holds something."""
    with world.features.waiters.watch(("logs", run_id)) as bell:
        async with asyncio.timeout(10):
            while part not in (text := (await world.alice.request("GET", f"/v2/logs/{run_id}?raw=1")).body):
                await bell.ring(10)
    return text


async def test_every_line_of_a_log_has_the_prefix_of_25_characters() -> None:
    async with open_server() as world:
        run = await printed(world, b"one\n\ntwo \xff\xe4 three\n  indented\n")
        log = await world.alice.request("GET", f"/v2/logs/{run['id']}")
        assert log.headers["content-type"] == "text/plain; charset=utf-8"
        lines = log.body.splitlines()
        assert all(LINE.match(line) for line in lines)
        assert [line[25:] for line in lines[1:]] == [b"one", b"", "two �� three".encode(), b"  indented"]
        assert lines[0][25:] == f"ACTOR: Run {run['id']} of alice/hello, build 0.1.1, 1024 MB of memory.".encode()
        assert [line[:24] for line in lines] == [b"2026-01-01T00:00:00.000Z"] + [b"2026-01-01T00:00:01.500Z"] * 4
        for path in (f"/v2/actor-runs/{run['id']}/log", f"/v2/acts/{run['actId']}/runs/last/log"):
            assert (await world.alice.request("GET", path)).body == log.body


async def test_colours_are_shown_raw_only() -> None:
    async with open_server() as world:
        run = await printed(world, b"\x1b[31mred\x1b[0m \x1b[1;32mgreen\x1b[m")
        raw = (await world.alice.request("GET", f"/v2/logs/{run['id']}?raw=1")).body
        plain = (await world.alice.request("GET", f"/v2/logs/{run['id']}")).body
        assert b"\x1b[31mred\x1b[0m" in raw
        assert plain.splitlines()[-1][25:] == b"red green"


async def test_a_download_is_a_file() -> None:
    async with open_server() as world:
        run = await printed(world, b"one")
        answer = await world.alice.request("GET", f"/v2/logs/{run['id']}?download=1")
        assert answer.headers["content-disposition"] == f'attachment; filename="{run["id"]}.log"'
        assert "content-disposition" not in (await world.alice.request("GET", f"/v2/logs/{run['id']}")).headers


async def test_a_stream_goes_on_until_the_run_has_ended() -> None:
    async with open_server() as world:
        run = await printed(world, b"first")
        held = asyncio.ensure_future(world.alice.request("GET", f"/v2/logs/{run['id']}?stream=1"))
        world.executor.write(container_name(run["id"], 1), b"second")
        await logged(world, run["id"], b"second")
        assert not held.done()
        world.executor.write(container_name(run["id"], 1), b"last words")
        await world.finished(run["id"])
        async with asyncio.timeout(5):
            streamed = (await held).body
        assert [line[25:] for line in streamed.splitlines()[1:]] == [b"first", b"second", b"last words"]


async def test_the_token_and_secrets_of_a_run_are_not_in_its_log() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        token = world.executor.spec(container_name(run["id"], 1)).env["APIFY_TOKEN"]
        world.executor.write(container_name(run["id"], 1), f"my token is {token}, sir".encode())
        text = await logged(world, run["id"], b"my token")
        assert token.encode() not in text
        assert b", sir" in text


async def test_secrets_stay_out_of_the_log_of_a_run_whose_build_was_deleted() -> None:
    async with open_server() as world:
        sources = dict(version(("Dockerfile", "FROM scratch")))
        secret = {"name": "KEY", "value": "very-secret", "isSecret": True}
        actor = await world.actor(versions=[sources | {"envVars": [secret]}])
        run = await world.running(actor)
        await world.alice.post(f"/v2/actors/{actor}/builds?version=0.1&waitForFinish=10")
        await world.alice.delete(f"/v2/actor-builds/{run['buildId']}")
        world.executor.write(container_name(run["id"], 1), b"my key is very-secret, sir")
        text = await logged(world, run["id"], b"my key")
        assert b"very-secret" not in text
        assert b"my key is *****, sir" in text


async def test_a_log_of_nothing_is_not_there() -> None:
    async with open_server() as world:
        for path in ("/v2/logs/unknownunknownabc", "/v2/actor-runs/unknownunknownabc/log"):
            for query in ("", "?stream=1"):
                assert (await world.alice.get(path + query, status=404))["type"] == "record-not-found"
        run = await world.start(await world.actor())
        assert (await Client(world.app).get(f"/v2/logs/{run['id']}", status=404))["type"] == "record-not-found"


async def test_head_answers_wherever_get_does() -> None:
    async with open_server(loops=False) as world:
        first, _, made = await five(world)
        for path in (f"actor-runs/{made[0]}", "actor-runs", f"actors/{first}/runs/last", f"logs/{made[0]}"):
            got, head = [await world.alice.request(method, f"/v2/{path}") for method in ("GET", "HEAD")]
            assert (head.status, head.body) == (200, b"")
            assert head.headers["content-type"] == got.headers["content-type"]
        assert (await world.alice.request("HEAD", "/v2/actor-runs/unknownunknownabc")).status == 404
