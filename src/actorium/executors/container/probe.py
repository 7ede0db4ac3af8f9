"""Which container engine answers, and what it can give containers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actorium.executors.container.engine import ContainerEngine, EngineRefused
from actorium.executors.container.places import sockets
from actorium.executors.process.keeper import network
from actorium.executors.process.probe import Finding
from actorium.kernel.errors import BackendUnavailable

_LIMITS = {"MemoryLimit": "memory", "CpuCfsQuota": "CPU", "PidsLimit": "processes"}


async def find(host: str, environment: Mapping[str, str]) -> ContainerEngine | None:
    """The first engine that answers, for whoever calls to close; None: none does."""
    for path in sockets(host, environment):
        engine = ContainerEngine(path)
        try:
            await engine.call("GET", "/_ping")
        except (BackendUnavailable, EngineRefused):
            await engine.close()
        else:
            return engine
    return None


async def name(engine: ContainerEngine) -> str:
    """What it is, in words."""
    version = await engine.version()
    kind = "Podman" if await engine.is_podman() else "Docker"
    return f"{kind} {version.get('Version', '')}"


async def probe(engine: ContainerEngine) -> list[Finding]:
    """What the engine says of itself, and what of it this process can use. Nothing is started."""
    info: dict[str, Any] = await engine.call("GET", "/info")
    missing = [what for key, what in _LIMITS.items() if not info.get(key)]
    filters = any("seccomp" in option for option in info.get("SecurityOptions") or ())
    grouped = info.get("CgroupDriver") == "cgroupfs" and os.geteuid() == 0
    return [
        Finding("container engine", True, f"{await name(engine)} at {engine.socket}; Actors run as its containers"),
        _doors(engine),
        Finding("limits", not missing, f"not limited: {', '.join(missing)}" if missing else "memory, CPU, processes"),
        Finding(
            "disk of containers",
            False,
            "each file is limited; the sum is measured every second, and a container that is over it is ended",
        ),
        Finding(
            "disk of builds", False, "what a step writes is measured every second, and a build that is over it ended"
        ),
        Finding("users of images", False, "an image that names no user runs as root, without capabilities"),
        Finding(
            "system call filter",
            filters,
            "that of sandboxes, for runs" if filters else "the engine can use none",
        ),
        Finding(
            "filter of build steps",
            filters and await engine.is_podman(),
            "that of sandboxes, without capabilities that reach the network's frames and devices"
            if await engine.is_podman()
            else "Docker's own, with Docker's default capabilities",
        ),
        Finding("secrets of builds", False, "engines keep build arguments in the history of images"),
        Finding(
            "build groups",
            grouped,
            "all steps of a build share their limits and end with it"
            if grouped
            else "each step of a build is limited by itself; a step that Podman runs outlives a build that is aborted",
        ),
    ]


def _doors(engine: ContainerEngine) -> Finding:
    """Whether shims may enter the networks of containers."""
    own = Path(engine.socket).stat().st_uid == os.geteuid()
    if os.geteuid() == 0:
        return Finding("networks of containers", True, "each has its own; the API is at the same address inside")
    if own and network.slirp() is not None:
        return Finding("networks of containers", True, "each has its own, through slirp4netns")
    if own:
        return Finding("outward network", False, "runs reach the API only: install slirp4netns")
    return Finding(
        "networks of containers",
        False,
        "this user may not enter them, so nothing can run: start Actorium as root, or use rootless Podman",
    )
