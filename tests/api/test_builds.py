"""Builds over the API, with a builder that does as it is told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from apify_client._models import Build, BuildListItem
from dirty_equals import IsPartialDict

from actorium.builds.errors import BuildNotFound, InvalidBuild, UnknownBuildTag
from actorium.kernel.limits import BUILD_TIMEOUT_SECS
from actorium.kernel.principal import Principal
from building import BUILDS, FILES, built, log_of, make
from world import open_world, version

pytestmark = pytest.mark.anyio


async def test_a_build_from_start_to_finish() -> None:
    async with open_world() as world:
        actor = await make(world)
        answer = await world.alice.request(
            "POST",
            f"{BUILDS}?version=0.1",
            headers={"user-agent": "tester", "x-apify-request-origin": "cli"},
        )
        build = answer.json["data"]
        Build.model_validate(build)
        assert answer.status == 201
        assert answer.headers["location"] == f"/v2/actor-builds/{build['id']}"
        assert build == IsPartialDict(
            actId=actor["id"],
            userId=actor["userId"],
            status="READY",
            startedAt="2026-01-01T00:00:00.000Z",
            finishedAt=None,
            buildNumber="0.1.1",
            buildNumberInt=100001,
            meta={"origin": "CLI", "clientIp": "127.0.0.1", "userAgent": "tester"},
            options={"useCache": True, "betaPackages": False, "memoryMbytes": 4096, "diskMbytes": 8192},
            actVersion={"versionNumber": "0.1", "sourceType": "SOURCE_FILES", "buildTag": "latest"},
            actorDefinition=None,
        )
        world.builder.hang()
        await world.loop.tick()
        await world.builder.begun()
        assert (await world.alice.get(f"/v2/actor-builds/{build['id']}"))["status"] == "RUNNING"
        await world.clock.advance(90)
        world.builder.go()
        assert await world.ended(build["id"]) == "SUCCEEDED"
        done = await world.alice.get(f"/v2/actor-builds/{build['id']}")
        Build.model_validate(done)
        assert done["finishedAt"] == "2026-01-01T00:01:30.000Z"
        size = sum(len(content) for _, content in FILES) + sum(len(name) for name, _ in FILES)
        assert done["stats"] == {
            "durationMillis": 90_000,
            "runTimeSecs": 90.0,
            "computeUnits": 0.1,
            "imageSizeBytes": size,
        }
        assert done["usage"] == {"ACTOR_COMPUTE_UNITS": 0.1}
        assert done["usageUsd"] == {"ACTOR_COMPUTE_UNITS": pytest.approx(0.02)}
        assert done["usageTotalUsd"] == pytest.approx(0.02)
        assert done["actorDefinition"] == IsPartialDict(
            name="my-actor", version="0.1", readme="# Mine", input=IsPartialDict(title="Input"), minMemoryMbytes=256
        )
        assert done["readme"] == "# Mine"
        assert '"title": "Input"' in done["inputSchema"]
        actor = await world.alice.get("/v2/actors/~my-actor")
        assert actor["taggedBuilds"] == {
            "latest": {
                "buildId": build["id"],
                "buildNumber": "0.1.1",
                "buildNumberInt": 100001,
                "finishedAt": done["finishedAt"],
            }
        }
        assert actor["stats"]["totalBuilds"] == 1
        assert await world.events() == ["ACTOR.BUILD.CREATED", "ACTOR.BUILD.SUCCEEDED"]
        assert await log_of(world, build["id"]) == [
            "ACTOR: Building version 0.1 as 0.1.1.",
            "ACTOR: Found 4 source files, Dockerfile Dockerfile.",
            "Step 1/1 : FROM nothing",
            "ACTOR: Build 0.1.1 finished, image of 0.0 MB.",
        ]
        nested = await world.alice.request("GET", f"/v2/actor-builds/{build['id']}/log")
        assert nested.body == (await world.alice.request("GET", f"/v2/logs/{build['id']}")).body


async def test_what_the_builder_is_told() -> None:
    async with open_world() as world:
        secret = {"name": "KEY", "value": "very-secret", "isSecret": True}
        plain = {"name": "COLOR", "value": "red"}
        await make(world, envVars=[secret, plain], applyEnvVarsToBuild=True)
        world.builder.lines = [b"KEY is very-secret\nand nothing else", b"\xff"]
        build = await built(world, "version=0.1&useCache=0")
        spec = world.builder.specs[0]
        assert spec.name == f"{build['id']}-1"
        assert spec.owner_number == 1
        assert spec.files == {name: content.encode() for name, content in FILES}
        assert spec.dockerfile == "Dockerfile"
        assert spec.build_args == {"KEY": "very-secret", "COLOR": "red", "ACTOR_PATH_IN_DOCKER_CONTEXT": "."}
        assert spec.use_cache is False
        assert spec.memory_mbytes == 4096
        assert spec.deadline == world.clock.now().plus(secs=BUILD_TIMEOUT_SECS)
        lines = await log_of(world, build["id"])
        assert lines[2:5] == ["KEY is *****", "and nothing else", "\ufffd"]
        row = await world.database.read(lambda tx: world.builds.find_in(tx, build["id"]))
        assert row is not None
        assert world.builds.env_of(row) == {"KEY": "very-secret", "COLOR": "red"}
        assert world.builds.secrets_of(row) == ("very-secret",)
        stored = await world.database.read(lambda tx: tx.all("SELECT env_vars, source_files FROM builds"))
        assert "very-secret" not in stored[0]["env_vars"]
        assert stored[0]["source_files"] is None


async def test_a_secret_in_the_reason_of_a_failure_is_masked() -> None:
    async with open_world() as world:
        secret = {"name": "KEY", "value": "very-secret", "isSecret": True}
        await make(world, envVars=[secret], applyEnvVarsToBuild=True)
        world.builder.fails = "COPY very-secret ./: there is no such file."
        build = await built(world)
        assert (await log_of(world, build["id"]))[-1] == "ACTOR: Build failed: COPY ***** ./: there is no such file."


async def test_variables_stay_out_of_builds_unless_asked() -> None:
    async with open_world() as world:
        await make(world, envVars=[{"name": "COLOR", "value": "red"}])
        await built(world)
        assert world.builder.specs[0].build_args == {"ACTOR_PATH_IN_DOCKER_CONTEXT": "."}


async def test_a_build_is_of_the_sources_when_it_was_started() -> None:
    async with open_world() as world:
        await make(world, envVars=[{"name": "COLOR", "value": "red"}])
        build = await world.alice.post(f"{BUILDS}?version=0.1")
        later = version(("other.py", ""), envVars=[])
        await world.alice.put("/v2/actors/~my-actor/versions/0.1", later)
        assert await world.ended(build["id"]) == "SUCCEEDED"
        assert "Dockerfile" in world.builder.specs[0].files
        row = await world.database.read(lambda tx: world.builds.find_in(tx, build["id"]))
        assert row is not None
        assert world.builds.env_of(row) == {"COLOR": "red"}


async def test_numbers_and_tags() -> None:
    async with open_world() as world:
        await make(world)
        await world.alice.post("/v2/actors/~my-actor/versions", version(*FILES, versionNumber="2.3", buildTag="beta"))
        numbers = [(await built(world, query))["buildNumber"] for query in ("version=0.1", "version=0.1&tag=special")]
        third = await built(world, "version=2.3")
        assert [*numbers, third["buildNumber"], third["buildNumberInt"]] == ["0.1.1", "0.1.2", "2.3.1", 20300001]
        tags = (await world.alice.get("/v2/actors/~my-actor"))["taggedBuilds"]
        assert {tag: build["buildNumber"] for tag, build in tags.items()} == {
            "latest": "0.1.1",
            "special": "0.1.2",
            "beta": "2.3.1",
        }
        await world.alice.delete("/v2/actors/~my-actor/versions/2.3")
        await world.alice.post("/v2/actors/~my-actor/versions", version(*FILES, versionNumber="2.3", buildTag=None))
        fourth = await built(world, "version=2.3")
        assert fourth["buildNumber"] == "2.3.2"
        assert fourth["actVersion"] == {"versionNumber": "2.3", "sourceType": "SOURCE_FILES"}
        patch = {"taggedBuilds": {"special": None, "stable": {"buildId": fourth["id"]}}}
        tags = (await world.alice.put("/v2/actors/~my-actor", patch))["taggedBuilds"]
        assert {tag: build["buildNumber"] for tag, build in tags.items()} == {
            "latest": "0.1.1",
            "beta": "2.3.1",
            "stable": "2.3.2",
        }
        for wrong in ("nothing", third["actId"]):
            patch = {"taggedBuilds": {"x": {"buildId": wrong}}}
            assert (await world.alice.put("/v2/actors/~my-actor", patch, status=400))["type"] == "invalid-input"


async def test_starts_that_are_wrong() -> None:
    async with open_world() as world:
        await make(world)
        assert (await world.alice.post(BUILDS, status=400))["message"].startswith("The query parameter version")
        assert (await world.alice.post(f"{BUILDS}?version=9.9", status=404))["type"] == "record-not-found"
        assert (await world.alice.post(f"{BUILDS}?version=x", status=400))["type"] == "invalid-input"
        assert (await world.alice.post(f"{BUILDS}?version=0.1&tag=a/b", status=400))["type"] == "invalid-input"
        path = "/v2/actors/alice~my-actor/builds?version=0.1"
        assert (await world.bob.post(path, status=404))["type"] == "record-not-found"
        assert (await world.nobody.post(path, status=401))["type"] == "token-not-provided"
        assert (await world.alice.get(BUILDS))["total"] == 0


async def test_a_failing_build() -> None:
    async with open_world() as world:
        await make(world)
        world.builder.fails = "RUN pip install: it ended with exit code 1."
        build = await built(world)
        assert build["status"] == "FAILED"
        assert build["actorDefinition"]["readme"] == "# Mine"
        assert build["stats"]["imageSizeBytes"] is None
        assert (await log_of(world, build["id"]))[-1] == (
            "ACTOR: Build failed: RUN pip install: it ended with exit code 1."
        )
        assert (await world.alice.get("/v2/actors/~my-actor"))["taggedBuilds"] == {}
        assert await world.events() == ["ACTOR.BUILD.CREATED", "ACTOR.BUILD.FAILED"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sourceFiles": []}, "Version 0.1 has no source files. Give it some, then build again."),
        ({"sourceType": "GIT_REPO", "gitRepoUrl": "ssh://x"}, "Repositories over ssh need a deploy key."),
        (version((".actor/actor.json", "{")), ".actor/actor.json: it is not valid JSON"),
        (version((".actor/actor.json", '{"input": "./no.json"}')), "there is no file '.actor/no.json'"),
    ],
)
async def test_sources_that_cannot_be_built(changed: dict[str, Any], message: str) -> None:
    async with open_world() as world:
        await make(world)
        await world.alice.put("/v2/actors/~my-actor/versions/0.1", changed)
        build = await built(world)
        assert build["status"] == "FAILED"
        assert message in (await log_of(world, build["id"]))[-1]
        assert world.builder.specs == []


async def test_waiting_is_held_until_the_build_has_finished() -> None:
    async with open_world() as world:
        await make(world)
        world.builder.hang()
        build = await world.alice.post(f"{BUILDS}?version=0.1")
        async with asyncio.TaskGroup() as group:
            path = f"/v2/actor-builds/{build['id']}?waitForFinish=999999"
            waiting = group.create_task(world.alice.get(path))
            await world.loop.tick()
            await world.builder.begun()
            assert not waiting.done()
            world.builder.go()
            await asyncio.wait([waiting])
        assert waiting.result()["status"] == "SUCCEEDED"
        assert (await world.alice.get(path))["status"] == "SUCCEEDED"
        late = await world.alice.post(f"{BUILDS}?version=0.1&waitForFinish=0.01")
        assert late["status"] == "READY"
        assert (await world.alice.get(f"/v2/actor-builds/{late['id']}?waitForFinish=-5"))["status"] == "READY"


async def test_lists() -> None:
    async with open_world() as world:
        await make(world)
        await world.alice.post("/v2/actors", {"name": "other", "versions": [version(*FILES)]})
        ids = []
        for path in (BUILDS, BUILDS, "/v2/actors/~other/builds"):
            ids.append((await world.alice.post(f"{path}?version=0.1"))["id"])
            await world.clock.advance(1)
        everything = await world.alice.get("/v2/actor-builds")
        assert [item["id"] for item in everything["items"]] == ids
        for item in everything["items"]:
            BuildListItem.model_validate(item)
        assert {key: everything[key] for key in ("total", "count", "offset", "limit", "desc")} == {
            "total": 3, "count": 3, "offset": 0, "limit": 1000, "desc": False,
        }  # fmt: skip
        assert [item["id"] for item in (await world.alice.get(f"{BUILDS}?desc=1"))["items"]] == [ids[1], ids[0]]
        assert [item["id"] for item in (await world.alice.get("/v2/actor-builds?offset=1&limit=1"))["items"]] == ids[
            1:2
        ]
        assert (await world.bob.get("/v2/actor-builds"))["total"] == 0
        assert (await world.bob.get("/v2/actors/alice~my-actor/builds", status=404))["type"] == "record-not-found"


async def test_who_may_read_a_build() -> None:
    async with open_world() as world:
        actor = await make(world)
        build = await built(world)
        paths = [f"/v2/actor-builds/{build['id']}", f"/v2/actors/{actor['id']}/builds/{build['id']}"]
        for path in [*paths, f"/v2/logs/{build['id']}"]:
            for client in (world.bob, world.nobody):
                assert (await client.get(path, status=404))["type"] == "record-not-found"
        public = {"isPublic": True, "title": "Mine", "categories": ["AI"]}
        await world.alice.put(f"/v2/actors/{actor['id']}", public)
        for path in paths:
            for client in (world.bob, world.nobody):
                seen = await client.get(path)
                Build.model_validate(seen)
                assert "usageUsd" not in seen
                assert "usageTotalUsd" not in seen
        assert (await world.nobody.get(f"/v2/actors/{actor['id']}/builds/default"))["id"] == build["id"]
        assert (await world.bob.get("/v2/actors/alice~my-actor/builds"))["total"] == 1


async def test_a_build_under_its_actor_and_under_another() -> None:
    async with open_world() as world:
        await make(world)
        await world.alice.post("/v2/actors", {"name": "other"})
        build = await built(world)
        assert await world.alice.get(f"{BUILDS}/{build['id']}") == build
        for path in (f"/v2/actors/~other/builds/{build['id']}", f"{BUILDS}/nothing", "/v2/actor-builds/nothing"):
            assert (await world.alice.get(path, status=404))["type"] == "record-not-found"
        nested = f"/v2/actors/~other/builds/{build['id']}/abort"
        assert (await world.alice.post(nested, status=404))["type"] == "record-not-found"


async def test_how_to_call_an_actor_as_an_openapi_document() -> None:
    schema = {
        "title": "Input",
        "type": "object",
        "schemaVersion": 1,
        "required": ["url"],
        "properties": {
            "url": {"title": "Address", "type": "string", "editor": "textfield", "prefill": "http://x"},
            "key": {"type": ["string", "null"], "isSecret": True, "editor": "textfield"},
            "tags": {"type": "array", "editor": "stringList", "default": ["a"]},
        },
    }
    fields = {"type": "object", "properties": {"n": {"type": ["integer", "string"]}}}
    actor_json = {"version": "0.1.7", "input": schema, "storages": {"dataset": {"fields": fields}}}
    async with open_world() as world:
        actor = await make(world)
        await world.alice.put(
            "/v2/actors/~my-actor/versions/0.1", version((".actor/actor.json", json.dumps(actor_json)))
        )
        path = f"/v2/actors/{actor['id']}/builds"
        assert (await world.alice.get(f"{path}/default/openapi.json", status=403))["type"] == "unknown-build-tag"
        build = await built(world)
        answer = await world.alice.request("GET", f"/v2/actor-builds/{build['id']}/openapi.json")
        document = answer.json
        assert document["info"] == {"title": "my-actor", "version": "0.1.7", "x-build-id": build["id"]}
        assert document["servers"] == [{"url": "http://here/v2"}]
        address = "/actors/alice~my-actor"
        assert {path: list(methods) for path, methods in document["paths"].items()} == {
            f"{address}/run-sync-get-dataset-items": ["post"],
            f"{address}/runs": ["post"],
            f"{address}/run-sync": ["post"],
        }
        assert document["components"]["schemas"]["input"] == {
            "title": "Input",
            "type": "object",
            "required": ["url"],
            "properties": {
                "url": {"title": "Address", "type": "string", "example": "http://x"},
                "key": {"type": "string", "nullable": True, "format": "password"},
                "tags": {"type": "array", "default": ["a"], "items": {}},
            },
        }
        items = document["paths"][f"{address}/run-sync-get-dataset-items"]["post"]["responses"]["201"]
        assert items["content"]["application/json"]["schema"]["items"]["properties"] == {
            "n": {"anyOf": [{"type": "integer"}, {"type": "string"}]}
        }
        for other in (f"{path}/{build['id']}/openapi.json", f"{path}/default/openapi.json"):
            assert (await world.alice.request("GET", other)).body == answer.body
        for client in (world.bob, world.nobody):
            await client.get(f"/v2/actor-builds/{build['id']}/openapi.json", status=404)
            await client.get(f"{path}/default/openapi.json", status=404)
        world.builder.fails = "Broken."
        failed = await built(world)
        error = await world.alice.get(f"/v2/actor-builds/{failed['id']}/openapi.json", status=403)
        assert error["type"] == "invalid-build"


async def test_which_build_a_run_gets() -> None:
    async with open_world() as world:
        actor = await make(world)
        error = await world.alice.get(f"{BUILDS}/default", status=403)
        assert error["type"] == "unknown-build-tag"
        first = await built(world)
        second = await built(world, "version=0.1&tag=beta")
        world.builder.fails = "Broken."
        failed = await built(world)
        me = await world.alice.get("/v2/users/me")
        alice = Principal(user_id=me["id"], username="alice", number=1)

        async def chosen(wanted: str | None) -> tuple[str, tuple[str, ...]]:
            def work(tx: Any) -> tuple[str, tuple[str, ...]]:
                row = world.actors.resolve_in(tx, alice, actor["id"])
                build = world.builds.for_run_in(tx, row, wanted)
                assert build.image_reference is not None
                assert build.facts.min_memory_mbytes == 256
                assert build.facts.has_input_schema
                return build.id, build.tags

            return await world.database.read(work)

        assert await chosen(None) == (first["id"], ("latest",))
        assert await chosen("latest") == (first["id"], ("latest",))
        assert await chosen("beta") == (second["id"], ("beta",))
        assert await chosen("0.1.2") == (second["id"], ("beta",))
        with pytest.raises(UnknownBuildTag):
            await chosen("nothing")
        with pytest.raises(BuildNotFound):
            await chosen("0.1.9")
        with pytest.raises(InvalidBuild):
            await chosen(failed["buildNumber"])
        assert (await world.alice.get(f"{BUILDS}/default"))["id"] == first["id"]
        await world.alice.put("/v2/actors/~my-actor", {"defaultRunOptions": {"build": "0.1.2"}})
        assert await chosen(None) == (second["id"], ("beta",))
