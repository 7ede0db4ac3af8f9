"""Containers as sandboxed processes of this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actorium.executors import Executor, Spec
from actorium.executors.process import image
from actorium.executors.process.executor import ProcessExecutor
from actorium.executors.process.keeper import cgroups, sandbox
from actorium.kernel.clock import SystemClock
from actorium.testing.conformance.executor import Program, ended, lines
from actorium.testing.conformance.executor_deadlines import DeadlineConformance
from executor_machine import opened

PATH = f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin"

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0, reason="limits of memory and processes need root here"),
]


class TestProcessExecutor(DeadlineConformance):
    @pytest.fixture(autouse=True)
    def state(self, tmp_path: Path) -> Path:
        self.folder = tmp_path / "state"
        self.image = tmp_path / "image"
        image.save(
            self.image,
            image.ProcessImage(layers=(), toolchain=(sys.base_prefix,), env={"PATH": PATH}, workdir="/usr/src/app"),
        )
        return self.folder

    @pytest.fixture
    async def executor(self, state: Path) -> AsyncIterator[Executor]:
        async with opened(state) as executor:
            yield executor

    @pytest.fixture
    async def another(self, state: Path, executor: Executor) -> AsyncIterator[Executor]:
        opened = ProcessExecutor(state, clock=SystemClock())
        yield opened
        await opened.close()

    def spec(self, name: str, program: Program) -> Spec:
        return Spec(
            name=name,
            image=str(self.image),
            owner_number=7,
            env={},
            command=program.argv,
            memory_mbytes=256,
            disk_mbytes=256,
            cpu_cores=1,
            pids_max=100,
            deadline=None,
            log_bytes_max=1_000_000,
            container_port=4321,
            api_port=8000,
        )

    async def test_output_can_be_opened_by_name(self, executor: Executor) -> None:
        """As Actors do: ``echo > /dev/stdout``, ``fs.writeFileSync('/dev/stderr')``."""
        script = "echo out > /dev/stdout; echo err > /dev/stderr; echo both | tee /dev/stderr"
        await self.start(executor, "a-1", Program(("sh", "-c", script)))
        await ended(executor, "a-1")
        assert await lines(executor, "a-1") == [b"out", b"err", b"both", b"both"]

    def processes(self, name: str) -> int:
        group = cgroups.group(sandbox.group_name(self.folder, name))
        assert group is not None
        try:
            fd = group.entries()[0]
        except FileNotFoundError:
            return 0
        text = Path(f"/proc/self/fd/{fd}").readlink().read_text()
        os.close(fd)
        return len(text.split())
