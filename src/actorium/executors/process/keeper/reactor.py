"""A tiny event loop for the shim: descriptors and timers, in one thread that may fork."""

from __future__ import annotations

import heapq
import itertools
import select
from collections.abc import Callable

from actorium.executors.process.keeper import clock

READ = select.EPOLLIN
WRITE = select.EPOLLOUT


class Reactor:
    """Calls back when a descriptor is ready or a moment has come."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.stopped = False

    def watch(self, fd: int, events: int, callback: Callable[[int], None]) -> None:
        """Call back with the events of a descriptor; again to change what is waited for."""
        if fd in self._callbacks:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._callbacks[fd] = callback

    def forget(self, fd: int) -> None:
        """Stop watching; call it before the descriptor is closed. Absent is success."""
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def after(self, secs: float, callback: Callable[[], None]) -> None:
        """Call back once, in some seconds."""
        heapq.heappush(self._timers, (clock.monotonic() + secs, next(self._order), callback))

    def run(self) -> None:
        """Until ``stopped`` is set."""
        while not self.stopped:
            timeout = max(0.0, self._timers[0][0] - clock.monotonic()) if self._timers else -1
            for fd, events in self._epoll.poll(timeout):
                callback = self._callbacks.get(fd)
                if callback is not None:
                    callback(events)
            while self._timers and self._timers[0][0] <= clock.monotonic():
                heapq.heappop(self._timers)[2]()

    def close(self) -> None:
        self._epoll.close()
