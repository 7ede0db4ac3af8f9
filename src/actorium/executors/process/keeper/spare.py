"""A sandbox made ahead of its run, perhaps with a program that has imported what it begins with. Used once, or ended.

A spare belongs to the server that asked for it, by the connection it asked over. When that closes (the server died, or
has no more use for it) everything of the spare goes, as it does with the spawner. Neither token nor input of any run is
in it, and no way out of its network namespace. What its program is told, which may be secret, comes over that
connection: the plan in its folder has no variables.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import signal
import socket
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

from actorium.executors.process.keeper import (
    cgroups,
    forerunner,
    inside,
    leading,
    linux,
    lock,
    plan,
    sandbox,
    shim,
    watching,
)
from actorium.executors.process.keeper.prepared import Prepared, environment_block
from actorium.executors.process.keeper.reactor import READ, Reactor
from actorium.executors.process.keeper.sandbox import Sandbox, SandboxFailed
from actorium.executors.trees import delete_tree
from actorium.kernel.limits import (
    BARE_SPARE_BYTES_GUESSED,
    SPARE_CPU_WEIGHT,
    SPARE_GROWTH_BYTES,
    SPARE_IMPORT_SECS_MAX,
    SPARE_SECS_MAX,
)

VERDICT_BYTES_MAX = 4096
ASKS = b"?"  # its first word: what it has to be told
_TOLD = struct.Struct("=II")  # what it may use, in megabytes; bytes of the environment that follows
NAME_BYTES_MAX = 1024
_PACKAGE = "actorium/executors/process/keeper"
_SEALS = 0x000F  # F_SEAL_SEAL, SHRINK, GROW and WRITE
_ADD_SEALS = 1033


def keep(state: Path, name: str, connection: socket.socket, *, spawner: int) -> None:
    """The whole life of a spare, up to its end or that of the run it became."""
    linux.set_name(f"spare {name}")
    folder = state / plan.SPARES / name
    held = lock.take(folder / plan.LOCK)
    if held is None:
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # the spawner ignores it; who waits for a child must not
    try:
        limit_mbytes, env = _ask(connection)
        told = replace(plan.decode((folder / plan.PLAN).read_bytes()), env=env)
    except OSError:  # who asked for it is gone
        delete_tree(folder)
    else:
        connection.settimeout(None)
        Spare(state, told, connection, limit_mbytes, spawner).live()
    os.close(held)


def message(limit_mbytes: int, env: dict[str, str]) -> bytes:
    """What a spare is told first. At most ``limit_mbytes`` are its until its run comes, which has its own limit."""
    block = environment_block(env)
    return _TOLD.pack(limit_mbytes, len(block)) + block


def _ask(connection: socket.socket) -> tuple[int, dict[str, str]]:
    """Raises OSError when nobody answers."""
    connection.sendall(ASKS)
    limit_mbytes, size = _TOLD.unpack(_exactly(connection, _TOLD.size))
    pairs = (pair.partition(b"=") for pair in _exactly(connection, size).split(b"\0")[:-1])
    return limit_mbytes, {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionResetError
        data += piece
    return data


class Spare:
    """Waits for whichever comes first: a run, the end of those it belongs to, or too long a time."""

    def __init__(
        self, state: Path, told: plan.Plan, connection: socket.socket, limit_mbytes: int, spawner: int
    ) -> None:
        self._state, self._folder, self._connection = state, state / plan.SPARES / told.name, connection
        # What is made ahead has time: it takes nothing from what runs.
        self._sandbox = Sandbox(replace(told, cpu_weight=SPARE_CPU_WEIGHT), state, self._folder)
        self._sandbox.waiting_mbytes = min(told.memory_mbytes, limit_mbytes)
        self._reactor = Reactor()
        self._spawner = spawner
        self._ready = False
        self._run = ""
        self._waiting = self._verdict = self._output = -1

    def live(self) -> None:
        """Prepare, wait, become the run or go."""
        try:
            self._prepare()
            self._attend()
            self._reactor.run()
        except SandboxFailed as error:
            self._say(forerunner.COLD + b" " + str(error).encode())
        except ProcessLookupError:
            pass  # the spawner is gone already
        self._reactor.close()
        if self._run:
            prepared = Prepared(
                sandbox=self._sandbox,
                group=sandbox.group_name(self._state, self._folder.name),
                output=self._output,
                waiting=self._waiting,
            )
            shim.keep(self._state, self._run, self._connection, prepared)
        self._sandbox.kill()
        self._sandbox.remove()
        delete_tree(self._folder)

    def _prepare(self) -> None:
        self._output, inner = shim.output_pipe()
        there, self._waiting = os.pipe2(os.O_CLOEXEC)
        ahead = None
        if self._sandbox.plan.imports_ahead:
            self._verdict, told = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self._verdict, False)
            ahead = (told, _archive())
        try:
            self._sandbox.prepare(inner, there, ahead)
        finally:
            for fd in (inner, there, *(ahead or ())):
                os.close(fd)

    def _attend(self) -> None:
        spawner = os.pidfd_open(self._spawner)
        self._reactor.watch(spawner, READ, lambda _: self._stop())
        self._reactor.watch(self._connection.fileno(), READ, lambda _: self._asked())
        self._reactor.watch(self._sandbox.channel.fileno(), READ, lambda _: self._heard())
        if self._verdict >= 0:
            self._reactor.watch(self._verdict, READ, lambda _: self._judged(os.read(self._verdict, VERDICT_BYTES_MAX)))
        self._reactor.after(SPARE_IMPORT_SECS_MAX, self._late)
        self._reactor.after(SPARE_SECS_MAX, self._stop)

    def _stop(self) -> None:
        self._reactor.stopped = True

    def _asked(self) -> None:
        """A run's name, or nothing when whoever asked for the spare is gone."""
        with contextlib.suppress(ConnectionError):
            self._run = self._connection.recv(NAME_BYTES_MAX).decode()
        self._stop()

    def _heard(self) -> None:
        message = self._sandbox.receive()
        if message == inside.PREPARED:
            self._judged(forerunner.READY)
        elif message.startswith(inside.FAILED):
            self._refuse(message[1:].decode("utf-8", "replace"))
        elif message.startswith(inside.ENDED):
            self._ended(os.waitstatus_to_exitcode(*struct.unpack(inside.ENDED_FORMAT, message[1:])))
        else:
            self._stop()

    def _ended(self, status: int) -> None:
        """Nobody's run yet: whatever its program's reason, the next one would most likely end, too."""
        group = self._sandbox.group
        with contextlib.suppress(OSError):
            if group is not None and group.out_of_memory():
                if self._ready:
                    self._refuse("its program took more memory while it waited for a run than before")
                    return
                self._say(forerunner.LARGE + b" %d" % self._sandbox.waiting_mbytes)
                self._stop()
                return
        if not self._ready:
            with contextlib.suppress(BlockingIOError):
                self._judged(os.read(self._verdict, VERDICT_BYTES_MAX))  # it may have said why
        when = "waited for a run" if self._ready else "was imported"
        self._refuse(f"its program ended while it {when}, with {status}")

    def _judged(self, verdict: bytes) -> None:
        self._reactor.forget(self._verdict)
        if verdict == forerunner.READY:
            self._ready = True
            self._say(forerunner.READY + b" %d %d" % self._memory_bytes())
            self._hold()
        elif verdict.startswith(forerunner.COLD + b" "):
            self._say(verdict)
            self._stop()
        elif verdict:
            self._refuse("a package wrote something else in place of the verdict on its imports")

    def _memory_bytes(self) -> tuple[int, int]:
        """What its two keepers do not share with the spawner, and what the program uses."""
        own = sum(_private_bytes(pid) for pid in (os.getpid(), self._sandbox.pid))
        if not self._sandbox.plan.imports_ahead:
            return own, 0
        group = self._sandbox.group
        used = group.usage().mem_bytes if group is not None else None
        return own, used if used is not None else self._sandbox.plan.memory_mbytes << 20

    def _hold(self) -> None:
        """Its program waits: from here on it takes little more than it has, until its run's own limit holds."""
        group = self._sandbox.group
        if group is None or not self._sandbox.plan.imports_ahead:
            return
        with contextlib.suppress(OSError):  # a group without a memory controller is left as it is
            usage = group.usage()
            if usage.mem_bytes is not None:
                held = usage.mem_bytes + (usage.mem_other_bytes or 0) + SPARE_GROWTH_BYTES
                self._sandbox.limit_waiting(held)

    def _late(self) -> None:
        if not self._ready:
            self._refuse(f"its imports took longer than {SPARE_IMPORT_SECS_MAX:.0f} seconds")

    def _refuse(self, reason: str) -> None:
        if not self._reactor.stopped:
            self._say(f"{forerunner.COLD.decode()} {reason}".encode())
        self._stop()

    def _say(self, word: bytes) -> None:
        """One line."""
        with contextlib.suppress(OSError):
            self._connection.send(word.replace(b"\n", b" ")[: VERDICT_BYTES_MAX - 1] + b"\n")


def _private_bytes(pid: int) -> int:
    """Of one keeper; a guess where its memory is not to be looked at: init, for a server that is not root."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:  # noqa: PTH123
            lines = [line.split() for line in file if line.startswith(b"Private_")]
    except PermissionError:
        return BARE_SPARE_BYTES_GUESSED // 2
    return sum(int(line[1]) for line in lines) << 10


def sweep(state: Path) -> None:
    """Take away what spares left whose keeper was killed."""
    for folder in (state / plan.SPARES).iterdir():
        if lock.holder(folder / plan.LOCK) is not None:
            continue
        group = cgroups.group(sandbox.group_name(state, folder.name))
        if group is not None:
            group.kill()
            group.remove()
        delete_tree(folder)


def _archive() -> int:
    """What the waiting interpreter loads, as a sealed file in memory: nothing of it is to be seen in a file system."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        place = Path(_PACKAGE)
        for folder in (place, *place.parents[:-1]):
            packed.writestr(f"{folder}/__init__.py", b"")
        beside = [(module, f"{_PACKAGE}/{name}.py") for module, name in ((leading, "leading"), (watching, "watching"))]
        for module, name in (*beside, (forerunner, f"{forerunner.NAME}.py")):
            packed.writestr(name, Path(str(module.__file__)).read_bytes())
    fd = os.memfd_create("forerunner", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, content.getvalue())
    fcntl.fcntl(fd, _ADD_SEALS, _SEALS)
    return fd
