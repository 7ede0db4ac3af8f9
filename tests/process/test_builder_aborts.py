"""Builds that are aborted in any phase: what of them is left is counted. Equal builds, and what is kept of secrets."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from actorium.builders import BuildFailed, BuildSpec, Image
from actorium.builders.process.builder import ProcessBuilder
from actorium.executors.process.executor import ProcessOptions
from actorium.executors.process.step import owner_uid
from actorium.kernel.clock import SystemClock

pytestmark = [pytest.mark.anyio, pytest.mark.process]
CLOCK = SystemClock()
OWNER = 7800 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
DOCKERFILE = (
    "FROM apify/actor-python:3.11 AS first\nWORKDIR /work\nCOPY a.txt b/ ./\n"
    "RUN (setsid sleep 100 &); echo one; head -c 3000000 /dev/zero > big; echo two\n"
    "FROM apify/actor-python:3.11\nCOPY --from=first /work ./work\nRUN echo three > three\n"
)
FILES = {"Dockerfile": DOCKERFILE, "a.txt": "a", **{f"b/{number}": "b" * 1000 for number in range(200)}}


@dataclass(frozen=True, slots=True)
class Left:
    """Everything that a build makes on this machine while it goes on."""

    processes: int
    helpers: int
    mounts: int
    folders: list[str]
    groups: int
    descriptors: int


class Machine:
    """A builder, and what one can count of it from outside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def builder(self) -> ProcessBuilder:
        options = ProcessOptions(allow_host_network=True)
        return ProcessBuilder(self.folder, clock=CLOCK, environment=os.environ, options=options)

    async def build(
        self, log: Callable[[bytes], None], files: dict[str, str] = FILES, *, cache: bool = False, **build_args: str
    ) -> Image:
        self.count += 1
        spec = BuildSpec(
            name=f"abort{os.getpid()}-{self.count}",
            owner_number=OWNER,
            files={path: text.encode() for path, text in files.items()},
            dockerfile="Dockerfile",
            build_args=build_args,
            use_cache=cache,
            memory_mbytes=512,
            deadline=CLOCK.now().plus(secs=120),
        )
        return await self.builder().build(spec, log)

    def left(self) -> Left:
        uid = owner_uid(OWNER)
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        return Left(
            processes=sum(uid in (each.info["uids"] or ()) for each in psutil.process_iter(["uids"])),
            helpers=len(psutil.Process().children()),
            mounts=sum(str(self.folder) in line for line in mounts),
            folders=sorted(str(path.relative_to(self.folder)) for path in self._scratch()),
            groups=sum(f"abort{os.getpid()}-" in name for _, names, _ in os.walk("/sys/fs/cgroup") for name in names),
            descriptors=len(os.listdir("/proc/self/fd")),
        )

    def _scratch(self) -> list[Path]:
        locks = [path for path in self.folder.glob("locks/*") if not path.name.startswith("owner-")]
        return [
            *self.folder.glob("work/*/*"),
            *self.folder.glob("layers/*/.*"),
            *self.folder.glob("index/*/.*"),
            *locks,
        ]


class Log:
    """What a build has said, and whether a text is in it."""

    def __init__(self, wanted: bytes) -> None:
        self.text = b""
        self.seen = asyncio.Event()
        self._wanted = wanted

    def take(self, lines: bytes) -> None:
        self.text += lines
        if self._wanted in self.text:
            self.seen.set()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(tmp_path_factory.mktemp("aborts"))


async def test_a_build_aborted_in_any_phase_leaves_nothing(machine: Machine) -> None:
    said: list[bytes] = []
    whole = await machine.build(said.append)
    before = machine.left()
    assert (before.processes, before.mounts, before.folders, before.groups) == (0, 0, [], 0)
    moments = [(at, at % 2 * 0.03) for at in range(len(said))]
    aborted = await asyncio.gather(*(_aborted(machine, at, delay) for at, delay in moments))
    assert sum(aborted) > len(moments) / 2  # the last moments may come too late
    assert machine.left() == before
    assert (await machine.build(said.append, cache=True)).size_bytes == whole.size_bytes


async def _aborted(machine: Machine, at: int, delay: float) -> bool:
    """Build, and cancel that a moment after it has written so many lines. Whether it was in time."""
    lines = 0

    def log(_: bytes) -> None:
        nonlocal lines
        if lines == at:
            asyncio.get_running_loop().call_later(delay, building.cancel)
        lines += 1

    building = asyncio.ensure_future(machine.build(log, {**FILES, "a.txt": f"{at} {delay}"}))  # no two are the same
    await asyncio.wait([building])
    return building.cancelled()


async def test_aborting_one_of_two_equal_builds_does_not_end_the_other(machine: Machine) -> None:
    files = {
        "Dockerfile": "FROM apify/actor-python:3.11\nRUN echo begun $(cat /proc/sys/kernel/random/uuid); sleep 0.3\n"
    }
    logs = [Log(b"\nbegun "), Log(b"Waiting"), Log(b"Waiting")]
    first = asyncio.ensure_future(machine.build(logs[0].take, files, cache=True))
    await logs[0].seen.wait()
    others = [asyncio.ensure_future(machine.build(log.take, files, cache=True)) for log in logs[1:]]
    for log in logs[1:]:
        await log.seen.wait()
    first.cancel()
    images = await asyncio.gather(*others)
    assert first.cancelled()
    assert len({image.reference for image in images}) == 1
    assert sorted(image.cached for image in images) == [False, True]
    assert sum(b"\nbegun " in log.text for log in logs[1:]) == 1
    left = machine.left()
    assert (left.processes, left.mounts, left.folders, left.groups) == (0, 0, [], 0)


async def test_a_secret_build_argument_is_in_the_key_of_a_layer_and_nowhere_else(machine: Machine) -> None:
    secret, other = "first-very-secret-value", "other-very-secret-value"
    files = {"Dockerfile": 'FROM apify/actor-python:3.11\nARG KEY\nRUN test -n "$KEY" && echo used > used\n'}
    log = Log(b"")
    first = await machine.build(log.take, files, cache=True, KEY=secret)
    assert (await machine.build(log.take, files, cache=True, KEY=secret)).cached
    assert not (await machine.build(log.take, files, cache=True, KEY=other)).cached
    assert secret.encode() not in log.text
    names = [str(path) for path in machine.folder.rglob("*")]
    assert not [name for name in names if secret in name]
    kept = [path for path in machine.folder.rglob("*") if path.is_file() and path.stat().st_size < 1 << 20]
    assert not [path for path in kept if secret.encode() in path.read_bytes()]
    assert (machine.folder / "images" / first.reference / "image.json").exists()


async def test_the_disk_of_a_build_is_that_of_all_its_steps_together(machine: Machine) -> None:
    half = "RUN head -c 600000000 /dev/zero > big\n"
    with pytest.raises(BuildFailed, match="more than the 1024 MB of disk"):
        await machine.build(lambda _: None, {"Dockerfile": f"FROM apify/actor-python:3.11\n{half}{half}"})
    left = machine.left()
    assert (left.processes, left.mounts, left.folders, left.groups) == (0, 0, [], 0)
