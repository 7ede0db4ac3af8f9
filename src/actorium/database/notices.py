"""One thread that waits for a server's notifications and passes them on to the event loop. Knows no driver."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from threading import Thread
from typing import Protocol

from actorium.database.wakes import Wake, Wakes
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.store_limits import POSTGRES_LISTEN_AGAIN_SECS


class Source(Protocol):
    """A connection that is told of wakes."""

    def fileno(self) -> int: ...

    def wakes(self) -> list[Wake]:
        """What has arrived, without waiting. Raises BackendUnavailable when the connection is lost."""
        ...

    def close(self) -> None: ...


class Notices:
    """Listens until closed; whenever it had to connect again, everybody is told to read everything."""

    def __init__(self, connect: Callable[[], Source], first: Source, wakes: Wakes) -> None:
        self._connect = connect
        self._wakes = wakes
        self._loop = asyncio.get_running_loop()
        self._ended, self._end = socket.socketpair()
        self._thread = Thread(target=self._serve, args=(first,), name="database-notices", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, connect: Callable[[], Source], wakes: Wakes) -> Notices:
        """Connect first, so that nothing is missed from here on. Raises what connecting raises."""
        return cls(connect, await asyncio.to_thread(connect), wakes)

    async def close(self) -> None:
        """End the thread and its connection."""
        self._end.close()
        await asyncio.to_thread(self._thread.join)
        self._ended.close()

    def _serve(self, source: Source | None) -> None:
        while True:
            waits = select.poll()  # not select, which knows no descriptor from 1024 on: a busy server has more
            waits.register(self._ended, select.POLLIN)
            if source is not None:
                waits.register(source, select.POLLIN)
            readable = waits.poll(POSTGRES_LISTEN_AGAIN_SECS * 1000 if source is None else None)
            if any(fd == self._ended.fileno() for fd, _ in readable):
                break
            source = self._again() if source is None else self._pass_on(source)
        if source is not None:
            source.close()

    def _pass_on(self, source: Source) -> Source | None:
        try:
            wakes = source.wakes()
        except BackendUnavailable:
            source.close()
            return None
        self._loop.call_soon_threadsafe(self._wakes.publish, wakes)
        return source

    def _again(self) -> Source | None:
        try:
            source = self._connect()
        except BackendUnavailable:
            return None
        self._loop.call_soon_threadsafe(self._wakes.publish_everything)
        return source
