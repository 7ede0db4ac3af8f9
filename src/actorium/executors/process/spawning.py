"""The server's side of the spawner: finds it, starts it, replaces one of another version, has it start containers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from actorium.executors.process.keeper import disk, lock, plan, spare, spawner
from actorium.kernel.clock import Clock
from actorium.kernel.errors import BackendUnavailable

KEEPER = Path(spawner.__file__).with_name("__main__.py")
ENVIRONMENT = {"PATH": disk.SEARCH_PATH, "LC_ALL": "C.UTF-8"}  # nothing of the server's own
_TRIES = 40
_RETRY_SECS = 0.05
_HELLO_SECS_MAX = 5.0
_START_SECS_MAX = 60.0  # longer than a sandbox may take


def helper_command(kind: str, *arguments: str) -> list[str]:
    """How to start one of the keeper's processes: this interpreter without its packages."""
    return [sys.executable, "-I", "-S", str(KEEPER), kind, *arguments]


class Spawner:
    """The one spawner of a state folder."""

    def __init__(self, folder: Path, clock: Clock, *others: Path, kind: str = "spawner") -> None:
        """``kind`` is what the keeper calls it; ``others`` are folders of its code outside of the keeper."""
        self._folder = folder
        self._clock = clock
        self._kind = kind
        self._version = spawner.version(*others)
        self._met = False
        self._meeting = asyncio.Lock()

    async def start(self, name: str) -> bytes:
        """Have a shim take on a container. Returns its word; empty when it died before it said any."""
        for _ in range(_TRIES):
            if not self._met:
                await self.ensure()
            try:
                return await self._ask({"op": "start", "name": name}, _START_SECS_MAX)
            except (ConnectionError, FileNotFoundError, BlockingIOError, TimeoutError):
                self._met = False
                await self._clock.sleep(_RETRY_SECS)
        raise BackendUnavailable(f"The spawner in {self._folder} does not answer.")

    async def prepare(self, name: str, told: bytes) -> socket.socket:
        """Have a spare made, which is ``told`` what stands in no file (``spare.message``).

        Returns the connection to it, which it lives by. Raises OSError or BackendUnavailable.
        """
        await self.ensure()
        connection = self._connected()
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(connection, json.dumps({"op": "prepare", "name": name}).encode())
            if await asyncio.wait_for(loop.sock_recv(connection, 1), _HELLO_SECS_MAX) != spare.ASKS:
                raise BackendUnavailable(f"The spawner in {self._folder} could not start another process.")
            await loop.sock_sendall(connection, told)
        except BaseException:
            connection.close()
            raise
        return connection

    async def ensure(self) -> None:
        """Meet a spawner of this version, started if there is none. Raises BackendUnavailable."""
        async with self._meeting:
            launched = False
            for _ in range(_TRIES):
                if self._met:
                    return
                found = await self._hello()
                if found is None:
                    await self._launch()
                    launched = True
                elif launched or found.get("version") == self._version:
                    # Another version right after our own launch: the installed code was replaced under this server.
                    self._version = str(found.get("version"))
                    self._met = True
                else:
                    with contextlib.suppress(OSError):
                        await self._ask({"op": "leave"}, 2.0)
                    await self._clock.sleep(_RETRY_SECS)
        if not self._met:
            raise BackendUnavailable(f"The spawner in {self._folder} can't be started: see {plan.SPAWNER_LOG} there.")

    async def retire(self) -> None:
        """End the spawner if there is one; what it started goes on. Returns when it is gone."""
        self._met = False
        while await self._hello() is not None:
            with contextlib.suppress(OSError, TimeoutError):
                await self._ask({"op": "leave"}, 2.0)
            await self._clock.sleep(_RETRY_SECS)

    async def _hello(self) -> dict[str, Any] | None:
        try:
            answer = await self._ask({"op": "hello"}, _HELLO_SECS_MAX)
            found = json.loads(answer) if answer else None
        except TimeoutError:
            self._end_hung()
            return None
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def _end_hung(self) -> None:
        """Kill a spawner that takes connections and says nothing: shims do not need it, and another takes its place."""
        pid = lock.holder(self._folder / plan.SPAWNER_LOCK)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def _launch(self) -> None:
        with (self._folder / plan.SPAWNER_LOG).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *helper_command(self._kind, str(self._folder)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                env=ENVIRONMENT,
                cwd="/",
            )
            code = await process.wait()
        if code != 0:
            await self._clock.sleep(_RETRY_SECS)

    async def _ask(self, request: dict[str, str], secs_max: float | None) -> bytes:
        loop = asyncio.get_running_loop()
        with self._connected() as connection:
            await loop.sock_sendall(connection, json.dumps(request).encode())
            return await asyncio.wait_for(loop.sock_recv(connection, 4096), secs_max)

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            connection.setblocking(False)
            with self.short_folder() as folder:
                connection.connect(f"{folder}/{plan.SPAWNER_SOCKET}")
        except OSError:
            connection.close()
            raise
        return connection

    @contextlib.contextmanager
    def short_folder(self) -> Iterator[str]:
        """A name of the state folder that fits a socket's address, however deep the folder is."""
        fd = os.open(self._folder, os.O_PATH | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{fd}"
        finally:
            os.close(fd)
