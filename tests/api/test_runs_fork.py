"""Forks: new runs that begin with a moment of another run's default storages."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

from actorium.http.server import bind, serve
from actorium.kernel.limits import INLINE_BYTES_MAX
from actorium.runs import snapshots
from actorium.runs.lifecycle import RunStatus, container_name
from actorium.runs.persisting import Patience
from asgi_client import Answer, AsgiClient
from server_world import PATHS, ServerWorld, open_server
from world import Client, version

pytestmark = pytest.mark.anyio

BIG = b"x" * (INLINE_BYTES_MAX + 1)


async def fork(world: ServerWorld, run_id: str, query: str = "", input: Any = None, *, status: int = 201) -> Any:
    return await world.alice.post(f"/v2/actor-runs/{run_id}/fork?{query}", input, status=status)


async def sent(client: AsgiClient, method: str, path: str, status: int, **more: Any) -> Answer:
    answer = await client.request(method, path, **more)
    assert answer.status == status, answer.body
    return answer


async def work(client: AsgiClient, run: dict[str, Any], *numbers: int) -> None:
    """What an Actor does to its storages."""
    for number in numbers:
        path = f"/v2/datasets/{run['defaultDatasetId']}/items"
        await sent(client, "POST", path, 201, json={"n": number})
        path = f"/v2/key-value-stores/{run['defaultKeyValueStoreId']}/records"
        await sent(client, "PUT", f"{path}/STATE", 201, json={"n": number})
        await sent(client, "PUT", f"{path}/big-{number}", 201, body=BIG, headers={"Content-Type": "image/png"})
        path = f"/v2/request-queues/{run['defaultRequestQueueId']}/requests"
        await sent(client, "POST", path, 201, json={"url": f"http://a/{number}", "uniqueKey": f"u{number}"})


async def held(world: ServerWorld, run: dict[str, Any]) -> dict[str, Any]:
    """What a run's default storages hold."""
    get = world.alice.request
    store = f"/v2/key-value-stores/{run['defaultKeyValueStoreId']}"
    keys = [one["key"] for one in (await world.alice.get(f"{store}/keys"))["items"]]
    records = {key: await get("GET", f"{store}/records/{key}") for key in keys}
    queue = f"/v2/request-queues/{run['defaultRequestQueueId']}"
    return {
        "items": (await get("GET", f"/v2/datasets/{run['defaultDatasetId']}/items")).json,
        "records": {key: (one.headers["content-type"], one.body) for key, one in records.items()},
        "head": [one["uniqueKey"] for one in (await world.alice.get(f"{queue}/head"))["items"]],
        "requests": len((await world.alice.get(f"{queue}/requests"))["items"]),
    }


def runner(world: ServerWorld, run: dict[str, Any]) -> Client:
    """Who holds the run's own token."""
    return Client(world.app, token=world.features.tokens.token(run["id"]))


async def test_a_fork_goes_on_from_where_its_source_is() -> None:
    async with open_server() as world:
        actor = await world.actor()
        run = await world.running(
            actor, input={"a": 1}, timeout=77, memory=256, maxItems=9, maxTotalChargeUsd=3, restartOnError=1
        )
        await work(runner(world, run), run, 1, 2)
        queue = f"/v2/request-queues/{run['defaultRequestQueueId']}"
        await world.alice.post(f"{queue}/head/lock?lockSecs=60&limit=1")
        before = await held(world, run)
        blobs = world.features.ground.blobs
        keys = {key async for key in blobs.keys("")}
        await world.clock.advance(5)

        answer = await sent(world.alice, "POST", f"/v2/actor-runs/{run['id']}/fork", 201)
        copy = answer.json["data"]
        assert answer.headers["location"] == f"/v2/actor-runs/{copy['id']}"
        assert {key async for key in blobs.keys("")} == keys, "no byte of a blob is copied"
        assert copy["forkedFrom"] == {"runId": run["id"], "at": str(world.clock.now()), "isPersisted": False}
        assert "forkedFrom" not in run
        assert copy["options"] == run["options"] | {"build": run["buildNumber"]}
        for name in ("actId", "userId", "buildId", "buildNumber", "generalAccess"):
            assert copy[name] == run[name], name
        assert (copy["meta"]["origin"], copy["startedAt"]) == ("API", str(world.clock.now()))
        assert copy["stats"]["inputBodyLen"] == run["stats"]["inputBodyLen"]
        assert not {*copy["storageIds"]["datasets"].values()} & {*run["storageIds"]["datasets"].values()}
        assert copy["usage"]["DATASET_WRITES"] == 0, "the copy reads and writes nothing of its own"
        expected = before | {"head": ["u2", "u1"]}
        assert await held(world, copy) == expected, "and nothing is locked"

        await world.reached(copy["id"], RunStatus.RUNNING)
        env = world.executor.spec(container_name(copy["id"], 1)).env
        assert env["ACTOR_DEFAULT_DATASET_ID"] == copy["defaultDatasetId"]
        await work(runner(world, copy), copy, 7)
        await work(runner(world, run), run, 3)
        assert [item["n"] for item in (await held(world, run))["items"]] == [1, 2, 3]
        assert [item["n"] for item in (await held(world, copy))["items"]] == [1, 2, 7]
        log = (await world.alice.request("GET", f"/v2/logs/{copy['id']}")).body.decode()
        assert f"ACTOR: Begins with the storages of run {run['id']} as they were at" in log

        await world.finished(run["id"])
        await world.alice.delete(f"/v2/actor-runs/{run['id']}")
        assert [item["n"] for item in (await held(world, copy))["items"]] == [1, 2, 7]
        shown = await world.alice.get(f"/v2/actor-runs/{copy['id']}")
        assert shown["forkedFrom"] == copy["forkedFrom"], "also when the source is gone"


async def test_a_fork_with_other_options_and_another_input() -> None:
    async with open_server() as world:
        actor = await world.actor()
        run = await world.running(actor, input={"a": 1}, maxItems=5)
        query = "memory=512&timeout=5&maxItems=2&maxTotalChargeUsd=1.5&restartOnError=1&build=latest&waitForFinish=0"
        answer = await sent(
            world.alice, "POST", f"/v2/actor-runs/{run['id']}/fork?{query}", 201, body=b"<a/>",
            headers={"Content-Type": "text/xml"},
        )  # fmt: skip
        copy = answer.json["data"]
        assert copy["options"] == {
            "build": "latest",
            "timeoutSecs": 5,
            "memoryMbytes": 512,
            "diskMbytes": 1024,
            "maxItems": 2,
            "maxTotalChargeUsd": 1.5,
            "restartOnError": True,
        }
        assert copy["stats"]["inputBodyLen"] == 4
        assert (await held(world, copy))["records"]["INPUT"] == ("text/xml", b"<a/>")
        assert (await held(world, run))["records"]["INPUT"][1] == b'{"a":1}'
        for bad in ("memory=3", "timeout=-1", "state=then", "build=nope"):
            assert (await world.alice.request("POST", f"/v2/actor-runs/{run['id']}/fork?{bad}")).status in (400, 403)
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 2


async def test_the_very_build_stays_until_it_is_deleted() -> None:
    async with open_server() as world:
        actor = await world.actor()
        run = await world.finished((await world.running(actor))["id"])
        newer = await world.alice.post(f"/v2/actors/{actor}/builds?version=0.1&waitForFinish=10")
        assert (await fork(world, run["id"]))["buildId"] == run["buildId"] != newer["id"]
        assert (await fork(world, run["id"], "build=latest"))["buildId"] == newer["id"]
        for one in (await world.alice.get("/v2/actor-runs"))["items"]:
            await world.alice.post(f"/v2/actor-runs/{one['id']}/abort", status=200)
            await world.reached(one["id"], RunStatus.ABORTED, RunStatus.SUCCEEDED)
        await world.alice.delete(f"/v2/actor-builds/{run['buildId']}")
        error = await fork(world, run["id"], status=400)
        assert "name another one with the parameter build" in error["message"]
        assert (await fork(world, run["id"], "build=latest"))["forkedFrom"]["isPersisted"] is True


async def test_a_fork_of_a_metamorphed_run_is_one_of_what_it_became() -> None:
    async with open_server() as world:
        first, second = await world.actor("first"), await world.actor("second")
        run = await world.running(first, input={"a": 1})
        path = f"/v2/actor-runs/{run['id']}/metamorph?targetActorId={second}"
        await world.alice.post(path, {"b": 2}, status=200)
        copy = await fork(world, run["id"])
        assert (copy["actId"], copy["metamorphs"]) == (second, None)
        await world.reached(copy["id"], RunStatus.RUNNING)
        assert world.executor.spec(container_name(copy["id"], 1)).env["ACTOR_INPUT_KEY"] == "INPUT-METAMORPH-1"
        assert {*(await held(world, copy))["records"]} == {"INPUT", "INPUT-METAMORPH-1"}


async def test_secrets_of_the_input_stay_hidden_in_the_log() -> None:
    properties = {"password": {"type": "string", "isSecret": True, "editor": "textfield"}}
    schema = {"title": "Input", "type": "object", "schemaVersion": 1, "properties": properties}
    definition = {"actorSpecification": 1, "name": "x", "version": "0.1", "input": schema}
    files = (("Dockerfile", "FROM scratch"), (".actor/actor.json", json.dumps(definition)))
    async with open_server() as world:
        run = await world.running(await world.actor(versions=[version(*files)]), input={"password": "correct horse"})
        copy = await fork(world, run["id"])
        other = await fork(world, run["id"], input={"password": "battery staple"})
        for one, secret in ((copy, b"correct horse"), (other, b"battery staple")):
            await world.reached(one["id"], RunStatus.RUNNING)
            world.executor.write(container_name(one["id"], 1), b"in with " + secret)
            await world.finished(one["id"])
            log = (await world.alice.request("GET", f"/v2/logs/{one['id']}")).body
            assert b"in with *****" in log
            assert (await held(world, one))["records"]["INPUT"][1].startswith(b'{"password":"ENCRYPTED_VALUE:')
        assert (await world.alice.post(f"/v2/actor-runs/{run['id']}/fork", {"password": 1}, status=400))["type"]


async def test_every_status_can_be_forked() -> None:
    async with open_server(loops=False) as world:
        actor = await world.actor()
        for status in PATHS:
            run = await world.start(actor, input={"a": 1})
            await world.bring(run["id"], status)
            before = await world.row(run["id"])
            copy = await fork(world, run["id"])
            assert copy["status"] == "READY"
            awake = (RunStatus.RUNNING, RunStatus.TIMING_OUT, RunStatus.ABORTING)
            assert copy["forkedFrom"]["isPersisted"] == (status not in awake), status
            assert (await held(world, copy))["records"]["INPUT"][1] == b'{"a":1}'
            assert await world.row(run["id"]) == before, "a fork of now changes nothing of its source"


async def test_datasets_with_an_alias_and_their_schemas_go_with_it() -> None:
    def sources(**storages: Any) -> Any:
        definition = {"actorSpecification": 1, "name": "x", "version": "0.1", "storages": storages}
        return version(("Dockerfile", "FROM scratch"), (".actor/actor.json", json.dumps(definition)))

    schema = {"actorSpecification": 1, "fields": {"required": ["email"]}}
    async with open_server() as world:
        actor = await world.actor(versions=[sources(datasets={"default": schema, "people": schema})])
        run = await world.running(actor)
        for alias, email in (("default", "a@a"), ("people", "b@b")):
            path = f"/v2/datasets/{run['storageIds']['datasets'][alias]}/items"
            await sent(world.alice, "POST", path, 201, json={"email": email})
        await world.alice.put(f"/v2/actors/{actor}/versions/0.1", sources(datasets={"default": {}, "new": {}}))
        await world.alice.post(f"/v2/actors/{actor}/builds?version=0.1&tag=latest&waitForFinish=10")
        same, other = await fork(world, run["id"]), await fork(world, run["id"], "build=latest")
        assert {*same["storageIds"]["datasets"]} == {"default", "people"}
        assert {*other["storageIds"]["datasets"]} == {"default", "people", "new"}
        for copy in (same, other):
            for alias, email in (("default", "a@a"), ("people", "b@b")):
                path = f"/v2/datasets/{copy['storageIds']['datasets'][alias]}"
                assert (await world.alice.request("GET", f"{path}/items")).json == [{"email": email}]
                assert (await world.alice.request("POST", f"{path}/items", json={})).status == 400, "not as its schema"
        await world.finished(run["id"])


async def test_others_find_nothing_to_fork() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        for run_id in (run["id"], "unknownunknownabc"):
            error = await world.bob.post(f"/v2/actor-runs/{run_id}/fork", status=404)
            assert error["type"] == "record-not-found"
            assert (await world.nobody.request("POST", f"/v2/actor-runs/{run_id}/fork")).status == 401
        assert (await world.bob.get("/v2/actor-runs"))["total"] == 0


async def test_a_limited_run_forks_itself_alone() -> None:
    async with open_server() as world:
        actor = await world.actor()
        run, other = await world.running(actor, input={}), await world.running(actor)
        limited = runner(world, run)
        copy = await limited.post(f"/v2/actor-runs/{run['id']}/fork")
        assert (copy["meta"]["origin"], (await world.row(copy["id"])).created_by_run) == ("ACTOR", run["id"])
        assert (await world.row(copy["id"])).document.permission_level == "LIMITED_PERMISSIONS"
        for run_id in (other["id"], copy["id"]):
            error = await limited.post(f"/v2/actor-runs/{run_id}/fork", status=403)
            assert error["type"] == "insufficient-permissions"
        full = await world.running(actor, forcePermissionLevel="FULL_PERMISSIONS")
        copy = await runner(world, full).post(f"/v2/actor-runs/{run['id']}/fork")
        assert (await world.row(copy["id"])).document.permission_level == "LIMITED_PERMISSIONS"
        copy = await fork(world, full["id"])
        assert (await world.row(copy["id"])).document.permission_level == "FULL_PERMISSIONS"


async def test_a_fork_has_the_level_that_is_named_for_it() -> None:
    async with open_server() as world:
        actor = await world.actor()
        run = await world.running(actor)
        for level in ("FULL_PERMISSIONS", "LIMITED_PERMISSIONS"):
            copy = await fork(world, run["id"], f"forcePermissionLevel={level}")
            assert (await world.row(copy["id"])).document.permission_level == level
        assert "takes" in (await fork(world, run["id"], "forcePermissionLevel=NONE", status=400))["message"]
        path = f"/v2/actor-runs/{run['id']}/fork?forcePermissionLevel=FULL_PERMISSIONS"
        error = await runner(world, run).post(path, status=403)
        assert error["type"] == "elevated-permissions-needed"


async def test_more_than_a_fork_copies_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        await work(world.alice, run, *range(4))
        rows = 4 + 5 + 4
        for name, most in (("FORK_ROWS_MAX", rows - 1), ("FORK_BYTES_MAX", 100)):
            with monkeypatch.context() as patch:
                patch.setattr(snapshots, name, most)
                error = await fork(world, run["id"], status=400)
                assert f"{most}" in error["message"]
                assert "Start a new run instead" in error["message"]
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 1
        monkeypatch.setattr(snapshots, "FORK_ROWS_MAX", rows)
        await fork(world, run["id"])


async def test_a_storage_that_was_deleted_is_empty_in_the_fork() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        await work(world.alice, run, 1)
        await world.alice.delete(f"/v2/datasets/{run['defaultDatasetId']}")
        copy = await fork(world, run["id"])
        found = await held(world, copy)
        assert (found["items"], found["head"], len(found["records"])) == ([], ["u1"], 2)


async def test_a_source_that_is_deleted_meanwhile_is_copied_whole_or_not_found() -> None:
    async with open_server() as world:
        actor = await world.actor()
        for _ in range(6):
            run = await world.running(actor, input={"a": 1})
            await work(world.alice, run, 1, 2)
            await world.finished(run["id"])
            expected = await held(world, run)
            path = f"/v2/actor-runs/{run['id']}"
            forked, deleted = await asyncio.gather(
                world.alice.request("POST", f"{path}/fork"), world.alice.request("DELETE", path)
            )
            assert deleted.status == 204
            if forked.status == 201:
                assert await held(world, forked.json["data"]) == expected
            else:
                assert (forked.status, forked.json["error"]["type"]) == (404, "record-not-found")


async def test_copied_items_are_not_charged_again() -> None:
    async with open_server() as world:
        actor = await world.actor()
        await world.price(
            actor,
            {
                "pricingModel": "PAY_PER_EVENT",
                "pricingPerEvent": {
                    "actorChargeEvents": {
                        "apify-default-dataset-item": {
                            "eventTitle": "item",
                            "eventDescription": "an item",
                            "eventPriceUsd": 1,
                        }
                    }
                },
            },
        )
        run = await world.running(actor)
        await work(runner(world, run), run, 1, 2, 3)
        copy = await fork(world, run["id"])
        await world.reached(copy["id"], RunStatus.RUNNING)
        await work(runner(world, copy), copy, 4)
        counts = [
            (await world.alice.get(f"/v2/actor-runs/{one['id']}"))["chargedEventCounts"]["apify-default-dataset-item"]
            for one in (run, copy)
        ]
        assert counts == [3, 1]
        assert len((await held(world, copy))["items"]) == 4


async def test_a_running_source_is_asked_to_write_its_state_first() -> None:
    async with open_server() as world, serve(world.app, bind("127.0.0.1", 0)) as bound:
        run = await world.running(await world.actor())
        own = world.executor.spec(container_name(run["id"], 1)).env["ACTOR_EVENTS_WEBSOCKET_URL"]
        async with connect(own.replace("ws://127.0.0.1:8010", bound.url.replace("http", "ws"))) as socket:
            forking = asyncio.ensure_future(fork(world, run["id"], "state=persisted"))
            async with asyncio.timeout(10):
                assert '"persistState"' in str(await socket.recv())
            assert not forking.done()
            store = f"/v2/key-value-stores/{run['defaultKeyValueStoreId']}/records"
            for key in ("SDK_STATE", "SDK_STATISTICS"):
                await sent(runner(world, run), "PUT", f"{store}/{key}", 201, json={"of": key})
            copy = await forking
        assert copy["forkedFrom"]["isPersisted"] is True
        assert {"SDK_STATE", "SDK_STATISTICS"} <= {*(await held(world, copy))["records"]}


async def test_a_source_that_does_not_write_is_not_waited_for_long() -> None:
    async with open_server() as world:
        world.features.forks.persisting.patience = Patience(secs=0.05, settled_secs=0.01)
        run = await world.running(await world.actor())
        assert (await fork(world, run["id"], "state=persisted"))["forkedFrom"]["isPersisted"] is False
        world.features.forks.persisting.patience = Patience(secs=60, settled_secs=60)
        forking = asyncio.ensure_future(fork(world, run["id"], "state=persisted"))
        await world.until(run["id"], lambda _: world.is_watched(run["id"]))
        await world.finished(run["id"])
        assert (await forking)["forkedFrom"]["isPersisted"] is True, "it has ended: nothing is only in its memory"
        assert (await fork(world, run["id"], "state=persisted"))["forkedFrom"]["isPersisted"] is True


async def test_forks_take_turns_and_nobody_waits_for_all_of_one_user() -> None:
    """Forks that are asked for at once would be one transaction of SQLite's only writer."""
    async with open_server() as world:
        sources = {
            client: await world.start(await world.actor(name, client=client), client=client)
            for client, name in ((world.alice, "mine"), (world.bob, "yours"))
        }
        done: list[str] = []

        async def forked(client: Client, whose: str) -> None:
            await client.post(f"/v2/actor-runs/{sources[client]['id']}/fork")
            done.append(whose)

        alices = [forked(world.alice, "alice's") for _ in range(6)]
        await asyncio.gather(*alices, forked(world.bob, "bob's"))
        assert done.index("bob's") <= 2, done
