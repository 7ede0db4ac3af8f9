"""Sources that are not inline, from the version to the files that the builder gets."""

from __future__ import annotations

import asyncio
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from building import BUILDS, built, log_of, make
from server_world import ServerWorld, open_server
from source_server import Repository, serving
from world import open_world, version

pytestmark = pytest.mark.anyio

ONE = "/v2/actors/~my-actor/versions/0.1"


def packed(*files: tuple[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, text in files:
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o755 if name.endswith(".sh") else 0o644) << 16
            file.writestr(info, text)
    return out.getvalue()


async def pushed(world: ServerWorld, content: bytes, *, key: str = "version-0.1.zip") -> str:
    """What the CLI does with a large Actor: a record, and its signed address in the version."""
    store = (await world.alice.request("POST", "/v2/key-value-stores?name=actor-source")).json["data"]
    answer = await world.alice.request(
        "PUT",
        f"/v2/key-value-stores/{store['id']}/records/{key}",
        body=content,
        headers={"content-type": "application/zip"},
    )
    assert answer.status == 201
    listed = await world.alice.get(f"/v2/key-value-stores/{store['id']}/keys")
    address = next(item["recordPublicUrl"] for item in listed["items"] if item["key"] == key)
    assert "signature=" in address
    return f"{address}&disableRedirect=true"


async def build_of(world: ServerWorld, place: str, **more: Any) -> dict[str, Any]:
    versions = [{"versionNumber": "0.1", "sourceType": "TARBALL", "tarballUrl": place} | more]
    made = await world.alice.request("POST", "/v2/actors", json={"name": "my-actor", "versions": versions})
    if made.status != 201:
        await world.alice.put("/v2/actors/~my-actor", {"versions": versions})
    done: dict[str, Any] = await world.alice.post(f"{BUILDS}?version=0.1&waitForFinish=10")
    return done


async def test_a_record_of_this_server_is_an_archive() -> None:
    async with open_server() as world:
        address = await pushed(world, packed(("Dockerfile", "FROM x"), ("run.sh", "exit"), ("src/a.py", "1")))
        build = await build_of(world, address)
        log = "\n".join(await log_of(world, build["id"]))  # type: ignore[arg-type]
        assert build["status"] == "SUCCEEDED", log
        spec = world.builder.specs[-1]
        assert spec.files == {"Dockerfile": b"FROM x", "run.sh": b"exit", "src/a.py": b"1"}
        assert spec.executable == {"run.sh"}
        assert "SHA-256" in log
        assert address.partition("signature=")[2].partition("&")[0] not in log


async def test_whose_records_may_be_read() -> None:
    """Her own without a signature; those of others only with the right one."""
    async with open_server() as world:
        address = await pushed(world, packed(("Dockerfile", "FROM x")))
        plain = address.partition("?")[0]
        assert (await build_of(world, plain))["status"] == "SUCCEEDED"
        world.alice, world.bob = world.bob, world.alice
        assert (await build_of(world, address))["status"] == "SUCCEEDED"
        for wrong in (plain, f"{plain}?signature=abcdef", plain.replace("version-0.1", "version-0.2")):
            build = await build_of(world, wrong)
            assert build["status"] == "FAILED"
            assert "cannot be read" in (await log_of(world, build["id"]))[-1]  # type: ignore[arg-type]


async def test_a_tarball_that_is_none() -> None:
    async with open_server() as world:
        build = await build_of(world, await pushed(world, b"hello"))
        assert build["status"] == "FAILED"
        assert "neither a zip nor a tar.gz" in (await log_of(world, build["id"]))[-1]  # type: ignore[arg-type]
        build = await build_of(world, "http://169.254.169.254/latest/meta-data")
        assert "not on the public internet" in (await log_of(world, build["id"]))[-1]  # type: ignore[arg-type]
        build = await build_of(world, await pushed(world, packed()))
        assert "has no source files" in (await log_of(world, build["id"]))[-1]  # type: ignore[arg-type]


async def test_the_old_single_file() -> None:
    async with open_world() as world:
        await make(world)
        code = {"sourceType": "SOURCE_CODE", "sourceCode": "console.log(1)"}
        after = await world.alice.put(ONE, code)
        assert after["sourceCode"] == "console.log(1)"
        assert "sourceFiles" not in after
        assert (await world.alice.get("/v2/actors/~my-actor"))["versions"][0]["sourceCode"] == "console.log(1)"
        assert (await built(world))["status"] == "SUCCEEDED"
        assert world.builder.specs[-1].files == {"main.js": b"console.log(1)"}
        assert (await world.alice.put(ONE, {"buildTag": "beta"}))["sourceCode"] == "console.log(1)"
        large = await world.alice.put(ONE, {"sourceCode": "x" * (3 * 1024 * 1024 + 1)}, status=403)
        assert large["type"] == "versions-size-exceeded"
        after = await world.alice.put(ONE, {"sourceType": "SOURCE_FILES"})
        assert after["sourceFiles"] == [{"name": "main.js", "format": "TEXT", "content": "console.log(1)"}]
        assert "sourceCode" not in after
        await world.alice.put(ONE, {"sourceFiles": version(("a", "1"), ("b", "2"))["sourceFiles"]})
        assert (await world.alice.put(ONE, {"sourceType": "SOURCE_CODE"}))["sourceCode"] == ""
        await world.alice.put("/v2/actors/~my-actor", {"title": "T", "categories": ["AI"], "isPublic": True})
        other = await world.bob.get("/v2/actors/alice~my-actor")
        assert "sourceCode" not in other["versions"][0]


async def test_folders_without_files_reach_the_builder() -> None:
    async with open_world() as world:
        await make(world)
        files = [{"name": name, "folder": True} for name in ("data/in", "data", "src")]
        files += [{"name": "src/a.py", "content": ""}, {"name": "Dockerfile", "content": "FROM x"}]
        await world.alice.put(ONE, {"sourceFiles": files})
        await built(world)
        assert world.builder.specs[-1].folders == {"data/in"}


async def test_where_sources_are_is_for_the_owner_alone() -> None:
    """A repository's address may hold a password; the source of a build is what it was when the build was started."""
    async with open_world() as world:
        await make(world)
        await built(world)
        place = "https://me:pa55word@127.0.0.1:1/it.git#dev"
        await world.alice.put(ONE, {"sourceType": "GIT_REPO", "gitRepoUrl": place})
        await world.alice.put("/v2/actors/~my-actor", {"title": "T", "categories": ["AI"], "isPublic": True})
        build = await world.alice.post(f"{BUILDS}?version=0.1")
        await world.alice.put(ONE, {"gitRepoUrl": "https://127.0.0.1:2/other"})
        await world.ended(build["id"])
        path = f"/v2/actor-builds/{build['id']}"
        assert (await world.alice.get(path))["actVersion"]["gitRepoUrl"] == place
        assert "gitRepoUrl" not in (await world.bob.get(path))["actVersion"]
        log = "\n".join(await log_of(world, build["id"]))
        assert "pa55word" not in log
        row = await world.database.read(lambda tx: world.builds.find_in(tx, build["id"]))
        assert row is not None
        assert row.git_branch_name == "dev"


@pytest.mark.parametrize(("kind", "field"), [("GIT_REPO", "gitRepoUrl"), ("GITHUB_GIST", "gitHubGistUrl")])
async def test_a_repository_is_built(tmp_path: Path, kind: str, field: str) -> None:
    made = Repository(tmp_path / "it")
    made.write("actors/one/Dockerfile", "FROM x")
    made.write("actors/one/run.sh", "exec", mode=0o755)
    commit = made.commit()
    async with open_world() as world:
        await make(world)
        with serving(tmp_path) as server:
            place = f"http://me:pa55word@127.0.0.1:{server.server_port}/git/it/.git#main:actors/one"
            after = await world.alice.put(ONE, {"sourceType": kind, field: place})
            assert after[field] == place
            build = await built(world)
        log = "\n".join(await log_of(world, build["id"]))
        assert build["status"] == "SUCCEEDED", log
        spec = world.builder.specs[-1]
        assert (spec.files, spec.executable) == ({"Dockerfile": b"FROM x", "run.sh": b"exec"}, {"run.sh"})
        assert f"The commit is {commit}" in log
        assert "pa55word" not in log
        row = await world.database.read(lambda tx: world.builds.find_in(tx, build["id"]))
        assert row is not None
        assert row.git_branch_name == "main"


async def test_what_was_fetched_is_let_go_when_the_build_has_ended() -> None:
    async with open_server() as world:
        world.builder.hang()
        address = await pushed(world, packed(("Dockerfile", "FROM x")))
        versions = [{"versionNumber": "0.1", "sourceType": "TARBALL", "tarballUrl": address}]
        await world.alice.post("/v2/actors", {"name": "my-actor", "versions": versions})
        build = await world.alice.post(f"{BUILDS}?version=0.1")
        await world.builder.begun()
        fetcher = world.work._sources
        assert fetcher._scratch is not None
        assert [path.name for path in fetcher._scratch.iterdir()] == [build["id"]]
        scratch = fetcher._scratch
        job = world.work._build_loop._jobs[build["id"]].task
        world.builder.go()
        await job
        name = f"forget sources of {build['id']}"
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == name))
        assert (await world.alice.get(f"/v2/actor-builds/{build['id']}"))["status"] == "SUCCEEDED"
        assert not scratch.exists()
