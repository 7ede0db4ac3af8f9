"""Containers kept by an engine. Each has the same shim as a sandbox has, so runs do not need the server here either."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from actorium.executors import Container, Spec
from actorium.executors.container.engine import ContainerEngine, EngineRefused
from actorium.executors.container.filter import profile
from actorium.executors.container.keeper import shim as engine_shim
from actorium.executors.container.keeper.api import Api, EngineError
from actorium.executors.container.keeper.box import RESOLV_CONF
from actorium.executors.process.executor import ProcessExecutor, ProcessOptions
from actorium.executors.process.folders import Folders
from actorium.executors.process.keeper import inside, lock, plan, skeleton
from actorium.executors.process.spawning import Spawner
from actorium.kernel.clock import Clock
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.limits import TOMBSTONE_SECS

INSTALLATION_LABEL = "actorium.installation"
NAME_LABEL = "actorium.name"
READ_ONLY_LABEL = "actorium.read-only-root"
"""An image with this label set to "true" gets a root that can't be written, and a /tmp in memory."""
FILTER = "filter.json"
_CPU_PERIOD_US = 100_000
_INIT_PROCESSES = 1
_PIDS_MAX = Path("/proc/sys/kernel/pid_max")
_PAGE = 4096


class ContainerExecutor(ProcessExecutor):
    """Starts and ends containers of one engine of this machine."""

    def __init__(
        self, folder: Path, *, engine: ContainerEngine, clock: Clock, options: ProcessOptions | None = None
    ) -> None:
        """``folder`` keeps what is known of containers, beside what the engine knows."""
        self._engine = engine
        self._looked_for_strays: float | None = None
        options = replace(options or ProcessOptions(), warm_memory_mbytes=0)  # nothing is made ahead in an engine
        super().__init__(folder, clock=clock, options=options)

    def _parts(self, clock: Clock) -> tuple[Folders, Spawner]:
        spawner = Spawner(self._folder, clock, engine_shim.FOLDER, kind="engine")
        return EngineFolders(self._folder, self._engine.socket), spawner

    async def _plan(self, spec: Spec) -> plan.Plan | str:
        image = await self._engine.image(spec.image)
        if image is None:
            return f"The container engine has no image {spec.image} (any more). Build the Actor again."
        told = image.get("Config") or {}
        argv = spec.command
        if argv is None:
            argv = image_command(told)
        if not argv:
            return f"The image {spec.image} has no command, and none was given. Add a CMD to its Dockerfile."
        return plan.Plan(
            name=spec.name,
            argv=argv,
            env={},
            uid=os.geteuid(),
            memory_mbytes=spec.memory_mbytes,
            disk_mbytes=spec.disk_mbytes,
            deadline_ms=int(spec.deadline) if spec.deadline is not None else None,
            timeout_ms=spec.timeout_secs * 1000 if spec.timeout_secs is not None else None,
            log_bytes_max=spec.log_bytes_max,
            web_port=spec.web_port,
            container_port=spec.container_port,
            api_port=spec.api_port,
            api_connections_max=self._options.api_connections_max,
            network=spec.outward,
            network_range=self._options.network_range,
            engine={
                "socket": self._engine.socket,
                "name": engine_name(self._folder, spec.name),
                "create": self._create(spec, told, await self.filter()),
            },
        )

    async def filter(self) -> list[str]:
        """The system-call filter as this engine takes it: Docker as a text, Podman as a file. Empty: its own."""
        text = profile()
        if text is None:
            return []
        if not await self._engine.is_podman():
            return [f"seccomp={text}"]
        place = self._folder / FILTER
        if not place.exists() or place.read_text() != text:
            scratch = place.with_suffix(".new")
            scratch.write_text(text)
            scratch.replace(place)
        return [f"seccomp={place}"]

    def _create(self, spec: Spec, told: Mapping[str, Any], refused: list[str]) -> dict[str, Any]:
        """The container as the engine is told to make it, but for its entry point."""
        resolv_conf = self._folders.containers / spec.name / RESOLV_CONF
        host = _limits(spec) | {
            "NetworkMode": "none",  # the shim connects it: the same network, and the same walls, as a sandbox has
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges", *refused],
            "Init": True,
            "IpcMode": "private",
            "LogConfig": {"Type": "none"},  # the shim keeps the log
            "RestartPolicy": {"Name": "no"},
            "Binds": [f"{resolv_conf}:/etc/resolv.conf:ro,Z"],  # Z: under SELinux this container may read it
        }
        if (told.get("Labels") or {}).get(READ_ONLY_LABEL, "").lower() == "true":
            host |= {"ReadonlyRootfs": True, "Tmpfs": {"/tmp": "rw,nosuid,nodev,mode=1777"}}  # noqa: S108 - inside
        return {
            "Image": spec.image,
            "Env": [f"{name}={value}" for name, value in spec.env.items()],
            "Hostname": skeleton.HOSTNAME,
            "OpenStdin": True,
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
            "Healthcheck": {"Test": ["NONE"]},
            "Labels": {INSTALLATION_LABEL: plan.installation(self._folder), NAME_LABEL: spec.name},
            "HostConfig": host,
        }

    async def survey(self) -> Mapping[str, Container]:
        """See the port."""
        now = self._clock.monotonic()
        if self._looked_for_strays is None or now - self._looked_for_strays > TOMBSTONE_SECS / 10:
            self._looked_for_strays = now
            await self._end_strays()
        return await super().survey()

    async def _end_strays(self) -> None:
        """End what this installation started and knows no more: its folder or its shim was lost."""
        label = f"{INSTALLATION_LABEL}={plan.installation(self._folder)}"
        try:
            for one in await self._engine.labelled(label):
                name = str((one.get("Labels") or {}).get(NAME_LABEL, ""))
                if lock.holder(self._folders.lock(name)) is None:
                    await self._engine.remove_container(str(one["Id"]))
        except (BackendUnavailable, EngineRefused):  # Podman refuses a list in the moment in which a container ends
            self._looked_for_strays = None  # shims still know how their containers are

    async def close(self) -> None:
        """See the port."""
        await super().close()
        await self._engine.close()


class EngineFolders(Folders):
    """The same folders; what a killed shim left is with the engine."""

    def __init__(self, state: Path, socket: str) -> None:
        super().__init__(state)
        self._api = Api(socket)

    def _kill_group(self, name: str) -> None:
        """The container goes on without its shim: end it before anybody is told that it vanished. Raises OSError."""
        super()._kill_group(name)  # it may have been a sandbox, before ACTORIUM_EXECUTOR was changed
        try:
            self._api.call("DELETE", f"/containers/{engine_name(self.state, name)}?force=true&v=true")
        except EngineError as error:
            if error.status != 404:
                raise OSError(str(error)) from error


def image_command(told: Mapping[str, Any]) -> tuple[str, ...]:
    """What an image starts, by its configuration. ``ENTRYPOINT [""]`` takes the base's away and is no program."""
    entrypoint = tuple(told.get("Entrypoint") or ())
    return (*(entrypoint if entrypoint != ("",) else ()), *(told.get("Cmd") or ()))


def engine_name(state: Path, name: str) -> str:
    """What the engine calls a container: other programs, and other installations, may use the same engine."""
    return f"actorium-{plan.installation(state)}-{name}"


def _limits(spec: Spec) -> dict[str, Any]:
    memory_bytes = spec.memory_mbytes << 20
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    processes_max = int(_PIDS_MAX.read_text())
    limits = {
        # Said explicitly: Podman's own defaults may be above what it may give.
        "nofile": min(inside.FILES_MAX, files) if files > 0 else inside.FILES_MAX,
        "nproc": min(processes_max, processes) if processes > 0 else processes_max,
        "core": inside.CORE_BYTES_MAX,
        "fsize": (spec.disk_mbytes << 20) - _PAGE,  # the sum of all files is sampled by the shim
    }
    return {
        "Memory": memory_bytes,
        "MemorySwap": memory_bytes,
        "CpuPeriod": _CPU_PERIOD_US,
        "CpuQuota": max(1000, round(spec.cpu_cores * _CPU_PERIOD_US)),
        "CpuShares": max(2, round(1024 * spec.cpu_weight)),
        "PidsLimit": spec.pids_max + _INIT_PROCESSES,
        "OomScoreAdj": 500,  # a host short of memory ends Actors before the server
        "ShmSize": memory_bytes // 2,
        "Ulimits": [{"Name": name, "Soft": value, "Hard": value} for name, value in limits.items()],
    }
