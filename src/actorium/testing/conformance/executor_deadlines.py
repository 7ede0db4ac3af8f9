"""What executors of real programs must do about time limits, whether or not a server is there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actorium.executors import Cause, Executor, Phase
from actorium.kernel.clock import SystemClock
from actorium.kernel.limits import GRACEFUL_ABORT_SECS
from actorium.testing.conformance.executor import DEAF, WAITS, Program, SandboxConformance, ended, lines, says

WORKS_ON = Program(("sh", "-c", "trap '' TERM; echo ready; sleep 8; exit 7"), b"ready\n", 7, True)
"""Ignores that it is asked to leave, and is gone by itself only when its time would be over by far."""

_COUNTS = """
n=0; trap 'n=$((n+1)); echo asked' TERM; echo ready
i=0; while [ $i -lt 20 ]; do sleep 0.1; i=$((i+1)); done; echo times $n
"""
COUNTS = Program(("sh", "-c", _COUNTS), b"ready\n", 0, True)
"""Works on for two seconds, and tells at its end how often it was asked to leave."""


class DeadlineConformance(SandboxConformance):
    """The rest of what such executors must do, to be inherited from instead."""

    async def test_a_deadline_needs_no_server(self, executor: Executor, another: Executor) -> None:
        soon = SystemClock().now().plus(millis=700)
        await executor.start(replace(self.spec("a-1", WAITS), deadline=soon))
        await executor.close()
        seen = await ended(another, "a-1")
        assert seen.cause is Cause.DEADLINE
        assert seen.finished_at is not None
        assert 0 <= int(seen.finished_at) - soon < 4000

    async def test_a_timeout_counts_from_the_start_of_the_program(self, executor: Executor) -> None:
        await executor.start(replace(self.spec("a-1", WAITS), timeout_secs=1))
        seen = await ended(executor, "a-1")
        assert (seen.cause, seen.phase) == (Cause.DEADLINE, Phase.EXITED)
        assert seen.started_at is not None
        assert seen.finished_at is not None
        assert 1000 <= seen.finished_at - seen.started_at < 5000

    async def test_it_is_asked_to_end_once(self, executor: Executor) -> None:
        """By its deadline and the server; Scrapy, for one, takes the second time for an order to drop its work."""
        await executor.start(self.spec("a-1", COUNTS))
        await says(executor, "a-1", b"ready")
        await executor.stop("a-1")
        await says(executor, "a-1", b"asked")
        await executor.stop("a-1")
        await ended(executor, "a-1")
        assert b"times 1" in await lines(executor, "a-1")

    async def test_who_is_spared_outlives_its_deadline(self, executor: Executor) -> None:
        await executor.start(replace(self.spec("a-1", WORKS_ON), timeout_secs=1))
        await says(executor, "a-1", b"ready")
        await executor.spare("a-1")
        assert (await ended(executor, "a-1")).exit_code == 7

    @pytest.mark.long
    async def test_who_is_spared_does_not_stay_for_ever(self, executor: Executor, another: Executor) -> None:
        await executor.start(replace(self.spec("a-1", DEAF), timeout_secs=2))
        await says(executor, "a-1", b"ready")
        begun = SystemClock().now()
        for _ in range(2):
            await executor.spare("a-1")
        await executor.close()
        seen = await ended(another, "a-1")
        assert seen.exit_code is None
        assert seen.finished_at is not None
        assert GRACEFUL_ABORT_SECS - 1 < begun.secs_until(seen.finished_at) < GRACEFUL_ABORT_SECS + 5
