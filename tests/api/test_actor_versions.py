"""Versions, sources and environment variables over the API."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from world import World, open_world, version

pytestmark = pytest.mark.anyio

ONE = "/v2/actors/~my-actor/versions/0.1"


async def make(world: World, **more: Any) -> None:
    await world.alice.post("/v2/actors", {"name": "my-actor", "versions": [version(("main.py", "pass"), **more)]})


def variable(name: str, value: str, *, secret: bool = False) -> dict[str, Any]:
    return {"name": name, "value": value, "isSecret": secret}


async def test_a_version_is_made_read_changed_and_deleted() -> None:
    async with open_world() as world:
        await make(world)
        await world.clock.advance(1)
        second = {"versionNumber": "0.10", "sourceType": "GIT_REPO", "gitRepoUrl": "ssh://here", "buildTag": "beta"}
        answer = await world.alice.request("POST", "/v2/actors/~my-actor/versions", json=second)
        assert answer.status == 201
        assert answer.headers["location"] == "/v2/actors/~my-actor/versions/0.10"
        assert answer.json["data"] == second | {"envVars": [], "applyEnvVarsToBuild": False}
        listed = await world.alice.get("/v2/actors/~my-actor/versions")
        assert listed["total"] == 2
        assert [item["versionNumber"] for item in listed["items"]] == ["0.1", "0.10"]
        actor = await world.alice.get("/v2/actors/~my-actor")
        assert actor["versions"] == listed["items"]
        assert actor["modifiedAt"] == "2026-01-01T00:00:01.000Z"
        assert await world.alice.get(ONE) == listed["items"][0]
        await world.alice.delete(ONE)
        error = await world.alice.get(ONE, status=404)
        assert error["type"] == "record-not-found"
        error = await world.alice.delete("/v2/actors/~my-actor/versions/0.10", status=403)
        assert error["type"] == "too-few-versions"


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_an_update_changes_only_what_is_given(method: str) -> None:
    async with open_world() as world:
        await make(world, buildTag="beta", envVars=[variable("A", "1")])
        before = await world.alice.get(ONE)
        after = await world.alice.call(method, ONE, json={"applyEnvVarsToBuild": True}, status=200)
        assert after == before | {"applyEnvVarsToBuild": True}
        files = [{"name": "src/main.py", "format": "TEXT", "content": "print(1)"}, {"name": "data", "folder": True}]
        after = await world.alice.call(method, ONE, json={"sourceFiles": files, "versionNumber": "0.1"}, status=200)
        assert after["sourceFiles"] == files
        assert after["envVars"] == before["envVars"]
        after = await world.alice.call(method, ONE, json={"tarballUrl": "there", "sourceType": "TARBALL"}, status=200)
        assert after["tarballUrl"] == "there"
        assert "sourceFiles" not in after
        after = await world.alice.call(method, ONE, json={"sourceType": "SOURCE_FILES"}, status=200)
        assert after["sourceFiles"] == []
        assert "tarballUrl" not in after
        error = await world.alice.call(method, ONE, json={"versionNumber": "0.2"}, status=400)
        assert error["type"] == "invalid-input"


async def test_the_list_of_versions_is_replaced() -> None:
    async with open_world() as world:
        await make(world, envVars=[variable("KEY", "secret", secret=True)])
        path = "/v2/actors/~my-actor"
        kept = {"versionNumber": "0.1", "sourceType": "SOURCE_FILES", "envVars": [{"name": "KEY", "isSecret": True}]}
        actor = await world.alice.put(path, {"versions": [version(("a.py", "1"), versionNumber="1.0"), kept]})
        assert [item["versionNumber"] for item in actor["versions"]] == ["0.1", "1.0"]
        assert actor["versions"][0]["sourceFiles"][0]["name"] == "main.py"
        assert actor["versions"][0]["envVars"] == [{"name": "KEY", "isSecret": True}]
        row = await world.database.read(lambda tx: world.actors.versions.find_in(tx, actor["id"], "0.1"))
        assert world.actors.values_of(actor["id"], row.document.env_vars) == {"KEY": "secret"}
        actor = await world.alice.put(path, {"versions": [version(versionNumber="1.0")]})
        assert [item["versionNumber"] for item in actor["versions"]] == ["1.0"]
        assert (await world.alice.put(path, {"versions": []}, status=403))["type"] == "too-few-versions"
        twice = [version(versionNumber="1.0"), version(versionNumber="1.0")]
        assert (await world.alice.put(path, {"versions": twice}, status=400))["type"] == "invalid-input"


async def test_numbers_that_are_taken_or_wrong() -> None:
    async with open_world() as world:
        await make(world)
        path = "/v2/actors/~my-actor/versions"
        assert (await world.alice.post(path, version(), status=403))["type"] == "version-already-exists"
        for number in ("1", "1.2.3", "01.1", "1.100", "a.b", "", None, "1.1\n"):
            error = await world.alice.post(path, version(versionNumber=number), status=400)
            assert error["type"] == "invalid-input", number
        assert (await world.alice.put(f"{path}/9.9", {}, status=404))["type"] == "record-not-found"


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/etc/passwd", "a\\b", "..", ".", "", "a/\0b", "x\n", "a/" + "b" * 256, "c/" * 600],
)
async def test_paths_that_lead_outside_are_refused_by_name(name: str) -> None:
    async with open_world() as world:
        await make(world)
        files = [{"name": name, "format": "TEXT", "content": ""}]
        error = await world.alice.put(ONE, {"sourceFiles": files}, status=400)
        assert error["type"] == "invalid-input"
        assert repr(name[:40])[:-1] in error["message"]
        error = await world.alice.post(
            "/v2/actors/~my-actor/versions", {"versionNumber": "2.0", "sourceFiles": files}, status=400
        )
        assert error["type"] == "invalid-input"
        error = await world.alice.post("/v2/actors", {"name": "other", "versions": [version((name, ""))]}, status=400)
        assert error["type"] == "invalid-input"
        assert (await world.alice.get(ONE))["sourceFiles"][0]["name"] == "main.py"


@pytest.mark.parametrize(
    "names", [("a.py", "a.py"), ("a.py", "./a.py"), ("a", "a/b"), ("a/b", "a//b")], ids=lambda names: "+".join(names)
)
async def test_files_that_collide_are_refused(names: tuple[str, str]) -> None:
    async with open_world() as world:
        await make(world)
        files = [{"name": name, "format": "TEXT", "content": ""} for name in names]
        assert (await world.alice.put(ONE, {"sourceFiles": files}, status=400))["type"] == "invalid-input"


async def test_sources_have_a_limit_and_may_be_base64() -> None:
    async with open_world() as world:
        await make(world)
        content = base64.b64encode(b"\0" * (3 * 1024 * 1024 - 1)).decode()
        files = [{"name": "blob", "format": "BASE64", "content": content}, {"name": "x", "content": "1"}]
        await world.alice.put(ONE, {"sourceFiles": files})
        files.append({"name": "y", "content": "1"})
        assert (await world.alice.put(ONE, {"sourceFiles": files}, status=403))["type"] == "versions-size-exceeded"
        wrong = [{"name": "blob", "format": "BASE64", "content": "not base64!"}]
        error = await world.alice.put(ONE, {"sourceFiles": wrong}, status=400)
        assert "'blob' is not valid base64" in error["message"]


async def test_environment_variables() -> None:
    async with open_world() as world:
        await make(world)
        path = f"{ONE}/env-vars"
        assert await world.alice.get(path) == {"total": 0, "items": []}
        answer = await world.alice.request("POST", path, json={"name": "COLOR", "value": "red"})
        assert answer.status == 201
        assert answer.headers["location"] == "/v2/actors/~my-actor/versions/0.1/env-vars/COLOR"
        assert answer.json["data"] == variable("COLOR", "red")
        error = await world.alice.post(path, variable("COLOR", "blue"), status=403)
        assert error["type"] == "env-var-already-exists"
        assert await world.alice.put(f"{path}/COLOR", variable("COLOR", "blue")) == variable("COLOR", "blue")
        await world.alice.call("POST", f"{path}/COLOR", json=variable("COLOR", "green"), status=200)
        assert await world.alice.put(f"{path}/COLOR", {"name": "COLOR"}) == variable("COLOR", "green")
        assert await world.alice.get(path) == {"total": 1, "items": [variable("COLOR", "green")]}
        error = await world.alice.put(f"{path}/COLOR", variable("COLOUR", "green"), status=403)
        assert error["type"] == "cannot-rename-env-var"
        await world.alice.delete(f"{path}/COLOR")
        for method in ("GET", "DELETE"):
            error = await world.alice.call(method, f"{path}/COLOR", status=404)
            assert error["type"] == "record-not-found"
        await world.alice.put(f"{path}/COLOR", variable("COLOR", "red"), status=404)


async def test_a_secret_is_never_sent_out_and_sealed_at_rest() -> None:
    async with open_world() as world:
        await make(world)
        path = f"{ONE}/env-vars"
        made = await world.alice.post(path, variable("KEY", "very-secret", secret=True))
        assert made == {"name": "KEY", "isSecret": True}
        assert await world.alice.get(f"{path}/KEY") == made
        assert (await world.alice.get(ONE))["envVars"] == [made]
        assert (await world.alice.get("/v2/actors/~my-actor"))["versions"][0]["envVars"] == [made]
        stored = await world.database.read(lambda tx: tx.all("SELECT document FROM actor_versions"))
        assert "very-secret" not in stored[0]["document"]
        assert await world.alice.put(f"{path}/KEY", {"name": "KEY"}) == made
        error = await world.alice.put(f"{path}/KEY", {"name": "KEY", "isSecret": False}, status=400)
        assert "is secret" in error["message"]
        shown = await world.alice.put(f"{path}/KEY", variable("KEY", "public"))
        assert shown == variable("KEY", "public")
        hidden = await world.alice.put(f"{path}/KEY", {"name": "KEY", "isSecret": True})
        assert hidden == made


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "A"},
        {"name": "", "value": "1"},
        {"name": "A=B", "value": "1"},
        {"name": "1A", "value": "1"},
        {"name": "A" * 101, "value": "1"},
        {"name": "A", "value": "1" * 50_001},
        {"name": "A", "value": "a\0b"},
        {"name": "A", "value": 1},
        {"value": "1"},
    ],
    ids=str,
)
async def test_variables_that_cannot_be(wrong: dict[str, Any]) -> None:
    async with open_world() as world:
        await make(world)
        error = await world.alice.post(f"{ONE}/env-vars", wrong, status=400)
        assert error["type"] == "invalid-input"
        assert (await world.alice.put(ONE, {"envVars": [wrong]}, status=400))["type"] == "invalid-input"


async def test_a_variable_is_there_once() -> None:
    async with open_world() as world:
        await make(world)
        twice = [variable("A", "1"), variable("A", "2")]
        assert (await world.alice.put(ONE, {"envVars": twice}, status=400))["message"] == "envVars has 'A' twice."
