"""The server's side of a box: starts it, brings it the items, takes its answer, ends it. A few at once."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

import msgspec
import structlog

from actorium.datasets.errors import NoColumns
from actorium.datasets.sql import errors
from actorium.datasets.sql.box import __file__ as box_file
from actorium.datasets.sql.box import frames
from actorium.kernel import limits
from actorium.kernel.errors import ActoriumError

T = TypeVar("T")

_log = structlog.get_logger("actorium.sql")

_MAIN = Path(box_file).with_name("__main__.py")
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}  # nothing of the server's own
_PACKAGES = ("duckdb", "msgspec")
_COMPLAINT_BYTES = 8192
_BUFFER_BYTES = 4 * limits.SQL_FRAME_BYTES_MAX
_OUT_OF_TIME = (-signal.SIGXCPU, -signal.SIGALRM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a box gets, and how many there are."""

    secs: float = limits.SQL_SECS_MAX
    send_secs: float = limits.SQL_SEND_SECS_MAX
    input_bytes: int = limits.SQL_INPUT_BYTES_MAX
    memory_mbytes: int = limits.SQL_MEMORY_MBYTES
    threads: int = limits.SQL_THREADS
    boxes: int = limits.SQL_BOXES_MAX
    boxes_per_user: int = limits.SQL_BOXES_PER_USER_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a box is asked."""

    tables: Mapping[str, AsyncGenerator[bytes, None]]
    """By name, items as JSON lines."""
    sql: str | None
    """None: the one table itself is the result."""
    format: str
    rows_max: int = limits.SQL_ROWS_MAX


class Told(msgspec.Struct, frozen=True):
    """What is known about a result before its first byte."""

    rows: int
    truncated: bool


class _Refusal(msgspec.Struct, frozen=True):
    kind: str
    message: str


class Boxes:
    """Starts boxes, up to a number at once, of all and of each user."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.bounds = bounds or Bounds()
        self._owners: list[str] = []

    @property
    def in_use(self) -> int:
        """How many there are now."""
        return len(self._owners)

    async def walls(self) -> Mapping[str, bool]:
        """Which walls stand on this machine, seen from a box that is asked nothing.

        Raises SqlNotInstalled, SqlEngineFailed.
        """
        box = _Box(self.bounds)
        try:
            async with asyncio.timeout(self.bounds.secs):
                return await box.start(_packages())
        finally:
            await box.end()

    async def ask(self, owner: str, question: Question) -> Answer:
        """The answer, its result complete and waiting to be read. It must be read to its end or closed.

        Raises what ``errors`` names, and NoColumns for items without any where there is no SQL.
        """
        packages = _packages()
        if len(self._owners) >= self.bounds.boxes or self._owners.count(owner) >= self.bounds.boxes_per_user:
            raise errors.SqlBusy
        self._owners.append(owner)
        box = _Box(self.bounds)
        answer = Answer(box, leave=lambda: self._owners.remove(owner))
        try:
            async with asyncio.timeout(self.bounds.secs) as clock:
                walls = await box.start(packages)
                _log.debug("sql.started", pid=box.pid, walls=walls)
                await box.feed(question)
                await answer.begin(self.bounds.send_secs)
        except TimeoutError:
            if not clock.expired():
                raise
            raise errors.SqlTimedOut(self.bounds.secs) from None
        finally:
            if not answer.begun:
                await answer.aclose()
        return answer


class _Box:
    """One child process."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self, packages: list[str]) -> Mapping[str, bool]:
        """Start it and wait until it is closed: the walls that stand. Raises SqlEngineFailed."""
        bounds = self._bounds
        life_secs = int(bounds.secs + bounds.send_secs) + 1
        options = {
            "packages": packages,
            "parent": os.getpid(),
            "memory_mbytes": bounds.memory_mbytes,
            "threads": bounds.threads,
            "cpu_secs": (int(bounds.secs) + 1) * (bounds.threads + 1),
            "life_secs": life_secs,
        }
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(_MAIN), json.dumps(options),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                limit=_BUFFER_BYTES, env=_ENVIRONMENT, cwd="/", start_new_session=True,
            )  # fmt: skip
            return await self.expect(frames.READY, dict[str, bool])
        except (OSError, errors.SqlRefused) as error:
            _log.error("sql.not_started", exc_info=error)
            raise errors.SqlEngineFailed from None

    async def feed(self, question: Question) -> None:
        """Send the question and its items; a box that has refused already gets no more. Raises SqlInputTooLarge."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        pipe, size = process.stdin, 0
        told = {
            "tables": list(question.tables),
            "sql": question.sql,
            "format": question.format,
            "rowsMax": question.rows_max,
        }
        with contextlib.suppress(ConnectionError):
            pipe.write(frames.frame(frames.QUESTION, json.dumps(told).encode()))
            for content in question.tables.values():
                async with aclosing(content):
                    async for piece in content:
                        size += len(piece)
                        if size > self._bounds.input_bytes:
                            raise errors.SqlInputTooLarge(self._bounds.input_bytes)
                        if pipe.is_closing():
                            return
                        block = piece.removesuffix(b"\n")
                        pipe.writelines((frames.HEAD.pack(frames.BLOCK, len(block)), block))
                        await pipe.drain()
                pipe.write(frames.frame(frames.END))
            await pipe.drain()

    async def expect(self, wanted: bytes, what: type[T]) -> T:
        """The next frame, which must be of this kind and hold this. Raises as ``receive`` does."""
        kind, payload = await self.receive()
        if kind != wanted:
            raise _garbled()
        return _read(payload, what)

    async def receive(self) -> tuple[bytes, bytes]:
        """The next frame. Raises what a refusal or the end of the process means. Nothing it says is taken on trust."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        try:
            kind, length = frames.HEAD.unpack(await process.stdout.readexactly(frames.HEAD.size))
            if length > limits.SQL_FRAME_BYTES_MAX:
                raise _garbled()
            payload = await process.stdout.readexactly(length)
        except asyncio.IncompleteReadError:
            raise await self._died(process) from None
        if kind == frames.REFUSED:
            raise _refusal(_read(payload, _Refusal))
        return kind, payload

    async def end(self) -> None:
        """Kill it, if it has not ended, and wait."""
        if self._process is None:
            return
        self.kill()
        await self._process.wait()

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _died(self, process: asyncio.subprocess.Process) -> ActoriumError:
        """What it means that a box went without a word: the query's doing, as far as anybody can tell."""
        assert process.stderr is not None
        complaint = await process.stderr.read(_COMPLAINT_BYTES)
        code = await process.wait()
        _log.warning("sql.died", code=code, complaint=complaint.decode("utf-8", "replace"))
        if code in _OUT_OF_TIME:
            return errors.SqlTimedOut(self._bounds.secs)
        return errors.SqlRefused(
            f"The engine ended while it ran the query (code {code}), most likely for want of memory: a query gets "
            f"{self._bounds.memory_mbytes} MB. Simplify the query or choose fewer items."
        )


class Answer:
    """A result in pieces. An iterator and not a generator, so that closing it ends the box even before the first."""

    def __init__(self, box: _Box, *, leave: Callable[[], None]) -> None:
        self.begun = False
        self.told = Told(0, False)
        self._box = box
        self._leave = leave
        self._waiting: list[bytes] = []
        self._done = False
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """Of the box."""
        return self._box.pid

    async def begin(self, secs: float) -> None:
        """Wait for the result; from here on it may be fetched for so long. Raises as ``Boxes.ask`` does."""
        self.told = await self._box.expect(frames.ANSWER, Told)
        for _ in range(2):  # what is short is known to be complete
            await self._fetch()
        self.begun = True
        if self._done:
            await self.aclose()
        else:
            self._timer = asyncio.get_running_loop().call_later(secs, self._box.kill)

    @property
    def whole(self) -> bytes | None:
        """All of it, if it is short."""
        return b"".join(self._waiting) if self._done else None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not (self._waiting or self._done):
            await self._fetch()
        if self._waiting:
            return self._waiting.pop(0)
        await self.aclose()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the box, whatever it does, and make room for another."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self._box.end()
        finally:
            self._leave()

    async def _fetch(self) -> None:
        if self._done:
            return
        kind, piece = await self._box.receive()
        if kind not in (frames.DATA, frames.DONE):
            raise _garbled()
        self._done = kind == frames.DONE
        if piece:
            self._waiting.append(piece)


def _refusal(refusal: _Refusal) -> ActoriumError:
    match refusal.kind:
        case "memory":
            return errors.SqlTooMuchMemory()
        case "empty":
            return NoColumns()
    return errors.SqlRefused(refusal.message)


def _read(payload: bytes, what: type[T]) -> T:
    try:
        return msgspec.json.decode(payload, type=what)
    except msgspec.MsgspecError:
        raise _garbled() from None


def _garbled() -> ActoriumError:
    """For what no box of ours would say."""
    return errors.SqlRefused("The engine did not keep to its protocol while it ran the query, and was ended.")


def _packages() -> list[str]:
    """Where a box finds what it needs; the server itself never loads the engine. Raises SqlNotInstalled."""
    found = [importlib.util.find_spec(name) for name in _PACKAGES]
    places = [Path(spec.origin) for spec in found if spec is not None and spec.origin is not None]
    if len(places) < len(_PACKAGES):
        raise errors.SqlNotInstalled
    return [str(place.parents[1]) for place in places]
