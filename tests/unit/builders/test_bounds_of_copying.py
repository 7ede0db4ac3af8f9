"""COPY, ADD and WORKDIR within bounds: names looked at, bytes written, depth of folders; and what ends them."""

from __future__ import annotations

import asyncio
import io
import random
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from actorium.builders import BuildFailed, BuildSpec, Image
from actorium.builders.process import foundations, making, placing
from actorium.builders.process.copying import Context
from actorium.builders.process.image_paths import checked_place
from actorium.builders.process.layers import Layers, LayerWriter
from actorium.builders.process.meter import Meter
from actorium.builders.process.output import Output
from actorium.builders.process.patterns import Ignore, PatternError, context_files, matches
from actorium.builders.process.source_names import Looks, Names
from actorium.builders.process.steps import CopyStep
from actorium.builders.process.store import Store
from actorium.builders.process.threads import StopMark, Stopped, until_stopped
from actorium.kernel.clock import SystemClock
from actorium.kernel.limits import COPY_PIECE_BYTES, DISK_BLOCK_BYTES, IMAGE_PATH_DEPTH_MAX

CLOCK = SystemClock()
MB = 1 << 20


def test_patterns_choose_what_a_look_at_every_name_would() -> None:
    chance = random.Random(7)
    words = ["a", "ab", "a-b", "a0", "b", "*x"]
    paths = {"/".join(chance.choices(words, k=chance.randint(1, 4))) for _ in range(300)}
    for _ in range(200):
        parts = chance.choices([*words, "*", "a*", "?", "[ab]", "*b", "\\*x"], k=chance.randint(1, 3))
        pattern = "/".join(["*", *parts[1:]])
        depth = len(parts)
        named = {path: "/".join(path.split("/")[:depth]) for path in paths if path.count("/") >= depth - 1}
        wanted = {path: path[len(name) + 1 :] for path, name in named.items() if matches(pattern, name)}
        assert Names(paths, Looks()).matching(pattern) == wanted, pattern


def test_a_pattern_is_not_held_against_names_in_other_folders() -> None:
    paths = [f"{folder}/{number}" for folder in "abcdefgh" for number in range(1000)]
    assert Names(paths, Looks(most=8 + 1000 + 100)).matching("a*/77?") == {f"a/77{last}": "" for last in range(10)}
    with pytest.raises(BuildFailed, match="lead to more than 900 names"):
        Names(paths, Looks(most=900)).matching("a/7*")


def test_ignore_rules_in_groups_decide_as_one_after_the_other() -> None:
    chance = random.Random(11)
    words = ["a", "b", "c", "*", "a*", "**", "*/b", "a/b", "b/c"]
    paths = ["/".join(chance.choices("abc", k=chance.randint(1, 4))) for _ in range(40)]
    for _ in range(150):
        rules = [chance.choice(["", "!"]) + chance.choice(words) for _ in range(chance.randint(1, 7))]
        ignore = Ignore("\n".join(rules))
        for path in paths:
            fits = [rule for rule in rules if Ignore(rule.removeprefix("!"))(path)]
            assert ignore(path) == bool(fits and not fits[-1].startswith("!")), (rules, path)


def test_what_ignore_rules_may_cost_is_bounded() -> None:
    files = {f"{number}": b"" for number in range(101_000)} | {".dockerignore": b"*x\n" * 1000}
    with pytest.raises(BuildFailed, match=r"1000 patterns for 101001 names are more than can be looked at"):
        context_files(files, "Dockerfile")
    with pytest.raises(PatternError, match="characters in all"):
        Ignore("\n".join(["a" * 1000] * 200))
    mark = StopMark()
    mark.is_set = True
    with pytest.raises(Stopped):
        context_files({"a": b"", ".dockerignore": b"*x"}, "Dockerfile", mark)


def test_a_path_is_looked_up_once_for_each_of_its_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, child = 0, Layers.child

    def counted(*args: Any) -> Any:
        nonlocal looked
        looked += 1
        return child(*args)

    monkeypatch.setattr(Layers, "child", counted)
    (tmp_path / "l").mkdir()
    writer = LayerWriter(tmp_path / "l", ())
    writer.put("/a" * 150 + "/file", b"", mode=0o644)
    assert looked < 4 * 150
    with pytest.raises(OSError, match=f"at most {IMAGE_PATH_DEPTH_MAX} folders"):
        writer.make_dir("/a" * 3000)


def test_bytes_are_counted_before_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "l").mkdir()
    stage = tmp_path / "file"
    stage.write_bytes(b"x" * 3 * COPY_PIECE_BYTES)
    for content in (stage, io.BytesIO(stage.read_bytes())):
        writer = LayerWriter(tmp_path / "l", (), meter=Meter(2 * COPY_PIECE_BYTES, told_mbytes=2))
        with pytest.raises(BuildFailed, match="more than the 2 MB of disk"):
            writer.put("/out", content, mode=0o600)
        assert (tmp_path / "l/out").stat().st_size < 2 * COPY_PIECE_BYTES
    writer = LayerWriter(tmp_path / "l", (), meter=Meter(10 * DISK_BLOCK_BYTES))
    with pytest.raises(BuildFailed, match="of disk"):
        for number in range(12):
            writer.put(f"/{number}", b"", mode=0o600)


def test_a_stopped_copy_ends_within_a_file(tmp_path: Path) -> None:
    (tmp_path / "l").mkdir()
    mark = StopMark()

    class Stream(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            mark.is_set = self.tell() > 0
            return super().read(size)

    writer = LayerWriter(tmp_path / "l", (), meter=Meter(mark=mark))
    with pytest.raises(Stopped):
        writer.put("/out", Stream(b"x" * 5 * COPY_PIECE_BYTES), mode=0o644)
    assert (tmp_path / "l/out").stat().st_size <= COPY_PIECE_BYTES
    with pytest.raises(Stopped):
        writer.link("/link", "x")


@pytest.mark.anyio
async def test_a_cancelled_caller_stops_the_work_and_waits_for_its_end() -> None:
    mark, begun, ended = StopMark(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        try:
            while True:
                mark.look()
        finally:
            ended.set()

    waiting = asyncio.ensure_future(until_stopped(mark, work))
    await asyncio.to_thread(begun.wait)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()


class Builds:
    """Builds of COPY and WORKDIR alone, on a base without anything."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "state")
        self.work = folder / "state/work/1/build"
        self.store.prepare(1, "actor", None)
        self.log: list[bytes] = []

    async def build(self, lines: Iterable[str], files: dict[str, bytes] | None = None, *, memory: int = 1024) -> Image:
        dockerfile = "\n".join(["FROM base", *lines]).encode()
        spec = BuildSpec(
            name="build", owner_number=1, actor="actor", files={"Dockerfile": dockerfile, **(files or {})},
            dockerfile="Dockerfile", build_args={}, use_cache=True, memory_mbytes=memory,
            deadline=CLOCK.now().plus(secs=60),
        )  # fmt: skip
        self.work.mkdir(parents=True)
        host: Any = type("NoHost", (), {"uid": lambda self, _: None, "way": making.OPEN, "environment": {}})()
        output = Output(self.log.append, secrets=())
        return await making.Making(spec, output, store=self.store, host=host, clock=CLOCK, work=self.work).image()


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builds:
    async def lay(made: making.Making, _: object) -> making.Built:
        return made.start(toolchain=())

    monkeypatch.setattr(foundations, "lay", lay)
    return Builds(tmp_path)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([f"COPY Dockerfile /{'a' * 300}"], r"^Dockerfile line 2: the path .* has a name of 300 bytes"),
        ([f"WORKDIR /{'w' * 300}"], r"^Dockerfile line 2: the path .* has a name of 300 bytes"),
        ([f"COPY Dockerfile {'/a' * 3000}"], r"^Dockerfile line 2: the path .* is too deep or too long"),
        ([f"WORKDIR {'/w' * 3000}"], r"^Dockerfile line 2: the path .* is too deep or too long"),
        (['COPY ["Dockerfile", "/\\ud800"]'], r"^Dockerfile line 2: the path .* is not valid Unicode"),
        (["WORKDIR /proc/x", "RUN pwd"], r"^Dockerfile line 2: WORKDIR /proc/x lies in a folder of the kernel's"),
        (["COPY Dockerfile /w", "WORKDIR /w/x"], r"^Dockerfile line 3: WORKDIR /w/x .*: w in it is a file"),
        (
            ["COPY Dockerfile /w", f"COPY {'d/' * 120} /{'x/' * 150}"],
            r"^Dockerfile line 3: COPY d/.* too deep or too long: at most",
        ),
    ],
    ids=["long name", "long workdir", "deep", "deep workdir", "unicode", "proc", "file", "together"],
)
async def test_places_that_cannot_be(builds: Builds, lines: list[str], message: str) -> None:
    with pytest.raises(BuildFailed, match=message) as caught:
        await builds.build(lines, {f"{'d/' * 120}{'e/' * 60}f": b""})
    assert "\n" not in caught.value.message


def test_a_path_from_a_build_argument_may_hold_anything() -> None:
    with pytest.raises(BuildFailed, match=r"^Dockerfile line 3: the path .* contains a NUL"):
        checked_place(3, "/x\0y")


def test_a_workdir_that_a_command_made_a_file(tmp_path: Path) -> None:
    (tmp_path / "w").touch()
    (tmp_path / "p").symlink_to("/proc/x")
    (tmp_path / "round").symlink_to("round")
    for path, message in (("/w", "is a file"), ("/p", "of the kernel's own"), ("/round", "goes round in links")):
        with pytest.raises(BuildFailed, match=f"^Dockerfile line 4: WORKDIR {path} .*{message}"):
            placing.checked_workdir(4, path, Layers([tmp_path]))
    placing.checked_workdir(4, "/new/one", Layers([tmp_path]))


@pytest.mark.anyio
async def test_paths_that_are_too_long_together(builds: Builds) -> None:
    name = "é" * 125
    lines = [f"WORKDIR /{'/'.join([name] * 14)}", "COPY deep ."]
    with pytest.raises(BuildFailed, match=rf"^Dockerfile line 3: COPY deep \. .*File name too long \({'é' * 80}\)$"):
        await builds.build(lines, {f"deep/{'/'.join([name] * 2)}": b""})


@pytest.mark.anyio
async def test_an_error_of_the_machine_is_not_told_as_the_authors(
    builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LayerWriter, "put", full)
    with pytest.raises(OSError, match="No space left"):
        await builds.build(["COPY Dockerfile /a"])


@pytest.mark.anyio
async def test_copies_together_keep_within_the_disk_of_the_build(builds: Builds) -> None:
    with pytest.raises(BuildFailed, match="more than the 20 MB of disk"):
        await builds.build((f"COPY big /{number}" for number in range(50)), {"big": bytes(MB)}, memory=10)
    written = sum(path.stat().st_size for path in builds.work.rglob("*") if path.is_file())
    assert 15 * MB < written <= 20 * MB


@pytest.mark.anyio
async def test_an_abort_ends_copies_that_are_under_way(builds: Builds, monkeypatch: pytest.MonkeyPatch) -> None:
    put, loop, count = LayerWriter.put, asyncio.get_running_loop(), 0

    def counted(writer: LayerWriter, path: str, content: Any, *, mode: int) -> None:
        nonlocal count
        count += 1
        put(writer, path, content, mode=mode)
        if count == 3:
            asyncio.run_coroutine_threadsafe(cancel(), loop).result(30)

    told = asyncio.Event()

    class Told(StopMark):
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            if value:
                told.set()

    async def cancel() -> None:
        building.cancel()
        await told.wait()

    monkeypatch.setattr(LayerWriter, "put", counted)
    monkeypatch.setattr(making, "StopMark", Told)
    building = asyncio.ensure_future(builds.build(f"COPY Dockerfile /{number}" for number in range(50)))
    await asyncio.wait([building])
    assert building.cancelled()
    assert count <= 4


@pytest.mark.anyio
async def test_names_are_looked_up_in_threads_and_once(builds: Builds, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool]] = []

    def watched(kind: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            seen.append((kind, threading.current_thread() is threading.main_thread()))
            return work(*args, **kwargs)

        return call

    monkeypatch.setattr(Names, "matching", watched("names", Names.matching))
    monkeypatch.setattr(Ignore, "kept", watched("ignore", Ignore.kept))
    files = {f"f{number}": b"" for number in range(50)} | {".dockerignore": b"*.x"}
    await builds.build((f"COPY f* /x{number}/" for number in range(30)), files)
    assert {kind for kind, _ in seen} == {"names", "ignore"}
    assert not [kind for kind, is_main in seen if is_main]
    assert len(seen) == 2 + 2 * (1 + 30)  # files and folders: for the key once, and each time they are placed


def test_a_context_bounds_what_its_sources_lead_to() -> None:
    context = Context(files={f"f{number}": b"" for number in range(100)}, looks=Looks(most=450))
    step = CopyStep(sources=(), target="/")
    assert len(context.chosen(step, "f*")[0]) == 100
    with pytest.raises(BuildFailed, match="lead to more than 450 names of files in all: copy whole folders"):
        for _ in range(4):
            context.chosen(step, ".")
            context.chosen(step, "f*")
