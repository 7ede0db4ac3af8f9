"""Choosing a port of this machine for a run's web server: known from the run's creation, so that its URL is true."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from actorium.kernel.errors import Unavailable
from actorium.kernel.ids import Ids

TRIES = 64  # how many ports are looked at before giving up


class NoFreePort(Unavailable):
    """No free port was found for the run's web server; widen ACTORIUM_CONTAINER_PORTS or wait for runs to end."""


@dataclass(frozen=True, slots=True)
class Ports:
    """A range of host ports, the last one included."""

    first: int
    last: int
    host: str
    ids: Ids
    is_free: Callable[[str, int], bool] | None = None
    """Whether nobody listens on a port of a host; None: the machine is asked."""

    def pick(self) -> int:
        """A port that nobody listens on now. Runs that are alive are kept apart by a unique index."""
        span = self.last - self.first + 1
        start = int(self.ids.jitter() * span)
        for step in range(min(TRIES, span)):
            port = self.first + (start + step) % span
            if (self.is_free or _is_free)(self.host, port):
                return port
        raise NoFreePort


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
