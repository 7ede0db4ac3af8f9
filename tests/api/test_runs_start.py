"""Starting runs over the API: by every address, with every option, and everything that can be wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
from apify_client._models import Run

from actorium.kernel.limits import (
    BODY_BYTES_MAX,
    MEMORY_MBYTES_DEFAULT,
    ORIGIN_TEXT_CHARS_MAX,
    RUN_TIMEOUT_SECS_DEFAULT,
)
from actorium.runs.lifecycle import RunStatus, container_name
from server_world import ServerWorld, open_server
from world import Client

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("prefix", ["actors", "acts"])
@pytest.mark.parametrize("address", ["ID", "alice~hello", "~hello", "ALICE~hello"])
async def test_a_run_starts_by_id_and_by_name(prefix: str, address: str) -> None:
    async with open_server() as world:
        actor = await world.actor()
        answer = await world.alice.request("POST", f"/v2/{prefix}/{address.replace('ID', actor)}/runs")
        run = answer.json["data"]
        assert answer.status == 201
        assert answer.headers["location"] == f"/v2/actor-runs/{run['id']}"
        assert (run["actId"], run["status"], run["finishedAt"]) == (actor, "READY", None)
        Run.model_validate(run)
        shown = await world.reached(run["id"], RunStatus.RUNNING)
        assert shown["startedAt"] == run["startedAt"]
        assert world.executor.spec(container_name(run["id"], 1)).env["ACTOR_FULL_NAME"] == "alice/hello"


async def started(world: ServerWorld, actor: str, query: str) -> dict[str, Any]:
    run: dict[str, Any] = await world.alice.post(f"/v2/actors/{actor}/runs?{query}")
    return run


async def test_options_come_from_the_call_else_from_the_actor_else_from_the_server() -> None:
    async with open_server() as world:
        plain = await world.actor()
        assert (await started(world, plain, ""))["options"] == {
            "build": "latest",
            "timeoutSecs": RUN_TIMEOUT_SECS_DEFAULT,
            "memoryMbytes": MEMORY_MBYTES_DEFAULT,
            "diskMbytes": 2 * MEMORY_MBYTES_DEFAULT,
        }
        own = {"build": "latest", "timeoutSecs": 11, "memoryMbytes": 256, "maxItems": 5, "restartOnError": True}
        with_own = await world.actor("own", defaultRunOptions=own)
        defaults = (await started(world, with_own, ""))["options"]
        assert defaults == own | {"diskMbytes": 512}
        query = "build=0.1.1&timeout=0&memory=128&maxItems=0&maxTotalChargeUsd=0.25&restartOnError=false"
        assert (await started(world, with_own, query))["options"] == {
            "build": "0.1.1",
            "timeoutSecs": 0,
            "memoryMbytes": 128,
            "diskMbytes": 256,
            "maxTotalChargeUsd": 0.25,
        }


async def test_fractions_are_rounded() -> None:
    async with open_server() as world:
        options = (await started(world, await world.actor(), "timeout=12.6&memory=512.0&maxItems=3.2"))["options"]
        assert (options["timeoutSecs"], options["memoryMbytes"], options["maxItems"]) == (13, 512, 3)


async def test_the_process_is_told_its_options() -> None:
    async with open_server(cpu_cores_min=0.0) as world:
        query = {"memory": 4096, "timeout": 60, "maxItems": 9, "maxTotalChargeUsd": 1.5}
        run = await world.running(await world.actor(), **query)
        spec = world.executor.spec(container_name(run["id"], 1))
        assert (spec.memory_mbytes, spec.disk_mbytes, spec.cpu_cores) == (4096, 8192, 1.0)
        assert (spec.deadline, spec.timeout_secs) == (None, 60)
        assert spec.env["ACTOR_MEMORY_MBYTES"] == "4096"
        assert spec.env["APIFY_DEDICATED_CPUS"] == "1"
        assert spec.env["ACTOR_TIMEOUT_AT"] == "2026-01-01T00:01:00.000Z"
        assert spec.env["ACTOR_MAX_PAID_DATASET_ITEMS"] == "9"
        assert spec.env["ACTOR_MAX_TOTAL_CHARGE_USD"] == "1.5"


@pytest.mark.parametrize(
    ("header", "origin"),
    [
        (None, "API"),
        ("CLI", "CLI"),
        ("ci", "CI"),
        ("MCP", "MCP"),
        ("Development", "DEVELOPMENT"),
        ("STANDBY", "API"),
        ("APIFY_AI", "API"),
    ],
)
async def test_the_origin_is_what_the_caller_says_only_for_known_tools(header: str | None, origin: str) -> None:
    async with open_server() as world:
        headers = {"X-Apify-Request-Origin": header} if header else {}
        answer = await world.alice.request("POST", f"/v2/acts/{await world.actor()}/runs", headers=headers)
        assert answer.json["data"]["meta"]["origin"] == origin


async def test_what_a_caller_says_of_itself_is_kept_to_a_length_and_told_to_the_process() -> None:
    async with open_server() as world:
        headers = {"User-Agent": "u" * 90_000, "X-Apify-Workflow-Key": "flow"}
        answer = await world.alice.request("POST", f"/v2/acts/{await world.actor()}/runs", headers=headers)
        meta = answer.json["data"]["meta"]
        assert meta["userAgent"] == "u" * ORIGIN_TEXT_CHARS_MAX
        run = await world.reached(answer.json["data"]["id"], RunStatus.RUNNING)
        assert (run["meta"], meta["clientIp"]) == (meta, "127.0.0.1")
        environment = world.executor.spec(container_name(run["id"], 1)).env
        assert (environment["APIFY_WORKFLOW_KEY"], environment["APIFY_META_ORIGIN"]) == ("flow", "API")


async def test_a_run_started_by_a_run_has_the_origin_actor_and_the_same_owner() -> None:
    async with open_server() as world:
        actor = await world.actor()
        parent = await world.running(actor)
        inside = Client(world.app, token=world.features.tokens.token(parent["id"]))
        child = await inside.post(f"/v2/actors/{actor}/runs")
        assert (child["meta"]["origin"], child["userId"]) == ("ACTOR", parent["userId"])


@pytest.mark.parametrize(
    ("body", "content_type", "length"),
    [
        (b'{"a": [1, "\xc3\xa9"]}', "application/json; charset=utf-8", 16),
        (b"\x00\x01\xff", "application/octet-stream", 3),
        (b"plain text", "text/plain", 10),
    ],
)
async def test_the_input_is_stored_as_it_was_sent(body: bytes, content_type: str, length: int) -> None:
    async with open_server() as world:
        answer = await world.alice.request(
            "POST", f"/v2/actors/{await world.actor()}/runs", body=body, headers={"Content-Type": content_type}
        )
        run = answer.json["data"]
        assert run["stats"]["inputBodyLen"] == length == len(body)
        path = f"/v2/key-value-stores/{run['defaultKeyValueStoreId']}/records/INPUT"
        stored = await world.alice.request("GET", path)
        assert (stored.status, stored.body, stored.headers["content-type"]) == (200, body, content_type)
        through = await world.alice.request("GET", f"/v2/actor-runs/{run['id']}/key-value-store/records/INPUT")
        assert through.body == body


@pytest.mark.parametrize("body", [b"", b"null", b" null\n"])
async def test_no_body_and_null_are_no_input(body: bytes) -> None:
    async with open_server() as world:
        headers = {"Content-Type": "application/json"}
        path = f"/v2/actors/{await world.actor()}/runs"
        run = (await world.alice.request("POST", path, body=body, headers=headers)).json["data"]
        assert "inputBodyLen" not in run["stats"]
        await world.alice.get(f"/v2/actor-runs/{run['id']}/key-value-store/records/INPUT", status=404)


@pytest.mark.parametrize("body", [b"null", b" \n"])
async def test_what_is_no_json_is_stored_as_it_was_sent_also_where_it_reads_like_nothing(body: bytes) -> None:
    async with open_server() as world:
        headers = {"Content-Type": "text/plain"}
        path = f"/v2/actors/{await world.actor()}/runs"
        run = (await world.alice.request("POST", path, body=body, headers=headers)).json["data"]
        assert run["stats"]["inputBodyLen"] == len(body)
        stored = await world.alice.request("GET", f"/v2/actor-runs/{run['id']}/key-value-store/records/INPUT")
        assert (stored.status, stored.body, stored.headers["content-type"]) == (200, body, "text/plain")


async def test_the_default_storages_are_there_before_the_process() -> None:
    async with open_server(loops=False) as world:
        run = await world.start(await world.actor())
        assert world.executor.calls == []
        for kind, storage in (
            ("datasets", run["defaultDatasetId"]),
            ("key-value-stores", run["defaultKeyValueStoreId"]),
            ("request-queues", run["defaultRequestQueueId"]),
        ):
            made = await world.alice.get(f"/v2/{kind}/{storage}")
            assert (made["id"], made.get("name"), made["actRunId"]) == (storage, None, run["id"])
            await world.bob.get(f"/v2/{kind}/{storage}", status=404)


WRONG = [
    ("memory=1000", "invalid-value", "power of two"),
    ("memory=64", "invalid-value", "128"),
    ("memory=65536", "invalid-value", "32768"),
    ("memory=-1024", "invalid-value", "power of two"),
    ("memory=0", "invalid-value", "power of two"),
    ("memory=lots", "invalid-parameter", "memory"),
    ("memory=513.5", "invalid-value", "power of two"),
    ("timeout=-1", "invalid-value", "from 0"),
    ("timeout=1e30", "invalid-value", "from 0"),
    ("timeout=nan", "invalid-parameter", "timeout"),
    ("timeout=soon", "invalid-parameter", "timeout"),
    ("maxItems=-1", "max-items-must-be-greater-than-zero", "maxItems"),
    ("maxTotalChargeUsd=-1", "max-total-charge-usd-must-be-greater-than-zero", "greater than 0"),
    ("forcePermissionLevel=ROOT", "invalid-value", "LIMITED_PERMISSIONS"),
    ("waitForFinish=soon", "invalid-parameter", "waitForFinish"),
    ("restartOnError=perhaps", "invalid-parameter", "restartOnError"),
]


@pytest.mark.parametrize(("query", "kind", "word"), WRONG)
async def test_a_wrong_option_is_a_400_that_says_what_would_do(query: str, kind: str, word: str) -> None:
    async with open_server() as world:
        error = await world.alice.post(f"/v2/actors/{await world.actor()}/runs?{query}", status=400)
        assert error["type"] == kind
        assert word in error["message"]
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 0


@pytest.mark.parametrize(
    ("build", "kind", "word"),
    [("beta", "unknown-build-tag", "beta"), ("0.1.99", "build-not-found", "0.1.99")],
)
async def test_an_unknown_tag_and_an_unknown_build(build: str, kind: str, word: str) -> None:
    async with open_server() as world:
        error = await world.alice.post(f"/v2/actors/{await world.actor()}/runs?build={build}", status=403)
        assert error["type"] == kind
        assert word in error["message"]


async def test_a_build_that_failed_cannot_be_run_and_a_tag_never_points_at_it() -> None:
    async with open_server() as world:
        actor = await world.actor()
        world.builder.fails = "no such base image"
        build = await world.alice.post(f"/v2/actors/{actor}/builds?version=0.1&waitForFinish=10")
        assert build["status"] == "FAILED"
        error = await world.alice.post(f"/v2/actors/{actor}/runs?build=0.1.2", status=403)
        assert error["type"] == "invalid-build"
        assert (await world.start(actor))["buildNumber"] == "0.1.1"


async def test_an_actor_without_a_build_says_to_build_it() -> None:
    async with open_server() as world:
        made = await world.alice.post("/v2/actors", {"name": "unbuilt"})
        error = await world.alice.post(f"/v2/actors/{made['id']}/runs", status=403)
        assert error["type"] == "unknown-build-tag"
        assert "Build it first" in error["message"]


async def test_actors_that_are_not_there_or_somebody_elses() -> None:
    async with open_server() as world:
        actor = await world.actor()
        for address in ("unknownunknownabc", "alice~unknown", "~unknown", "nobodyatall~hello"):
            error = await world.alice.post(f"/v2/actors/{address}/runs", status=404)
            assert error["type"] == "record-not-found"
        assert (await world.bob.post(f"/v2/actors/{actor}/runs", status=404))["type"] == "record-not-found"
        assert (await world.nobody.post(f"/v2/actors/{actor}/runs", status=401))["type"] == "token-not-provided"


async def test_a_body_that_is_too_large() -> None:
    async with open_server() as world:
        path = f"/v2/actors/{await world.actor()}/runs"
        answer = await world.alice.request("POST", path, body=b"x" * (BODY_BYTES_MAX + 1))
        assert (answer.status, answer.json["error"]["type"]) == (413, "request-too-large")
        answer = await world.alice.request("POST", path, body=b"x" * BODY_BYTES_MAX)
        assert answer.status == 201
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 1


async def test_malformed_json_is_the_actors_input_and_not_a_change_of_a_run() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        answer = await world.alice.request(
            "PUT",
            f"/v2/actor-runs/{run['id']}",
            body=b'{"statusMessage": ',
            headers={"Content-Type": "application/json"},
        )
        assert (answer.status, answer.json["error"]["type"]) == (400, "invalid-request")


async def test_input_that_says_json_and_is_none_is_refused() -> None:
    async with open_server() as world:
        actor = await world.actor()
        for content in (b"{bad", b"[1,]", b"[" * 100_000):
            answer = await world.alice.request(
                "POST", f"/v2/actors/{actor}/runs", headers={"content-type": "application/json"}, body=content
            )
            assert (answer.status, answer.json["error"]["type"]) == (400, "invalid-input")
        answer = await world.alice.request(
            "POST", f"/v2/actors/{actor}/runs", headers={"content-type": "text/plain"}, body=b"{bad"
        )
        assert answer.status == 201
