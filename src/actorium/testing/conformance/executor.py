"""What every executor must do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import anyio
import anyio.lowlevel
import pytest

from actorium.executors import Cause, Container, Executor, Phase, Spec
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.instant import Instant
from actorium.kernel.limits import LOG_LINE_BYTES_MAX, LOG_STAMP_BYTES

WAIT_SECS = 40
_LOOK_SECS = 0.01


@dataclass(frozen=True, slots=True)
class Program:
    """A command, and what it does: for executors that only pretend."""

    argv: tuple[str, ...]
    output: bytes = b""
    code: int | None = 0
    """None: it goes on until it is ended."""
    deaf: bool = False
    """It ignores being asked to leave."""


TRUE = Program(("true",))
TALKS = Program(("sh", "-c", "echo one; echo two >&2; echo; printf three; exit 3"), b"one\ntwo\n\nthree", 3)
WAITS = Program(("sh", "-c", "echo ready; exec sleep 600"), b"ready\n", None)
DEAF = Program(("sh", "-c", "trap '' TERM INT HUP; echo ready; while :; do sleep 600; done"), b"ready\n", None, True)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something to become true."""
    with anyio.fail_after(WAIT_SECS):
        while not await condition():  # noqa: ASYNC110 - the world outside has no event to wait for
            await anyio.sleep(_LOOK_SECS)


async def ended(executor: Executor, name: str) -> Container:
    """The container once it has exited."""

    async def exited() -> bool:
        return (await executor.survey())[name].phase is Phase.EXITED

    await until(exited)
    return (await executor.survey())[name]


async def lines(executor: Executor, name: str) -> list[bytes]:
    """Everything in a container's log so far."""
    found: list[bytes] = []
    read = await executor.logs(name, None)
    found += [line for _, line in read.lines]
    while read.more:
        read = await executor.logs(name, read.cursor)
        found += [line for _, line in read.lines]
    return found


async def says(executor: Executor, name: str, line: bytes) -> None:
    """Wait for a line of its log."""

    async def said() -> bool:
        return line in await lines(executor, name)

    await until(said)


class ExecutorConformance:
    """Give the fixture ``executor`` and the method ``spec``; executors that pretend also override ``begin``."""

    pytestmark = pytest.mark.anyio

    many: ClassVar[int] = 40
    """How many containers are started at once."""

    @pytest.fixture
    async def executor(self) -> Executor:
        raise NotImplementedError

    def spec(self, name: str, program: Program) -> Spec:
        """What starts a program under a name."""
        raise NotImplementedError

    async def begin(self, executor: Executor, spec: Spec, program: Program) -> None:  # noqa: ARG002
        """Start a container and let its program do what it does."""
        await executor.start(spec)

    async def start(self, executor: Executor, name: str, program: Program) -> None:
        await self.begin(executor, self.spec(name, program), program)

    async def test_a_program_runs_and_its_end_and_output_are_kept(self, executor: Executor) -> None:
        await self.start(executor, "a-1", TALKS)
        seen = await ended(executor, "a-1")
        assert (seen.exit_code, seen.cause) == (3, Cause.EXITED)
        assert seen.started_at is not None
        assert seen.finished_at is not None
        assert seen.started_at <= seen.finished_at
        assert sorted(await lines(executor, "a-1")) == sorted(TALKS.output.split(b"\n"))

    async def test_a_log_is_read_on_from_a_cursor(self, executor: Executor) -> None:
        await self.start(executor, "a-1", WAITS)
        await says(executor, "a-1", b"ready")
        first = await executor.logs("a-1", None)
        stamps = [stamp for stamp, _ in first.lines]
        assert stamps == sorted(stamps)
        again = await executor.logs("a-1", first.cursor)
        assert again.lines == []
        assert again.cursor == first.cursor

    async def test_a_container_that_runs_is_seen_running(self, executor: Executor) -> None:
        await self.start(executor, "a-1", WAITS)
        seen = (await executor.survey())["a-1"]
        assert seen.phase is Phase.RUNNING
        assert seen.started_at is not None
        assert seen.exit_code is None
        assert seen.cause is None

    async def test_a_second_start_changes_nothing(self, executor: Executor) -> None:
        await self.start(executor, "a-1", TALKS)
        before = await ended(executor, "a-1")
        await executor.start(self.spec("a-1", WAITS))
        assert (await executor.survey())["a-1"] == before

    async def test_racing_starts_start_one(self, executor: Executor) -> None:
        await asyncio.gather(*(executor.start(self.spec("a-1", WAITS)) for _ in range(5)))
        assert list(await executor.survey()) == ["a-1"]
        assert (await executor.survey())["a-1"].phase is Phase.RUNNING

    async def test_what_is_not_there_is_no_error(self, executor: Executor) -> None:
        await executor.stop("nobody-1")
        await executor.kill("nobody-1")
        await executor.remove("nobody-1")
        assert (await executor.logs("nobody-1", None)).lines == []
        assert await executor.stats("nobody-1") is None
        assert await executor.web_server_ready("nobody-1") is False
        await executor.spare("nobody-1")
        assert await executor.survey() == {}

    async def test_stop_is_polite(self, executor: Executor) -> None:
        await self.start(executor, "a-1", WAITS)
        await says(executor, "a-1", b"ready")
        await executor.stop("a-1")
        assert (await ended(executor, "a-1")).cause is Cause.KILLED

    async def test_kill_is_not(self, executor: Executor) -> None:
        await self.start(executor, "a-1", DEAF)
        await says(executor, "a-1", b"ready")
        await executor.stop("a-1")
        assert (await executor.survey())["a-1"].phase is Phase.RUNNING
        await executor.kill("a-1")
        seen = (await executor.survey())["a-1"]
        assert (seen.phase, seen.exit_code, seen.cause) == (Phase.EXITED, None, Cause.KILLED)

    async def test_an_end_is_not_changed_by_what_comes_later(self, executor: Executor) -> None:
        await self.start(executor, "a-1", TALKS)
        before = await ended(executor, "a-1")
        await executor.stop("a-1")
        await executor.kill("a-1")
        assert (await executor.survey())["a-1"] == before

    async def test_a_removed_name_stays_taken(self, executor: Executor) -> None:
        await self.start(executor, "a-1", TRUE)
        await ended(executor, "a-1")
        await executor.remove("a-1")
        assert await executor.survey() == {}
        assert (await executor.logs("a-1", None)).lines == []
        await executor.start(self.spec("a-1", TRUE))
        assert await executor.survey() == {}

    async def test_a_buried_name_is_not_started(self, executor: Executor) -> None:
        assert await executor.bury("a-1")
        await executor.start(self.spec("a-1", WAITS))
        assert await executor.survey() == {}

    async def test_what_is_there_is_not_buried(self, executor: Executor) -> None:
        await self.start(executor, "a-1", WAITS)
        assert not await executor.bury("a-1")
        await executor.start(self.spec("a-1", WAITS))
        assert (await executor.survey())["a-1"].phase is Phase.RUNNING

    async def test_no_attempt_starts_after_a_later_one(self, executor: Executor) -> None:
        """Its call was late: it must not run beside the later one, nor after that was removed."""
        await self.start(executor, "a-2", TRUE)
        await ended(executor, "a-2")
        await executor.start(self.spec("a-1", WAITS))
        assert list(await executor.survey()) == ["a-2"]
        await executor.remove("a-2")
        await executor.start(self.spec("a-1", WAITS))
        assert await executor.survey() == {}

    async def test_a_later_attempt_waits_for_the_end_of_an_earlier_one(self, executor: Executor) -> None:
        await self.start(executor, "a-1", WAITS)
        with pytest.raises(BackendUnavailable):
            await executor.start(self.spec("a-2", TRUE))
        await executor.kill("a-1")
        await self.start(executor, "a-2", TRUE)
        assert (await ended(executor, "a-2")).exit_code == 0

    async def test_many_at_once(self, executor: Executor) -> None:
        names = [f"many{number}-1" for number in range(self.many)]
        await asyncio.gather(*(self.start(executor, name, TALKS) for name in names))
        for name in names:
            assert (await ended(executor, name)).exit_code == 3
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 7), WAIT_SECS) == 7  # the pool is nobody's own

    async def test_changes_are_hinted(self, executor: Executor) -> None:
        heard: set[tuple[str, str]] = set()

        async def listen() -> None:
            async for name, hint in executor.watch():
                heard.add((name, hint.value))

        async def all_heard() -> bool:
            return heard >= {("a-1", "state"), ("a-1", "log")}

        listening = asyncio.ensure_future(listen())
        await anyio.lowlevel.checkpoint()  # so that it listens
        try:
            await self.start(executor, "a-1", TALKS)
            await until(all_heard)
        finally:
            listening.cancel()

    async def test_a_long_line_is_cut_and_none_is_lost(self, executor: Executor) -> None:
        length = LOG_LINE_BYTES_MAX * 2 + 10
        program = Program(("sh", "-c", f"head -c {length} /dev/zero | tr '\\0' x; echo"), b"x" * length + b"\n", 0)
        await self.start(executor, "a-1", program)
        await ended(executor, "a-1")
        found = await lines(executor, "a-1")
        assert max(map(len, found)) <= LOG_LINE_BYTES_MAX
        assert b"".join(found) == b"x" * length

    async def test_bytes_that_are_no_text_are_kept(self, executor: Executor) -> None:
        program = Program(("printf", "a\\377\\376b\\n"), b"a\xff\xfeb\n", 0)
        await self.start(executor, "a-1", program)
        await ended(executor, "a-1")
        assert await lines(executor, "a-1") == [b"a\xff\xfeb"]

    async def test_a_deadline_in_the_past_ends_it(self, executor: Executor) -> None:
        await self.begin(executor, replace(self.spec("a-1", WAITS), deadline=Instant(1)), WAITS)
        assert (await ended(executor, "a-1")).cause is Cause.DEADLINE


class SandboxConformance(ExecutorConformance):
    """What executors of real programs must do besides. Also give ``another``: a second one on the same containers."""

    own_env: ClassVar[frozenset[bytes]] = frozenset()
    """Variables that this kind of executor adds by itself."""

    @pytest.fixture
    async def another(self, executor: Executor) -> Executor:
        raise NotImplementedError

    async def shell(self, executor: Executor, script: str, **changes: object) -> tuple[Container, list[bytes]]:
        """Run a shell script to its end."""
        spec = replace(self.spec("a-1", Program(("sh", "-c", script))), **changes)  # type: ignore[arg-type]
        await executor.start(spec)
        seen = await ended(executor, "a-1")
        return seen, await lines(executor, "a-1")

    async def test_a_missing_command_is_127(self, executor: Executor) -> None:
        await executor.start(self.spec("a-1", Program(("no-such-command", "x"))))
        assert (await ended(executor, "a-1")).exit_code == 127
        assert b"no-such-command" in b"\n".join(await lines(executor, "a-1"))

    async def test_an_image_that_is_gone_is_said(self, executor: Executor) -> None:
        await executor.start(replace(self.spec("a-1", TRUE), image="/nowhere/at/all"))
        seen = await ended(executor, "a-1")
        assert (seen.exit_code, seen.cause) == (None, Cause.NOT_STARTED)
        assert seen.message is not None
        assert "/nowhere/at/all" in seen.message

    async def test_a_signal_leaves_no_code(self, executor: Executor) -> None:
        seen, _ = await self.shell(executor, "kill -SEGV $$")
        assert (seen.exit_code, seen.cause) == (None, Cause.EXITED)
        assert "SIGSEGV" in (seen.message or "")

    async def test_the_environment_is_what_was_given(self, executor: Executor) -> None:
        _, found = await self.shell(executor, "env", env={"GIVEN": "grün", "PATH": "/usr/bin:/bin"})
        own = {b"PWD", b"SHLVL", b"_", *self.own_env}
        assert {line for line in found if line.partition(b"=")[0] not in own} == {
            "GIVEN=grün".encode(),
            b"PATH=/usr/bin:/bin",
        }

    async def test_kill_takes_those_who_hide(self, executor: Executor) -> None:
        hidden = "setsid sh -c 'trap \"\" TERM HUP; (sleep 600 &) ; sleep 600'"
        hiding = f"trap '' TERM HUP; ({hidden} &) ; echo ready; sleep 600"
        await executor.start(self.spec("a-1", Program(("sh", "-c", hiding))))
        await says(executor, "a-1", b"ready")
        await executor.kill("a-1")
        assert self.processes("a-1") == 0

    def processes(self, name: str) -> int:
        """How many processes of a container the machine still has."""
        raise NotImplementedError

    async def test_those_left_behind_end_with_the_program(self, executor: Executor) -> None:
        seen, _ = await self.shell(executor, "setsid sleep 600 & exit 5")
        assert seen.exit_code == 5
        assert self.processes("a-1") == 0

    async def test_containers_outlive_the_executor(self, executor: Executor, another: Executor) -> None:
        await executor.start(self.spec("a-1", WAITS))
        await says(executor, "a-1", b"ready")
        await executor.close()
        assert (await another.survey())["a-1"].phase is Phase.RUNNING
        await another.start(self.spec("a-1", TALKS))
        assert await lines(another, "a-1") == [b"ready"]
        await another.kill("a-1")
        assert (await another.survey())["a-1"].cause is Cause.KILLED

    async def test_the_log_has_an_end(self, executor: Executor) -> None:
        seen, found = await self.shell(executor, "yes 0123456789 | head -c 20000000; exit 4", log_bytes_max=100_000)
        assert seen.exit_code == 4
        assert 90_000 < sum(len(line) + 1 + LOG_STAMP_BYTES for line in found[:-1]) <= 100_000
        assert b"100000 bytes" in found[-1]

    async def test_too_much_memory_ends_it(self, executor: Executor) -> None:
        eats = "exec python3 -c 'x = bytearray(600 << 20)'"
        seen, found = await self.shell(executor, eats, memory_mbytes=128)
        assert (seen.exit_code, seen.cause) == (None, Cause.OUT_OF_MEMORY)
        assert b"128 MB" in found[-1]

    async def test_a_full_disk_hurts_only_itself(self, executor: Executor) -> None:
        fills = "dd if=/dev/zero of=big bs=1M count=400 2>&1; wc -c < big"
        seen, found = await self.shell(executor, fills, disk_mbytes=64)
        if seen.cause is Cause.EXITED:
            assert int(next(line for line in found if line.isdigit())) < 64 << 20
        else:
            assert seen.cause is Cause.OUT_OF_DISK

    async def test_a_fork_bomb_is_contained(self, executor: Executor) -> None:
        bomb = "i=0; while [ $i -lt 200 ]; do sleep 30 & i=$((i+1)); done; echo all"
        seen, found = await self.shell(executor, bomb, pids_max=30)
        assert seen.phase is Phase.EXITED
        assert b"all" not in found

    async def test_files_outside_are_not_seen(self, executor: Executor) -> None:
        places = "ls -A /root /home/* /sys; cat /etc/shadow; find / -xdev -name plan.json"
        _, found = await self.shell(executor, f"({places}) 2>/dev/null; ls /proc | grep -c '^[0-9]'")
        text = b"\n".join(found)
        assert b"root:$" not in text
        assert b"plan.json" not in text
        assert b".ssh" not in text
        assert int(found[-1]) < 8

    async def test_files_of_one_are_not_seen_by_the_next(self, executor: Executor) -> None:
        await executor.start(self.spec("a-1", Program(("sh", "-c", "echo x > /tmp/mine; echo x > mine"))))
        assert (await ended(executor, "a-1")).exit_code == 0
        await executor.start(self.spec("b-1", Program(("sh", "-c", "ls /tmp/mine mine"))))
        assert (await ended(executor, "b-1")).exit_code != 0

    async def test_it_is_measured(self, executor: Executor) -> None:
        spins = "import time; x = bytearray(40 << 20); e = time.time() + 1.5\nwhile time.time() < e: pass"
        seen, _ = await self.shell(executor, f"exec python3 -c '{spins}'")
        assert seen.stats is not None
        assert 40 << 20 < (seen.stats.mem_max_bytes or 0) < 120 << 20
        assert 20 < (seen.stats.cpu_avg_usage or 0) < 130
        assert (seen.stats.cpu_max_usage or 0) >= (seen.stats.cpu_avg_usage or 0) * 0.9
