"""Containers of Docker's daemon and of Podman, both started by the tests from Debian's packages."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import ClassVar

import pytest

from actorium.executors import Executor, Spec
from actorium.executors.container.engine import ContainerEngine
from actorium.executors.container.executor import ContainerExecutor
from actorium.kernel.clock import SystemClock
from actorium.testing.conformance.executor import Program
from actorium.testing.conformance.executor_deadlines import DeadlineConformance
from container_engine import BASE_NAMES, TestEngine

pytestmark = [pytest.mark.process, pytest.mark.long]


class OnEngine(DeadlineConformance):
    """The suite of every executor of real programs, on one kind of engine."""

    kind: ClassVar[str]
    many = 6
    own_env = frozenset({b"HOSTNAME", b"HOME", b"TERM", b"container"})

    @pytest.fixture
    def started(self, engines: Callable[[str], TestEngine]) -> TestEngine:
        return engines(self.kind)

    @pytest.fixture(autouse=True)
    def state(self, tmp_path: Path) -> Path:
        self.folder = tmp_path / "state"
        return self.folder

    @pytest.fixture
    async def executor(self, state: Path, started: TestEngine) -> AsyncIterator[Executor]:
        opened = ContainerExecutor(state, engine=ContainerEngine(started.socket), clock=SystemClock())
        yield opened
        for name in await opened.survey():
            await opened.remove(name)
        await opened.retire()
        await opened.close()
        assert json.loads(started.call("GET", "/containers/json?all=true")[1]) == []

    @pytest.fixture
    async def another(self, state: Path, executor: Executor, started: TestEngine) -> AsyncIterator[Executor]:
        opened = ContainerExecutor(state, engine=ContainerEngine(started.socket), clock=SystemClock())
        yield opened
        await opened.close()

    def spec(self, name: str, program: Program) -> Spec:
        return Spec(
            name=name,
            image=BASE_NAMES[0],
            owner_number=7,
            env={"MARK": str(self.folder)},
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

    def processes(self, name: str) -> int:
        """Whatever has the mark of this test in its environment: the shim, which has none, does not count."""
        mark, found = str(self.folder).encode(), 0
        for place in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                found += place.name.isdigit() and mark in (place / "environ").read_bytes()
        return found


class TestDocker(OnEngine):
    kind = "docker"


class TestPodman(OnEngine):
    kind = "podman"


del OnEngine
