"""The thread that waits for a database server's notifications, with a socket in place of its connection."""

from __future__ import annotations

import fcntl
import os
import socket

import pytest

from actorium.database.notices import Notices
from actorium.database.wakes import Wake, Wakes
from actorium.kernel.descriptors import raise_limit

pytestmark = pytest.mark.anyio
BEYOND_SELECT = 1100  # the system call select knows descriptors below 1024


class Connection:
    """What arrives at it is told as one wake."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd

    def wakes(self) -> list[Wake]:
        return [("news", os.read(self._fd, 100).decode())]

    def close(self) -> None:
        os.close(self._fd)


async def test_a_server_with_many_connections_hears_its_database() -> None:
    raise_limit()
    here, there = socket.socketpair()
    with here, there:
        connection = Connection(fcntl.fcntl(there, fcntl.F_DUPFD_CLOEXEC, BEYOND_SELECT))
        wakes = Wakes()
        listener = wakes.listen("news")
        notices = await Notices.open(lambda: connection, wakes)
        here.send(b"key")
        assert await anext(listener) == {"key"}
        await notices.close()
