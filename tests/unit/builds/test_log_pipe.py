"""Lines on their way from the builder to the log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from actorium.builds.log_pipe import Line, LogPipe
from actorium.kernel.limits import BUILD_LOG_FLUSH_LINES, LOG_BYTES_MAX, LOG_LINE_BYTES_MAX
from actorium.testing.clock import ManualClock

pytestmark = pytest.mark.anyio


class Taken:
    """Remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[Line]] = []
        self.any = asyncio.Event()

    async def append(self, lines: Sequence[Line]) -> None:
        self.batches.append(list(lines))
        self.any.set()

    @property
    def lines(self) -> list[bytes]:
        return [line for batch in self.batches for _, line in batch]


async def taken_of(*writes: bytes, secrets: Sequence[str] = ()) -> Taken:
    taken = Taken()
    pipe = LogPipe(taken.append, clock=ManualClock(), secrets=secrets)
    for write in writes:
        pipe.write(write)
    pipe.close()
    await pipe.run()
    return taken


async def test_lines_are_stamped_when_they_come_and_written_together() -> None:
    taken, clock = Taken(), ManualClock()
    pipe = LogPipe(taken.append, clock=clock)
    pipe.write(b"one")
    await clock.advance(1)
    pipe.write(b"two\nthree\n")
    running = asyncio.ensure_future(pipe.run())
    async with asyncio.timeout(10):
        await taken.any.wait()
    start = ManualClock().now()
    assert taken.batches == [[(start, b"one"), (start.plus(secs=1), b"two"), (start.plus(secs=1), b"three")]]
    pipe.close()
    await running


async def test_many_lines_are_not_kept_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actorium.builds.log_pipe.BUILD_LOG_FLUSH_SECS", 3600)
    taken = Taken()
    pipe = LogPipe(taken.append, clock=ManualClock())
    running = asyncio.ensure_future(pipe.run())
    for _ in range(BUILD_LOG_FLUSH_LINES):
        pipe.write(b"x")
    async with asyncio.timeout(10):
        await taken.any.wait()
    assert len(taken.lines) == BUILD_LOG_FLUSH_LINES
    pipe.close()
    await running


async def test_the_rest_is_written_when_the_pipe_is_closed_before_it_ran() -> None:
    assert (await taken_of(b"one", b"", b"two")).lines == [b"one", b"", b"two"]
    assert (await taken_of()).batches == []


async def test_secrets_are_masked() -> None:
    secrets = ("hunter22", "first\nline two", "abc")
    taken = await taken_of(b"the key is hunter22, twice: hunter22", b"line two of it", b"abc", secrets=secrets)
    assert taken.lines == [b"the key is *****, twice: *****", b"***** of it", b"abc"]


async def test_a_secret_within_a_secret() -> None:
    assert (await taken_of(b"secret-long secret", secrets=("secret", "secret-long"))).lines == [b"***** *****"]


async def test_long_lines_are_cut() -> None:
    taken = await taken_of(b"x" * (LOG_LINE_BYTES_MAX + 1))
    assert [len(line) for line in taken.lines] == [LOG_LINE_BYTES_MAX, 1]


async def test_writing_without_end_holds_no_more_than_a_log() -> None:
    line = b"x" * 60_000
    taken = await taken_of(*[line] * 300)
    assert LOG_BYTES_MAX <= sum(map(len, taken.lines)) <= LOG_BYTES_MAX + len(line)


async def test_a_secret_is_masked_where_a_long_line_was_cut() -> None:
    long = b"x" * (LOG_LINE_BYTES_MAX - 6) + b"very-secret" + b"y" * 10
    assert b"".join((await taken_of(long, secrets=["very-secret"])).lines).count(b"*****") == 2
    first, rest = long[:LOG_LINE_BYTES_MAX], long[LOG_LINE_BYTES_MAX:]
    taken = Taken()
    pipe = LogPipe(taken.append, clock=ManualClock(), secrets=["very-secret"])
    pipe.write(first)
    await pipe.flush()
    pipe.write(rest)
    await pipe.flush()
    written = b"".join(taken.lines)
    assert (written.count(b"*"), b"very" in written, b"cret" in written) == (10, False, False)
