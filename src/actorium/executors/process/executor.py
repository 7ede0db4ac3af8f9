"""Containers as local sandboxed processes. Holds nothing that matters: everything is in the state folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

import msgspec

from actorium.executors import Container, Cursor, Hint, LogRead, Phase, Spec, Stats
from actorium.executors.process import image
from actorium.executors.process.folders import Folders, read_state, read_stats
from actorium.executors.process.keeper import lock, logfile, plan, shim
from actorium.executors.process.spawning import Spawner
from actorium.executors.process.warm import WarmPool, run_variables_last
from actorium.executors.trees import delete_tree
from actorium.kernel.clock import Clock
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.instant import Instant
from actorium.kernel.limits import FORWARDER_CONNECTIONS_MAX, HINTS_MAX, LOG_READ_BYTES_MAX, TOMBSTONE_SECS

_START_SECS_MAX = 60.0
_KILL_SECS_MAX = 10.0  # after that the shim itself is killed, and the kernel ends what it kept
_POLL_SECS = 0.01
_PROBE_SECS_MAX = 5.0
_READINESS_HEADER = "x-apify-container-server-readiness-probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOptions:
    """What an operator may choose."""

    uid_base: int = 1_880_000_000
    """Containers of an owner run as this plus the owner's number: above every range that systems hand out."""
    allow_host_network: bool = False
    """Use the host's own network where no measured one can be made."""
    network_range: str = "10.213.0.0/16"
    """Addresses of containers: four for each."""
    warm_memory_mbytes: int = 0
    """What sandboxes made ahead of their runs may use together; 0: none is made."""
    api_connections_max: int = FORWARDER_CONNECTIONS_MAX
    """Of one container to the API at once. More wait."""


class ProcessExecutor:
    """Starts and ends containers on this machine."""

    def __init__(
        self, folder: Path, *, clock: Clock, images: Path | None = None, options: ProcessOptions | None = None
    ) -> None:
        """``folder`` keeps containers; ``images`` is where image references that are no absolute path are found."""
        self._folder = folder.resolve()
        self._images = images
        self._clock = clock
        self._options = options or ProcessOptions()
        self._folders, self._spawner = self._parts(clock)
        self._pool: WarmPool | None = None
        if self._options.warm_memory_mbytes:
            limit = self._options.warm_memory_mbytes
            self._pool = WarmPool(self._folder, self._spawner, clock=clock, memory_mbytes=limit)
        self._names: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._swept: float | None = None
        self._hints: socket.socket | None = None
        self._watchers: set[asyncio.Queue[tuple[str, Hint]]] = set()

    def _parts(self, clock: Clock) -> tuple[Folders, Spawner]:
        return Folders(self._folder), Spawner(self._folder, clock)

    async def start(self, spec: Spec) -> None:
        """See the port."""
        async with self._names.setdefault(spec.name, asyncio.Lock()):
            if self._folders.buried(spec.name):
                return
            seen = self._folders.look(spec.name)
            told = await self._plan(spec)
            if seen is None:
                self._folders.create(spec.name, told, now=self._clock.now())
            elif seen.phase is not Phase.CREATED:
                return
            if not await self._gives_way(spec.name):
                await self._begin(spec.name, told)

    async def _gives_way(self, name: str) -> bool:
        """Look around after the folder is there: of two that do so at once, one sees the other."""
        earlier, is_late = self._folders.rivals(name)
        if is_late or self._folders.buried(name):
            await self.remove(name)
            return True
        for other in earlier:
            seen = self._folders.look(other)
            if seen is not None and seen.phase is not Phase.EXITED:
                raise BackendUnavailable(f"The container {other} of the same run has not ended.")
        return False

    async def _plan(self, spec: Spec) -> plan.Plan | str:
        """What the shim is told, or why it can't be told anything."""
        try:
            return self._planned(spec)
        except (FileNotFoundError, ValueError, msgspec.MsgspecError) as error:
            return f"The image {spec.image} can't be used: {error}. Build the Actor again."

    def _planned(self, spec: Spec) -> plan.Plan:
        folder = Path(spec.image)
        if not folder.is_absolute():
            if self._images is None:
                raise FileNotFoundError(f"{spec.image} is no absolute path")
            folder = self._images / spec.image
        found = image.load(folder)
        argv = spec.command if spec.command is not None else found.argv
        if not argv:
            raise ValueError("it has no command, and none was given")
        return plan.Plan(
            name=spec.name,
            argv=argv,
            env=run_variables_last({**found.env, **spec.env}),
            workdir=found.workdir or "/",
            layers=found.layers,
            toolchain=found.toolchain,
            uid=self._options.uid_base + spec.owner_number,
            memory_mbytes=spec.memory_mbytes,
            disk_mbytes=spec.disk_mbytes,
            cpu_cores=spec.cpu_cores,
            cpu_weight=spec.cpu_weight,
            pids_max=spec.pids_max,
            deadline_ms=int(spec.deadline) if spec.deadline is not None else None,
            timeout_ms=spec.timeout_secs * 1000 if spec.timeout_secs is not None else None,
            log_bytes_max=spec.log_bytes_max,
            web_port=spec.web_port,
            container_port=spec.container_port,
            api_port=spec.api_port,
            api_connections_max=self._options.api_connections_max,
            network=spec.outward,
            host_network=self._options.allow_host_network,
            network_range=self._options.network_range,
        )

    async def _begin(self, name: str, told: plan.Plan | str) -> None:
        seen = self._folders.look(name)
        if seen is None or seen.phase is not Phase.CREATED:
            return
        warm = self._pool.take(told) if self._pool is not None and isinstance(told, plan.Plan) else None
        word = await warm.become(name) if warm is not None else b""
        if word != shim.STARTED:
            word = await self._spawner.start(name)
        if self._pool is not None and isinstance(told, plan.Plan):
            self._pool.started(told)
        if word == shim.STARTED:
            return
        if word not in (shim.FOUND, b""):
            raise BackendUnavailable(word.decode("utf-8", "replace"))
        until = self._clock.monotonic() + _START_SECS_MAX
        while (seen := self._folders.look(name)) is not None and seen.phase is Phase.CREATED:
            if lock.holder(self._folders.lock(name)) is None or self._clock.monotonic() > until:
                raise BackendUnavailable(
                    f"The container {name} could not be started; {self._folder / plan.SPAWNER_LOG} may say why."
                )
            await self._clock.sleep(_POLL_SECS)

    async def survey(self) -> Mapping[str, Container]:
        """See the port."""
        try:
            if self._swept is None or self._clock.monotonic() - self._swept > TOMBSTONE_SECS / 10:
                self._swept = self._clock.monotonic()
                for left in self._folders.sweep(now=self._clock.now()):
                    await asyncio.to_thread(delete_tree, left)  # perhaps a million files
            seen = [self._folders.look(name) for name in self._folders.names()]
        except OSError as error:
            raise BackendUnavailable(f"The containers in {self._folders.containers} can't be read: {error}.") from error
        return {container.name: container for container in seen if container is not None}

    async def stop(self, name: str) -> None:
        """See the port."""
        self._tell(name, shim.STOP)

    async def spare(self, name: str) -> None:
        """See the port."""
        self._tell(name, shim.SPARE)

    def _tell(self, name: str, number: signal.Signals) -> None:
        fd = self._keeper(name)
        if fd is not None:
            _send(fd, number)
            os.close(fd)

    async def kill(self, name: str) -> None:
        """See the port."""
        while (seen := self._folders.look(name)) is not None and seen.phase is not Phase.EXITED:
            fd = self._keeper(name)
            if fd is not None:
                try:
                    _send(fd, shim.KILL)
                    await self._gone(fd)
                finally:
                    os.close(fd)
            elif seen.phase is Phase.CREATED:
                self._folders.end_unstarted(name, now=self._clock.now())
            else:
                await self._clock.sleep(_POLL_SECS)

    def _keeper(self, name: str) -> int | None:
        """A descriptor of the shim's process: it can't become another's, as a number could."""
        path = self._folders.lock(name)
        pid = lock.holder(path)
        if pid is None:
            return None
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        if lock.holder(path) != pid:
            os.close(fd)
            return None
        return fd

    async def _gone(self, fd: int) -> None:
        """Wait for the end of a shim; one that doesn't answer is killed, and the kernel ends what it kept."""
        try:
            await asyncio.wait_for(_readable(fd), _KILL_SECS_MAX)
        except TimeoutError:
            _send(fd, signal.SIGKILL)
            await _readable(fd)

    async def remove(self, name: str) -> None:
        """See the port."""
        await self.kill(name)
        fd = self._keeper(name)
        if fd is not None:  # it has written its end and is putting things away
            try:
                await self._gone(fd)
            finally:
                os.close(fd)
        gone = self._folders.hide(name, now=self._clock.now())
        if gone is None:
            return
        if (gone / plan.DISK).is_dir():  # perhaps a million files
            await asyncio.to_thread(delete_tree, gone)
        else:
            delete_tree(gone)

    async def bury(self, name: str) -> bool:
        """See the port."""
        return self._folders.bury(name, now=self._clock.now())

    async def logs(self, name: str, after: Cursor | None) -> LogRead:
        """See the port. The cursor is an offset in the log file."""
        offset = int(after or 0)
        try:
            fd = os.open(self._folders.containers / name / plan.LOG, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return LogRead(str(offset))
        try:
            data = os.pread(fd, LOG_READ_BYTES_MAX, offset)
        finally:
            os.close(fd)
        lines, used = logfile.parse(data)
        return LogRead(
            str(offset + used),
            [(Instant(stamp), line) for stamp, line in lines],
            more=len(data) == LOG_READ_BYTES_MAX,
        )

    async def stats(self, name: str) -> Stats | None:
        """See the port."""
        return read_stats(read_state(self._folders.containers / name))

    async def web_server_ready(self, name: str) -> bool:
        """See the port."""
        try:
            told = plan.decode((self._folders.containers / name / plan.PLAN).read_bytes())
        except FileNotFoundError:
            return False
        if told.web_port is None:
            return False
        try:
            return await asyncio.wait_for(_answers_http(told.web_port), _PROBE_SECS_MAX)
        except (OSError, TimeoutError):
            return False

    async def watch(self) -> AsyncIterator[tuple[str, Hint]]:
        """See the port."""
        self._listen()
        queue: asyncio.Queue[tuple[str, Hint]] = asyncio.Queue()
        self._watchers.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)

    def _listen(self) -> None:
        if self._hints is not None:
            return
        path = self._folder / plan.HINTS_SOCKET
        path.unlink(missing_ok=True)
        self._hints = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        with self._spawner.short_folder() as folder:
            self._hints.bind(f"{folder}/{plan.HINTS_SOCKET}")
        asyncio.get_running_loop().add_reader(self._hints, self._hear, self._hints)

    def _hear(self, hints: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                kind, _, name = hints.recv(1024).decode("utf-8", "replace").partition(" ")
                if kind in (Hint.STATE, Hint.LOG):
                    for queue in self._watchers:
                        if queue.qsize() < HINTS_MAX:
                            queue.put_nowait((name, Hint(kind)))

    async def retire(self) -> None:
        """End the spawner of this folder too, as after the last use of it; containers go on."""
        if self._pool is not None:
            await self._pool.close()
        await self._spawner.retire()

    async def close(self) -> None:
        """See the port."""
        if self._pool is not None:
            await self._pool.close()
        if self._hints is not None:
            asyncio.get_running_loop().remove_reader(self._hints)
            self._hints.close()
            self._hints = None


def _send(fd: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(fd, number)


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def _answers_http(port: int) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{_READINESS_HEADER}: 1\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        await writer.drain()
        return (await reader.read(5)).startswith(b"HTTP/")
    finally:
        writer.close()
