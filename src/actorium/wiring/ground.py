"""What the features stand on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from actorium.blobs import Blobs
from actorium.builders import Builder
from actorium.database import Database
from actorium.executors import Executor
from actorium.kernel.clock import Clock
from actorium.kernel.ids import Ids
from actorium.settings import Settings

LOOPBACK = "127.0.0.1"  # where the web servers of runs answer; what leaves the machine is a proxy's business


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the features stand on: chosen by settings, or by a test."""

    settings: Settings
    database: Database
    blobs: Blobs
    executor: Executor
    builder: Builder
    clock: Clock
    ids: Ids
    secret: str
    """The installation's own."""
    node: str
    """Which machine's executor this is; the same after a restart."""
    port: int
    """The port the API answers on."""
    base_url: str
    """Where programs on this machine reach the API, without /v2 and without a slash at the end."""
    public_url: str
    """The same for people and browsers."""
    scratch: Path | None = None
    """A folder of this server alone, for what is being fetched; None: a temporary one."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The server's own, where programs, proxies and certificates are found."""
    port_is_free: Callable[[str, int], bool] | None = None
    """Whether nobody listens on a port of a host; None: the machine is asked."""

    def own_urls(self) -> list[str]:
        """Every address under which this server may be known to its callers."""
        hosts = dict.fromkeys((LOOPBACK, "localhost", "[::1]", self.settings.host))
        return [self.base_url, self.public_url, *(f"http://{host}:{self.port}" for host in hosts)]

    def container_url(self, port: int) -> str:
        """Where a run's web server answers."""
        return f"http://{LOOPBACK}:{port}"
