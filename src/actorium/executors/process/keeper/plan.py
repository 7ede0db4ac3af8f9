"""What a shim is told about its container, and where its folder keeps what."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from actorium.kernel.limits import FORWARDER_CONNECTIONS_MAX

PLAN = "plan.json"
LOCK = "lock"  # held by the shim as long as it lives
STATE = "state"  # made when the shim takes the container on; then what was measured last
LOG = "log"
EXIT = "exit.json"
DISK = "disk"  # the loop file, or the folder where there are no loop devices

GROUP = "group"  # the name of its control group, where that is not the container's own

CONTAINERS = "containers"
SPARES = "spares"  # sandboxes that wait for a run
TOMBSTONES = "tombstones"
SKELETONS = "skeletons"
SPAWNER_SOCKET = "spawner.sock"
SPAWNER_LOCK = "spawner.lock"
SPAWNER_LOG = "spawner.log"
HINTS_SOCKET = "hints.sock"
VIEW = "view"  # an empty folder: each container's own mount namespace mounts its root there
TEMPLATES = "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One container as the keeper sees it. Everything is plain JSON."""

    name: str
    argv: tuple[str, ...]
    env: dict[str, str]
    workdir: str = "/"
    layers: tuple[str, ...] = ()
    """Lowest first."""
    toolchain: tuple[str, ...] = ()
    uid: int
    memory_mbytes: int
    disk_mbytes: int | None = None
    """None: no limit of its own (steps of a build)."""
    cpu_cores: float = 1.0
    cpu_weight: float = 1.0
    pids_max: int = 1024
    deadline_ms: int | None = None
    timeout_ms: int | None = None
    """Without a deadline: how long after the program's start it is."""
    log_bytes_max: int = 0
    web_port: int | None = None
    container_port: int | None = None
    api_port: int | None = None
    api_connections_max: int = FORWARDER_CONNECTIONS_MAX
    network: bool = True
    """Outward network, not only loopback."""
    host_network: bool = False
    """Use the host's where no own one can be made."""
    network_range: str = ""
    """An IPv4 network of the form 10.213.0.0/16: each container takes four addresses of it."""
    upper: str | None = None
    """Keep what is written in this folder instead of a disk of its own (steps of a build)."""
    imports_ahead: bool = False
    """Of a spare: its program is an interpreter that is started before its run and imports what it begins with."""
    binds: tuple[tuple[str, str, bool], ...] = ()
    """(source on the host, path inside, writable)"""
    mounts: tuple[tuple[str, str, bool], ...] = ()
    """The same, where the layers have the place: nothing is ever made for it."""
    engine: dict[str, Any] | None = None
    """What a container engine is told instead: its ``socket``, and the container to ``create`` there."""


def encode(plan: Plan) -> bytes:
    """The plan as a file."""
    return json.dumps(asdict(plan)).encode("utf-8", "surrogatepass")


def save(plan: Plan, folder: Path) -> None:
    """Write it into a folder that has none, for its own user alone: variables of Actors may be secret."""
    fd = os.open(folder / PLAN, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(encode(plan))


def decode(data: bytes) -> Plan:
    """A plan from its file."""
    values = json.loads(data)
    for name in ("argv", "layers", "toolchain"):
        values[name] = tuple(values[name])
    for name in ("binds", "mounts"):
        shown = values.get(name, ())  # plans on disk may be older
        values[name] = tuple((str(source), str(target), bool(rw)) for source, target, rw in shown)
    return Plan(**values)


def installation(state: Path) -> str:
    """A short name of this state folder, for what is shared by the whole machine (cgroups)."""
    import hashlib

    return hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:12]
