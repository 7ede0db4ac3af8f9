"""Rounds of ``actorium dev`` on a server that answers as a test wants it."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from actorium.caller.actor_folder import ActorFolder
from actorium.caller.api import Raw
from actorium.caller.failure import Failed
from actorium.dev import watched
from actorium.dev.given import WHERE, Given
from actorium.dev.screen import Screen
from actorium.dev.session import RunOptions, Session
from actorium.dev.watching import Watch
from actorium.kernel.limits import SOURCE_BYTES_MAX
from actorium.testing.clock import ManualClock

pytestmark = pytest.mark.anyio


class Server:
    """One Actor at most, its builds and runs. What a test changes of it, it answers."""

    def __init__(self) -> None:
        self.actor: dict[str, Any] | None = None
        self.calls: list[str] = []
        self.inputs: list[Any] = []
        self.queries: list[dict[str, object]] = []
        self.bodies: dict[str, Any] = {}
        self.build = {"id": "b1", "actId": "a1", "buildNumber": "0.1.1", "status": "SUCCEEDED"}
        self.build |= {"stats": {"durationMillis": 20}, "actorDefinition": {}}
        self.run = {"id": "r1", "status": "SUCCEEDED", "exitCode": 0, "statusMessage": "Fine", "defaultDatasetId": "d1"}
        self.run |= {"stats": {"runTimeSecs": 1.0}, "defaultKeyValueStoreId": "k1"}
        self.items: list[Any] = []
        self.refuses = ""
        self.is_lost = False
        self.hold: asyncio.Event | None = None
        self.holds = "r1"
        self.held = asyncio.Event()

    async def call(self, method: str, path: str, body: Any = None, **query: object) -> Any:
        self.calls.append(f"{method} {path}")
        if self.is_lost:
            raise Failed("no answer", "")
        if self.refuses and self.refuses in path:
            raise Failed(f"{path} answered 400: no", "a hint", status=400)
        parts = [method, *path.removeprefix("/v2/").split("/")]
        return self._write(parts, body, query) if method != "GET" else self._read(parts, query)

    def _write(self, parts: list[str], body: Any, query: dict[str, object]) -> Any:
        match parts:
            case ["POST", "actors"]:
                self.actor = {"id": "a1", "username": "me", "versions": [], **body}
                return self.actor
            case ["POST", "actors", _, "builds"]:
                return self.build
            case ["POST", "actors", _, "runs"]:
                self.inputs.append(body)
                self.queries.append(query)
                return self.run
            case ["POST" | "PUT", "actors", *_] | ["PUT", "key-value-stores", *_]:
                self.bodies[f"{parts[0]} /v2/{'/'.join(parts[1:])}"] = body
                return {}
            case ["POST", "actor-runs" | "actor-builds" as kind, _, "abort"]:
                assert "gracefully" not in query
                (self.run if kind == "actor-runs" else self.build)["status"] = "ABORTED"
                return {}
            case ["POST", "key-value-stores"]:
                return {"id": "s1", "urlSigningSecretKey": "secret"}
        raise AssertionError(parts)

    def _read(self, parts: list[str], query: dict[str, object]) -> Any:
        match parts:
            case ["GET", "actors", _]:
                if self.actor is None:
                    raise Failed("none", "", status=404)
                return self.actor
            case ["GET", "actor-builds", _]:
                return self.build
            case ["GET", "actor-runs", _]:
                return self.run
            case ["GET", "datasets", _]:
                return {"itemCount": len(self.items)}
            case ["GET", "datasets", _, "items"]:
                return self.items[: int(str(query["limit"]))]
            case ["GET", "key-value-stores", *_]:
                return {"items": [{"key": "INPUT"}, {"key": "OUTPUT"}], "isTruncated": False}
        raise AssertionError(parts)

    async def log_lines(self, subject_id: str) -> AsyncIterator[str]:
        yield f"2026-11-22T17:00:00.000Z \x1b[32mline\x1b[0m of {subject_id}\x1b[2J\x07"
        if self.is_lost:
            raise Failed("broke off", "")
        if self.hold is not None and subject_id == self.holds:
            self.held.set()
            await self.hold.wait()


class Dev:
    """A folder with an Actor and the session of it."""

    def __init__(self, root: Path, **options: Any) -> None:
        self.root = root
        (root / "main.py").write_text("print(1)")
        self.server = Server()
        self.output = io.StringIO()
        self.screen = Screen(Console(file=self.output, width=60))
        self.folder = ActorFolder(root)
        self.given = Given(root, None, stdin=io.BytesIO())
        self.session = Session(
            self.server, "http://here", folder=self.folder, given=self.given, screen=self.screen,  # type: ignore[arg-type]
            options=RunOptions(**options),
        )  # fmt: skip

    @property
    def text(self) -> str:
        return self.output.getvalue()

    def define(self, **said: Any) -> None:
        (self.root / ".actor").mkdir(exist_ok=True)
        (self.root / ".actor" / "actor.json").write_text(json.dumps({"name": "mine", "version": "0.1", **said}))

    def give(self, text: str) -> None:
        (self.root / WHERE).parent.mkdir(parents=True, exist_ok=True)
        (self.root / WHERE).write_text(text)


@pytest.fixture
def dev(tmp_path: Path) -> Dev:
    made = Dev(tmp_path)
    made.define()
    return made


async def test_a_round_pushes_builds_runs_and_tells(dev: Dev) -> None:
    dev.server.items = [{"n": number, "text": "é" * 400} for number in range(5)]
    assert await dev.session.round() == 0
    assert [line for line in dev.server.calls if line.startswith(("POST", "PUT"))] == [
        "POST /v2/actors",
        "POST /v2/actors/a1/versions",
        "POST /v2/actors/a1/builds",
        "POST /v2/actors/a1/runs",
    ]
    version = dev.server.bodies["POST /v2/actors/a1/versions"]
    assert version["versionNumber"] == "0.1"
    assert {file["name"] for file in version["sourceFiles"]} == {"main.py", ".actor/actor.json"}
    assert dev.server.queries == [{"build": "0.1.1"}]
    for part in ("me/mine 0.1 on http://here", "Build 0.1.1", "17:00:00.000 line of r1", "SUCCEEDED after 1.0 s"):
        assert part in dev.text
    assert "5 items: http://here/v2/datasets/d1/items" in dev.text
    assert dev.text.count('{"n": ') == 3
    assert "é" * 500 not in dev.text
    assert "Records OUTPUT: http://here/v2/key-value-stores/k1/records/KEY" in dev.text
    assert "line of b1" not in dev.text
    assert "\x1b" not in dev.text
    assert "\x07" not in dev.text


async def test_the_second_round_changes_the_version_and_leaves_the_rest_of_it(dev: Dev) -> None:
    dev.server.actor = {"id": "a1", "username": "me", "name": "mine"}
    dev.server.actor["versions"] = [{"versionNumber": "0.1", "sourceType": "TARBALL", "buildTag": "latest"}]
    await dev.session.round()
    assert dev.server.bodies["PUT /v2/actors/a1/versions/0.1"].keys() == {"sourceType", "sourceFiles"}


async def test_sources_that_somebody_chose_are_not_overwritten(dev: Dev) -> None:
    dev.server.actor = {"id": "a1", "username": "me", "name": "mine"}
    dev.server.actor["versions"] = [{"versionNumber": "0.1", "sourceType": "GIT_REPO"}]
    with pytest.raises(Failed, match="built from GIT_REPO"):
        await dev.session.round()
    assert dev.server.calls == ["GET /v2/actors/~mine"]


async def test_large_sources_go_as_an_archive(dev: Dev) -> None:
    (dev.root / "big.txt").write_bytes(b"x" * SOURCE_BYTES_MAX)
    await dev.session.round()
    record = "/v2/key-value-stores/s1/records/version-0.1.zip"
    sent = dev.server.bodies[f"PUT {record}"]
    assert isinstance(sent, Raw)
    assert sent.content_type == "application/zip"
    version = dev.server.bodies["POST /v2/actors/a1/versions"]
    assert version["sourceType"] == "TARBALL"
    assert version["tarballUrl"].startswith(f"http://here{record}?signature=")


async def test_variables_of_the_definition_are_sent_and_secrets_are_spoken_of(dev: Dev) -> None:
    dev.define(environmentVariables={"SAME": "1", "OTHER": "2", "NEW": "3", "KEY": "@mine", "LOST": "@gone"})
    known = [{"name": "SAME", "value": "1"}, {"name": "OTHER", "value": "1"}, {"name": "KEY", "isSecret": True}]
    version = {"versionNumber": "0.1", "sourceType": "SOURCE_FILES", "envVars": known}
    dev.server.actor = {"id": "a1", "username": "me", "name": "mine", "versions": [version]}
    await dev.session.round()
    place = "/v2/actors/a1/versions/0.1/env-vars"
    sent = {name: body for name, body in dev.server.bodies.items() if "env-vars" in name}
    assert sent == {
        f"PUT {place}/OTHER": {"name": "OTHER", "value": "2"},
        f"POST {place}": {"name": "NEW", "value": "3"},
    }
    assert "LOST is not set" in dev.text
    assert "KEY" not in dev.text.replace("records/KEY", "")


async def test_the_input_is_the_file_or_what_forms_are_filled_with(dev: Dev) -> None:
    fields = {"url": {"prefill": "http://x"}, "depth": {"default": 2}, "odd": 1}
    dev.server.build["actorDefinition"] = {"input": {"properties": fields}}
    await dev.session.round()
    dev.give('{"url": "http://y"}')
    await dev.session.round(is_built=True)
    assert dev.server.inputs == [{"url": "http://x"}, Raw(b'{"url": "http://y"}', "application/json")]
    assert "prefilled values of the input schema (url)" in dev.text


@pytest.mark.parametrize("definition", [None, {}, {"input": None}, {"input": {}}])
async def test_an_actor_without_input_gets_none(dev: Dev, definition: Any) -> None:
    dev.server.build["actorDefinition"] = definition
    await dev.session.round()
    assert dev.server.inputs == [None]


async def test_a_wrong_input_is_said_before_anything_is_built(dev: Dev) -> None:
    dev.give("{")
    with pytest.raises(Failed, match=r"INPUT\.json is not valid JSON"):
        await dev.session.round()
    assert dev.server.calls == []


async def test_options_go_to_the_run(tmp_path: Path) -> None:
    dev = Dev(tmp_path, memory_mbytes=256, timeout_secs=9)
    await dev.session.round()
    assert dev.server.queries == [{"build": "0.1.1", "memory": 256, "timeout": 9}]


@pytest.mark.parametrize(
    ("status", "exit_code", "code"), [("FAILED", 91, 91), ("FAILED", None, 1), ("ABORTED", 0, 1), ("SUCCEEDED", 0, 0)]
)
async def test_a_script_gets_the_runs_exit_code(dev: Dev, status: str, exit_code: int | None, code: int) -> None:
    dev.server.run |= {"status": status, "exitCode": exit_code}
    assert await dev.session.round() == code
    assert f"{status} after" in dev.text


async def test_a_build_that_fails_shows_its_log_and_starts_no_run(dev: Dev) -> None:
    dev.server.build["status"] = "FAILED"
    assert await dev.session.round() == 1
    assert "line of b1" in dev.text
    assert "Build 0.1.1 is FAILED" in dev.text
    assert dev.server.inputs == []
    dev.server.build["status"] = "SUCCEEDED"
    assert await dev.session.round(is_built=True) == 0  # the last build is none, so it is built all the same


@pytest.mark.parametrize("what", ["build", "run"])
async def test_what_goes_on_makes_way_at_once(dev: Dev, what: str) -> None:
    going_on = dev.server.run if what == "run" else dev.server.build
    going_on["status"] = "RUNNING"
    dev.server.hold, dev.server.holds = asyncio.Event(), going_on["id"]
    task = asyncio.ensure_future(dev.session.round())
    await dev.server.held.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    place = f"/v2/actor-{what}s/{going_on['id']}"
    assert dev.server.calls[-2:] == [f"POST {place}/abort", f"GET {place}"]
    assert going_on["status"] == "ABORTED"
    assert "aborted" in dev.text


async def test_what_cannot_be_aborted_is_said(dev: Dev) -> None:
    dev.server.run["status"] = "RUNNING"
    dev.server.hold = asyncio.Event()
    task = asyncio.ensure_future(dev.session.round())
    await dev.server.held.wait()
    dev.server.refuses = "/abort"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "may still go on" in dev.text


@pytest.mark.parametrize("knows_it", [True, False])
async def test_what_a_lost_server_went_on_with_is_aborted_when_it_is_back(dev: Dev, knows_it: bool) -> None:
    """It went on for an hour, beside those of all later rounds."""
    log_lines = dev.server.log_lines

    async def lose(subject_id: str) -> AsyncIterator[str]:
        dev.server.is_lost = subject_id == "r1"
        async for line in log_lines(subject_id):
            yield line

    dev.server.log_lines = lose  # type: ignore[method-assign]
    dev.server.run["status"] = "RUNNING"
    with pytest.raises(Failed, match="broke off"):
        await dev.session.round()
    with pytest.raises(Failed, match="no answer"):
        await dev.session.round()
    dev.server.log_lines, dev.server.is_lost = log_lines, False  # type: ignore[method-assign]
    if not knows_it:
        dev.server.refuses, dev.server.run["status"] = "/abort", "SUCCEEDED"
    begun = len(dev.server.calls)
    await dev.session.round()
    assert dev.server.calls[begun] == "POST /v2/actor-runs/r1/abort"
    assert dev.server.inputs == [None, None], "it went on with the round"
    assert dev.server.calls.count("POST /v2/actor-runs/r1/abort") == 2
    await dev.session.make_way()
    assert dev.server.calls.count("POST /v2/actor-runs/r1/abort") == 2, "nothing is left"


async def test_a_run_that_starts_while_the_round_is_ended_is_not_forgotten(dev: Dev) -> None:
    dev.server.run["status"] = "RUNNING"
    arrived, let = asyncio.Event(), asyncio.Event()
    call = dev.server.call

    async def slow(method: str, path: str, body: Any = None, **query: object) -> Any:
        if path.endswith("/runs"):
            arrived.set()
            await let.wait()
        return await call(method, path, body, **query)

    dev.server.call = slow  # type: ignore[method-assign]
    task = asyncio.ensure_future(dev.session.round())
    await arrived.wait()
    task.cancel()
    await turns()
    let.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert dev.server.run["status"] == "ABORTED"


async def test_changes_end_the_run_and_begin_anew_whatever_went_wrong(dev: Dev) -> None:
    clock, server = ManualClock(), dev.server
    server.run["status"], server.hold = "RUNNING", asyncio.Event()
    watch = Watch(lambda: {**dev.folder.state(), **dev.given.state()}, clock)
    task = asyncio.ensure_future(watched(dev.session, watch, dev.given, dev.screen))
    await server.held.wait()

    server.hold, server.refuses = None, "/builds"
    (dev.root / "main.py").write_text("print(22)")
    await until(clock, lambda: "answered 400: no" in dev.text)
    assert server.run["status"] == "ABORTED"
    assert "Changed: main.py" in dev.text
    assert "a hint" not in dev.text  # the answer has said what to do

    server.refuses, server.run["status"] = "", "SUCCEEDED"
    (dev.root / "main.py").write_text("print(333)")
    await until(clock, lambda: "SUCCEEDED" in dev.text)
    await until(clock, lambda: dev.text.count("Waiting for changes") == 2)
    built = server.calls.count("POST /v2/actors/a1/builds")
    dev.give("{}")
    await until(clock, lambda: dev.text.count("Waiting for changes") == 3)
    assert server.calls.count("POST /v2/actors/a1/builds") == built  # the input alone needs no build
    assert server.inputs[-1] == Raw(b"{}", "application/json")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def until(clock: ManualClock, is_so: Callable[[], bool]) -> None:
    for _ in range(200):
        if is_so():
            return
        await clock.advance(0.1)
    raise AssertionError("it did not become so")
