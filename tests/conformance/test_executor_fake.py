"""The executor in memory."""

from __future__ import annotations

import pytest

from actorium.executors import Executor, Spec
from actorium.executors.fake import FakeExecutor
from actorium.kernel.clock import SystemClock
from actorium.testing.conformance.executor import ExecutorConformance, Program


class TestFakeExecutor(ExecutorConformance):
    @pytest.fixture
    async def executor(self) -> Executor:
        return FakeExecutor(SystemClock())

    def spec(self, name: str, program: Program) -> Spec:
        return Spec(
            name=name,
            image="any",
            owner_number=1,
            env={},
            command=program.argv,
            memory_mbytes=128,
            disk_mbytes=256,
            cpu_cores=1,
            pids_max=100,
            deadline=None,
            log_bytes_max=1_000_000,
            container_port=4321,
            api_port=8000,
        )

    async def begin(self, executor: Executor, spec: Spec, program: Program) -> None:
        assert isinstance(executor, FakeExecutor)
        if program.deaf:
            executor.faults.ignore_stop.add(spec.name)
        await executor.start(spec)
        if program.output:
            executor.write(spec.name, program.output)
        if program.code is not None:
            executor.exit(spec.name, program.code)
