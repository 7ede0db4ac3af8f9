"""Builds in the real sandbox, their logs, and a look into what they made."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import psutil

from actorium.builders import BuildSpec, Image
from actorium.builders.process.builder import ProcessBuilder
from actorium.builders.reach import Reach
from actorium.executors.process.executor import ProcessOptions
from actorium.executors.process.image import ProcessImage, load
from actorium.executors.process.step import StepSpec, owner_uid, run_step
from actorium.kernel.clock import SystemClock

CLOCK = SystemClock()
OWNER = 7000 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Another one in each test process, so that its processes can be told apart by their uid."""


class Builds:
    """Builds, their last log, and a look into their images."""

    def __init__(self, folder: Path, reach: Reach | None = None) -> None:
        self.folder = folder
        options = ProcessOptions(allow_host_network=True)
        self.builder = ProcessBuilder(folder, clock=CLOCK, environment=os.environ, options=options, reach=reach)
        self.log: list[bytes] = []
        self.heard = asyncio.Event()
        """A step has written the line ``heard``."""
        self._count = 0

    @property
    def text(self) -> str:
        return b"".join(self.log).decode()

    async def build(
        self,
        files: Mapping[str, str],
        *,
        owner: int = OWNER,
        actor: str = "none",
        cache: bool = True,
        secs: float = 300,
        memory_mbytes: int = 1024,
    ) -> Image:
        self.log.clear()
        self.heard.clear()
        self._count += 1
        spec = BuildSpec(
            name=f"b{os.getpid()}-{self._count}",
            owner_number=owner,
            actor=actor,
            files={path: text.encode() for path, text in files.items()},
            dockerfile="Dockerfile" if "Dockerfile" in files else "",
            build_args={},
            use_cache=cache,
            memory_mbytes=memory_mbytes,
            deadline=CLOCK.now().plus(secs=secs),
        )
        return await self.builder.build(spec, self._listen)

    def image(self, built: Image) -> ProcessImage:
        return load(self.folder / "images" / built.reference)

    async def run(self, built: Image, scratch: Path, *argv: str) -> tuple[int, str]:
        """Its own or another command on an image, in the sandbox: exit code and output."""
        image = self.image(built)
        said: list[bytes] = []
        self._count += 1
        step = StepSpec(
            name=f"look-{os.getpid()}-{self._count}",
            argv=argv or image.argv,
            env=image.env,
            workdir=image.workdir,
            layers=tuple(Path(each) for each in image.layers),
            upper=scratch / f"upper{self._count}",
            toolchain=tuple(Path(each) for each in image.toolchain),
            owner_number=OWNER,
            memory_mbytes=512,
            network=False,
        )
        return await run_step(step, said.append), b"".join(said).decode()

    def nothing_is_left(self) -> None:
        """No process of the owner, no mount and no work folder."""
        uid = owner_uid(OWNER)
        mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.folder) in line]
        alive = [each.info for each in psutil.process_iter(["pid", "name", "uids"]) if uid in (each.info["uids"] or ())]
        work = [str(path) for path in (self.folder / "work").glob("*/*")]
        assert (mounts, alive if os.geteuid() == 0 else [], work) == ([], [], [])

    def _listen(self, lines: bytes) -> None:
        self.log.append(lines)
        if b"heard" in lines.splitlines():
            self.heard.set()
