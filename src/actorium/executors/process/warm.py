"""Warm starts: for builds that ran lately, sandboxes made ahead of need, with the imports of Python programs done.

Each is whole (namespaces, file system, control group, user, system-call filter) and becomes exactly one run: nothing
but the code on disk is shared between two runs (docs/decisions/0035).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import socket
from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from actorium.executors.process.keeper import cgroups, forerunner, plan, sandbox, spare, watching
from actorium.executors.process.keeper.prepared import environment_block
from actorium.executors.process.spawning import Spawner
from actorium.kernel.clock import Clock
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.limits import (
    BARE_SPARE_BYTES_GUESSED,
    SPARE_BURST_SECS,
    SPARE_BYTES_GUESSED,
    SPARE_DELAY_SECS,
    SPARE_ENVIRONMENT_BYTES_MAX,
    SPARE_MEASURE_SECS,
    SPARE_REFUSAL_SECS,
    SPARE_REFUSALS_MAX,
    SPARE_TRIES_MAX,
    SPARES_MAX,
    SPARES_PER_BUILD_MAX,
)
from actorium.kernel.lines import printable

REFUSALS = "cold.json"
_BUILDS_MAX = 1000
_CLAIM_SECS_MAX = 60.0
_PYTHON = re.compile(r"(.*/)?python(3(\.\d+)?)?")

log = structlog.get_logger()


def is_plain_python(argv: tuple[str, ...]) -> bool:
    """Whether a command is an interpreter with a module or a file, whose imports can be found by reading it."""
    if not argv or _PYTHON.fullmatch(argv[0]) is None:
        return False
    rest = [word for word in argv[1:3] if word not in ("-u", "-B")]
    return bool(rest) and (rest[0].endswith(".py") or (rest[0] == "-m" and len(argv) > 2))


def run_variables_last(env: dict[str, str]) -> dict[str, str]:
    """The same variables: what a spare has of them stays where it is when those of its run come behind it. Before these
    stands the one that is another while it waits."""

    def place(pair: tuple[str, str]) -> tuple[bool, bool]:
        return pair[0].startswith(watching.RUN_VARIABLES), pair[0] == "PYTHONPATH"

    return dict(sorted(env.items(), key=place))


def prepared_plan(told: plan.Plan) -> plan.Plan:
    """What of a run's plan is the same for every run of its build with these limits: no token, input or deadline."""
    env = {name: value for name, value in told.env.items() if not name.startswith(watching.RUN_VARIABLES)}
    return replace(told, name="", env=env, deadline_ms=None, timeout_ms=None, log_bytes_max=0, web_port=None)


Layers = tuple[tuple[int, int], ...]


def layers_of(told: plan.Plan) -> Layers | None:
    """Which folders the layers of a plan are: others may be made at the same places. None: one is not there."""
    try:
        found = [os.stat(layer) for layer in told.layers]  # noqa: PTH116
    except OSError:
        return None
    return tuple((one.st_dev, one.st_ino) for one in found)


@dataclass(slots=True, eq=False)
class Spare:
    """A sandbox that waits, and the connection it lives by."""

    key: bytes
    name: str
    connection: socket.socket
    keeper_bytes: int
    program_bytes: int
    """As it was measured last."""
    first_bytes: int
    """The same when it was ready."""
    layers: Layers
    """What it was made on."""

    @property
    def mem_bytes(self) -> int:
        return self.keeper_bytes + self.program_bytes

    def close(self) -> None:
        """End it, if it waits still."""
        asyncio.get_running_loop().remove_reader(self.connection)
        self.connection.close()

    async def become(self, name: str) -> bytes:
        """Let it become a container. Returns the shim's word; empty when it could not."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self.connection)
        try:
            await loop.sock_sendall(self.connection, name.encode())
            return await asyncio.wait_for(loop.sock_recv(self.connection, 4096), _CLAIM_SECS_MAX)
        except (OSError, TimeoutError):
            return b""
        finally:
            self.connection.close()


@dataclass(slots=True)
class Build:
    """What is remembered of a plan that was started."""

    told: plan.Plan
    """Without a name."""
    mem_bytes: int
    hopeless: bool = False
    """Not even a sandbox alone can be made ahead."""
    starts: deque[float] = field(default_factory=lambda: deque(maxlen=SPARES_PER_BUILD_MAX))
    spares: list[Spare] = field(default_factory=list)


class Refusals:
    """Plans that start cold, and why: kept in a file, so that they are not tried at each start of the server."""

    def __init__(self, state: Path, clock: Clock) -> None:
        self._path, self._clock = state / REFUSALS, clock
        self._known: dict[str, dict[str, Any]] = {entry["key"]: entry for entry in refusals(state)}

    def why(self, key: bytes) -> str | None:
        found = self._known.get(key.hex())
        if found is None or int(self._clock.now()) - int(found["at"]) > SPARE_REFUSAL_SECS * 1000:
            return None
        return str(found["reason"])

    def add(self, key: bytes, command: str, reason: str) -> None:
        entry = {"key": key.hex(), "at": int(self._clock.now()), "command": command, "reason": reason}
        self._known.pop(key.hex(), None)
        self._known[key.hex()] = entry
        while len(self._known) > SPARE_REFUSALS_MAX:
            del self._known[next(iter(self._known))]
        scratch = self._path.with_name(f".{REFUSALS}")
        scratch.write_text(json.dumps(list(self._known.values())))
        scratch.replace(self._path)


def refusals(state: Path) -> list[dict[str, Any]]:
    """What the file holds, oldest first: key, at (milliseconds), command, reason. Empty when there is none."""
    try:
        found = json.loads((state / REFUSALS).read_text())
    except (OSError, ValueError):
        return []
    return [entry for entry in found if isinstance(entry, dict) and {"key", "at", "reason"} <= set(entry)]


class WarmPool:
    """Spares by what they were made from. Nothing of it outlives this process."""

    def __init__(self, state: Path, spawner: Spawner, *, clock: Clock, memory_mbytes: int) -> None:
        """``memory_mbytes``: what all spares together may use."""
        self._state, self._spawner, self._clock = state, spawner, clock
        self._bytes_max = memory_mbytes << 20
        self._builds: OrderedDict[bytes, Build] = OrderedDict()
        """The last used last."""
        self._refusals = Refusals(state, clock)
        self._wanted: OrderedDict[bytes, None] = OrderedDict()
        self._work: asyncio.Future[None] | None = None
        self._measuring: asyncio.Future[None] | None = None
        self._count = 0
        self._closed = False

    @property
    def spares(self) -> list[Spare]:
        """Those that wait now."""
        return [one for build in self._builds.values() for one in build.spares]

    def take(self, told: plan.Plan) -> Spare | None:
        """A spare for this plan, which is the caller's from now on; None: start cold."""
        build = self._builds.get(_key(told)) if self._builds else None
        if build is not None:
            self._drop_orphans(build)
        return build.spares.pop() if build is not None and build.spares else None

    def started(self, told: plan.Plan) -> None:
        """A container was started, warm or cold: have a spare ready for the next one like it."""
        if self._closed or len(environment_block(told.env)) > SPARE_ENVIRONMENT_BYTES_MAX:
            return
        key = _key(told)
        build = self._builds.setdefault(key, self._build(key, told))
        self._builds.move_to_end(key)
        if build.hopeless:
            return
        build.starts.append(self._clock.monotonic())
        while len(self._builds) > _BUILDS_MAX:
            self._forget(next(iter(self._builds)))
        self._wanted[key] = None
        if self._work is None or self._work.done():
            self._work = asyncio.ensure_future(self._prepare_all())

    def _build(self, key: bytes, told: plan.Plan) -> Build:
        ahead = is_plain_python(told.argv) and self._refusals.why(key) is None
        made = replace(prepared_plan(told), imports_ahead=ahead)
        return Build(made, SPARE_BYTES_GUESSED if ahead else BARE_SPARE_BYTES_GUESSED)

    async def close(self) -> None:
        """End every spare."""
        self._closed = True
        for task in (self._work, self._measuring):
            if task is not None and not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        for key in list(self._builds):
            self._forget(key)

    def _forget(self, key: bytes) -> None:
        for one in self._builds.pop(key).spares:
            one.close()

    async def _prepare_all(self) -> None:
        """One after the other: imports take a whole core."""
        (self._state / plan.SPARES).mkdir(mode=0o700, exist_ok=True)
        await asyncio.to_thread(spare.sweep, self._state)
        while self._wanted:
            await self._clock.sleep(SPARE_DELAY_SECS)
            key, _ = self._wanted.popitem(last=False)
            build = self._builds.get(key)
            for _ in range(SPARE_TRIES_MAX):
                if build is None or len(build.spares) >= self._target(build) or not self._make_room(key, build):
                    break
                try:
                    made = await self._make(key, build)
                except (OSError, BackendUnavailable) as error:
                    log.warning("warm.unavailable", reason=str(error))
                    break
                if not made:
                    break

    def _target(self, build: Build) -> int:
        since = self._clock.monotonic() - SPARE_BURST_SECS
        return max(1, sum(at >= since for at in build.starts))

    def _make_room(self, key: bytes, build: Build) -> bool:
        """Whether another spare fits the budget, perhaps in place of those of builds that ran longer ago."""
        older = [one for other, seen in self._builds.items() if other != key for one in seen.spares]
        kept = sum(one.mem_bytes for one in build.spares) + build.mem_bytes
        if kept > self._bytes_max:
            return False
        while older and (
            sum(one.mem_bytes for one in older) + kept > self._bytes_max or len(older) + len(build.spares) >= SPARES_MAX
        ):
            gone = older.pop(0)
            self._builds[gone.key].spares.remove(gone)
            gone.close()
        return True

    async def _make(self, key: bytes, build: Build) -> bool:
        """One more spare; False: not now. A program that can't import ahead gets one that has not been started."""
        layers = layers_of(build.told)
        if layers is None:
            return False
        name = self._folder(build)
        left_mbytes = (self._bytes_max - sum(one.mem_bytes for one in build.spares)) >> 20
        connection = await self._spawner.prepare(name, spare.message(left_mbytes, build.told.env))
        try:
            words = await asyncio.get_running_loop().sock_recv(connection, 2 * spare.VERDICT_BYTES_MAX)
        except BaseException:
            connection.close()
            raise
        kind, rest = _word(words)
        if kind != forerunner.READY.decode() or key not in self._builds:
            connection.close()
            is_its_own = key in self._builds and layers_of(build.told) == layers  # not that its image was deleted
            return is_its_own and self._unfit(key, build, kind, rest)
        keepers, program = map(int, rest.split())
        made = Spare(key, name, connection, keepers, program, program, layers)
        build.mem_bytes = made.mem_bytes
        if made.mem_bytes > self._bytes_max or not self._make_room(key, build):
            connection.close()
            return made.mem_bytes > self._bytes_max and self._too_large(key, build, made.mem_bytes >> 20)
        build.spares.append(made)
        asyncio.get_running_loop().add_reader(connection, self._gone, made)
        if self._measuring is None or self._measuring.done():
            self._measuring = asyncio.ensure_future(self._measure())
        log.debug("warm.ready", command=" ".join(build.told.argv), memory_mbytes=build.mem_bytes >> 20)
        return True

    async def _measure(self) -> None:
        """As long as there are spares: what was measured once may grow. Over the budget, what grew most goes first.

        What belongs to images that are gone goes as well, and with it the variables of their Actors.
        """
        while self.spares:
            await self._clock.sleep(SPARE_MEASURE_SECS)
            for build in self._builds.values():
                self._drop_orphans(build)
            for one in self.spares:
                used = self._used(one.name)
                one.program_bytes = one.program_bytes if used is None else used
            while (left := self.spares) and sum(one.mem_bytes for one in left) > self._bytes_max:
                most = max(left, key=lambda one: one.program_bytes - one.first_bytes)
                log.info("warm.grown", spare=most.name, memory_mbytes=most.mem_bytes >> 20)
                self._builds[most.key].spares.remove(most)
                most.close()

    @staticmethod
    def _drop_orphans(build: Build) -> None:
        """End those whose image was deleted: an equal one that was built since lies beside what they stand on."""
        now = layers_of(build.told) if build.spares else None
        for one in [one for one in build.spares if one.layers != now]:
            build.spares.remove(one)
            one.close()

    def _used(self, name: str) -> int | None:
        """What a spare's program uses now, in bytes; None: not to be measured."""
        with contextlib.suppress(OSError, ValueError):
            group = cgroups.group(sandbox.group_name(self._state, name))
            return group.usage().mem_bytes if group is not None else None
        return None

    def _folder(self, build: Build) -> str:
        """A new spare's folder with its plan, which is what the spawner is told."""
        while True:
            self._count += 1
            name = f"spare-{self._count}"
            folder = self._state / plan.SPARES / name
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                plan.save(replace(build.told, name=name, env={}), folder)  # variables may be secret: it is told them
                return name

    def _unfit(self, key: bytes, build: Build, kind: str, rest: str) -> bool:
        """What a spare said that can't be used. Returns whether another kind of spare may be tried."""
        if kind == forerunner.LARGE.decode():
            return self._too_large(key, build, int(rest))
        return kind == forerunner.COLD.decode() and self._refuse(key, build, rest)

    def _too_large(self, key: bytes, build: Build, mbytes: int) -> bool:
        if build.spares and mbytes < build.told.memory_mbytes:
            build.mem_bytes = max(build.mem_bytes, (mbytes + 1) << 20)  # no room beside those that wait
            return False
        return self._refuse(key, build, f"its imports take {mbytes} MB of memory or more, which is all that they may")

    def _refuse(self, key: bytes, build: Build, reason: str) -> bool:
        """Remember it; whether another spare may be tried."""
        command = printable(" ".join(build.told.argv))
        log.info("warm.cold", command=command, reason=reason)
        if not build.told.imports_ahead:
            build.hopeless = True
            return False
        self._refusals.add(key, command, reason)
        build.told = replace(build.told, imports_ahead=False)
        build.mem_bytes = BARE_SPARE_BYTES_GUESSED
        return True

    def _gone(self, one: Spare) -> None:
        """It waited too long, or was killed; or its program ended, and says so."""
        words = b""
        with contextlib.suppress(OSError):
            words = one.connection.recv(2 * spare.VERDICT_BYTES_MAX)
        one.close()
        build = self._builds.get(one.key)
        if build is not None and one in build.spares:
            build.spares.remove(one)
            kind, rest = _word(words)
            self._unfit(one.key, build, kind, rest)


def _word(words: bytes) -> tuple[str, str]:
    """Kind and rest of the last line of what a spare said: it is what holds."""
    lines = words.decode("utf-8", "replace").splitlines()
    kind, _, rest = lines[-1].partition(" ") if lines else ("", "", "")
    return kind, printable(rest)  # the Actor's words may be among it


def _key(told: plan.Plan) -> bytes:
    return hashlib.sha256(plan.encode(prepared_plan(told))).digest()
