"""Checks values against the schemas of users; none of them can hold or break the server.

What looking at a schema shows to be little work is done here and now. The rest is done by processes with limits of
their own (``schema_process``), started when they are needed for the first time: large bodies, schemas that go in
circles, patterns with lookaround. A process is ended and replaced when a schema takes it too long. The first has a
quarter of a second for each body, so that those who wait for it wait little; what is not done by then, and what is
large, the second one does, where costly ones wait for each other.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from actorium.kernel.errors import Unavailable
from actorium.kernel.limits import (
    SCHEMA_CHECKS_WAITING_MAX,
    SCHEMA_CPU_SECS,
    SCHEMA_ERRORS_STEPS_MAX,
    SCHEMA_PROCESS_BYTES_KEPT,
    SCHEMA_QUICK_BYTES_MAX,
    SCHEMA_QUICK_CPU_SECS,
    SCHEMA_STEPS_MAX,
    SCHEMA_WALL_SECS,
    SCHEMAS_KNOWN_BYTES,
    SCHEMAS_KNOWN_MAX,
)
from actorium.storages.schema_anatomy import Weight, weigh
from actorium.storages.schema_process import LENGTH, Answer, packed
from actorium.storages.schemas import JsonSchema, Report, SchemaInvalid, TooDeep, TooLong, check_shape

_COMMAND = (sys.executable, "-I", "-m", "actorium.storages.schema_process")
_ENVIRONMENT = {"LC_ALL": "C.UTF-8"}  # nothing of the server's own
_PATTERN_BYTES_PER_STEP = 64


class TooCostly(Exception):
    """A check took more time or memory than it may."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is remembered of a schema: what to check with here, or that only the process may."""

    text: bytes
    schema: JsonSchema | None = None
    weight: Weight = Weight(0, 0)

    def is_little(self, documents: bytes) -> bool:
        """Whether checking texts is little work, whatever is in them."""
        return self.schema is not None and self._steps(documents) <= SCHEMA_STEPS_MAX

    def told_bytes_max(self) -> int:
        """How long a text may be whose errors are listed here."""
        return SCHEMA_ERRORS_STEPS_MAX // max(1, self.weight.parts)

    def _steps(self, documents: bytes) -> int:
        values = documents.count(b",") + documents.count(b"[") + documents.count(b"{") + 1
        return self.weight.parts * values + self.weight.patterns * len(documents) // _PATTERN_BYTES_PER_STEP


class SchemaChecks:
    """One for a server; ``close`` it.

    cpu_secs: how much CPU a process may take for one body. bytes_kept: it is replaced when it has grown beyond.
    """

    def __init__(self, *, cpu_secs: float = SCHEMA_CPU_SECS, bytes_kept: int = SCHEMA_PROCESS_BYTES_KEPT) -> None:
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._known_bytes = 0
        self._quick = _CheckProcess(min(SCHEMA_QUICK_CPU_SECS, cpu_secs), bytes_kept)
        self._patient = _CheckProcess(cpu_secs, bytes_kept)

    async def compile(self, source: Any) -> None:
        """Raises SchemaInvalid or TooCostly for what cannot be used as a schema."""
        known = self._look(source)
        if known.schema is None:
            await self._ask(known, b"")

    async def check(
        self, source: Mapping[str, Any], documents: bytes, *, user_id: str | None = None
    ) -> Report | None:  # fmt: skip
        """What is wrong with JSON texts joined by newlines; None if all are valid.

        ``user_id``: whose costly check it is; each user has one at a time before a process, and others go in between.
        Raises SchemaInvalid, TooDeep for a text that is nested too deeply, TooCostly, Unavailable.
        """
        known = self._look(source)
        if known.schema is not None and known.is_little(documents):
            with suppress(TooLong):
                return known.schema.report(documents, told_bytes_max=known.told_bytes_max(), shorten=False)
        return await self._ask(known, documents, user_id=user_id)

    async def close(self) -> None:
        """End the processes, if there are any."""
        await self._quick.close()
        await self._patient.close()

    async def _ask(self, known: _Known, documents: bytes, *, user_id: str | None = None) -> Report | None:
        answer = await self._answer(known.text, documents, user_id=user_id)
        if answer.broken is not None:
            reason, path = answer.broken
            raise SchemaInvalid(reason, path=path)
        if answer.too_deep:
            raise TooDeep
        return answer.report

    async def _answer(self, schema: bytes, documents: bytes, *, user_id: str | None) -> Answer:
        if len(documents) <= SCHEMA_QUICK_BYTES_MAX:
            with suppress(TooCostly):
                return await self._quick.ask(schema, documents, user_id=user_id)
        return await self._patient.ask(schema, documents, user_id=user_id)

    def _look(self, source: Any) -> _Known:
        """What is known of a schema, learned now if it is new. Raises SchemaInvalid."""
        text = msgspec.json.encode(source)
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = _learn(source, text)
            self._known_bytes += len(text)
            while len(self._known) > SCHEMAS_KNOWN_MAX or self._known_bytes > SCHEMAS_KNOWN_BYTES:
                self._known_bytes -= len(self._known.popitem(last=False)[0])
        else:
            self._known.move_to_end(text)
        return known


def _learn(source: Any, text: bytes) -> _Known:
    check_shape(source)
    weight = weigh(source)
    if weight is None:
        return _Known(text)
    try:
        return _Known(text, JsonSchema.compile(source, linear=True), weight)
    except SchemaInvalid:
        return _Known(text)  # it has a pattern that needs the other engine, or it is invalid: the process will tell


class _CheckProcess:
    """A process, started when something is asked and there is none."""

    def __init__(self, cpu_secs: float, bytes_kept: int) -> None:
        self._command = (*_COMMAND, str(cpu_secs), str(bytes_kept))
        self._turn = asyncio.Lock()
        self._lines: WeakValueDictionary[str | bytes, asyncio.Lock] = WeakValueDictionary()
        self._waiting = 0
        self._process: Process | None = None

    async def ask(self, schema: bytes, documents: bytes, *, user_id: str | None) -> Answer:
        """Raises TooCostly where the process did not survive the question, Unavailable where too many wait."""
        if self._waiting >= SCHEMA_CHECKS_WAITING_MAX:
            raise Unavailable("Too many items wait to be checked against their schemas. Please try again later.")
        self._waiting += 1
        names = (user_id, schema) if user_id is not None else (schema,)
        lines = [self._line(name) for name in names]  # kept until the end: the dictionary holds none
        try:
            async with AsyncExitStack() as stack:
                # One of each user and of each schema stands before the process: costly ones delay their own.
                for line in (*lines, self._turn):
                    await stack.enter_async_context(line)
                return await self._asked(schema, documents)
        finally:
            self._waiting -= 1

    def _line(self, name: str | bytes) -> asyncio.Lock:
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = asyncio.Lock()
        return line

    async def close(self) -> None:
        """End the process after the question it is at."""
        async with self._turn:
            await self._end()

    async def _asked(self, schema: bytes, documents: bytes) -> Answer:
        process = self._process
        if process is None:
            process = await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE, env=_ENVIRONMENT)
            self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        answer: Answer | None = None
        try:
            async with asyncio.timeout(SCHEMA_WALL_SECS):
                process.stdin.write(packed(schema, documents))
                await process.stdin.drain()
                (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
                answer = msgspec.json.decode(await process.stdout.readexactly(length), type=Answer)
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            raise TooCostly from None
        finally:  # a question that was broken off leaves an answer behind that would be taken for the next one's
            if answer is None or answer.leaving:
                await self._end()
        return answer

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
