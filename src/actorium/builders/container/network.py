"""The network of a build's steps: that of a container which waits beside them, with the walls that runs have.

An engine's own networks lead to this machine's services, and Podman gives the steps of builds the machine's own network
whatever it is asked for by Docker's words. So a container of the build's base is started as runs are, does nothing, and
the steps are told to use its network.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from actorium.builders import BuildFailed, BuildSpec
from actorium.builders.process.output import Output
from actorium.builders.way import Way
from actorium.executors import Phase, Spec
from actorium.executors.container.engine import ContainerEngine
from actorium.executors.container.executor import ContainerExecutor, engine_name
from actorium.executors.process.executor import ProcessOptions
from actorium.executors.process.keeper import network
from actorium.kernel.clock import Clock

WAIT = ("/bin/sh", "-c", "kill -STOP $$")
"""Needs nothing but a shell, and no time."""
_LEFT = "The shell of the base image ended at once: the steps have no network."
_MEMORY_MBYTES, _DISK_MBYTES, _PIDS_MAX = 32, 16, 16
_POLL_SECS = 0.02
_DROPPED = ("CAP_AUDIT_WRITE", "CAP_MKNOD", "CAP_NET_RAW")
"""What Podman would let steps keep and none needs; Docker takes no word on it."""


class StepNetworks:
    """Makes them, each for one build."""

    def __init__(
        self, folder: Path, engine: ContainerEngine, *, clock: Clock, options: ProcessOptions | None = None
    ) -> None:
        """``folder`` keeps what is known of the containers."""
        self._folder = folder
        self._engine = engine
        self._clock = clock
        self._executor = ContainerExecutor(folder, engine=engine, clock=clock, options=options)
        self._going: set[str] = set()

    @asynccontextmanager
    async def joined(
        self, spec: BuildSpec, bases: Iterable[str], way: Way, output: Output
    ) -> AsyncIterator[dict[str, str]]:
        """What an engine is told with the build. Steps of images without a shell get no network."""
        holder = None
        try:
            if way.outward or way.door is not None:
                holder = await self._hold(spec, list(bases), way, output)
            if await self._engine.is_podman():
                async with self._for_podman(holder) as told:
                    yield told
            else:
                yield {"networkmode": f"container:{engine_name(self._folder, holder)}" if holder else "none"}
        finally:
            if holder is not None:
                await self._executor.remove(holder)
                self._going.discard(holder)
                if not self._going:
                    await self._executor.retire()

    async def _hold(self, spec: BuildSpec, bases: list[str], way: Way, output: Output) -> str | None:
        why = "its base has no shell"
        for number, base in enumerate(bases, 1):
            name = f"{spec.name}-{number}"
            self._going.add(name)
            await self._executor.start(_holder(name, base, spec, way))
            seen = (await self._executor.survey())[name]
            while seen.phase is Phase.CREATED:
                await self._clock.sleep(_POLL_SECS)
                seen = (await self._executor.survey())[name]
            if seen.phase is Phase.RUNNING:
                return name
            why = seen.message or why
            await self._executor.remove(name)
            self._going.discard(name)
        output.line(f"The steps of this build have no network: {why}")
        return None

    @asynccontextmanager
    async def _for_podman(self, holder: str | None) -> AsyncIterator[dict[str, str]]:
        place: dict[str, object] = {"Name": "network", "Host": False}
        told = {"dropcaps": json.dumps(_DROPPED)}
        if refused := await self._executor.filter():
            told["securityopt"] = json.dumps(refused)
        if holder is None:
            yield told | {"nsoptions": json.dumps([place]), "networkmode": "1"}  # buildah's number for none
            return
        async with self._namespace(holder) as place["Path"]:
            servers = [line.split()[1] for line in network.resolv_conf().splitlines() if line.startswith("nameserver ")]
            yield told | {"nsoptions": json.dumps([place]), "dnsservers": json.dumps(servers)}

    @asynccontextmanager
    async def _namespace(self, holder: str) -> AsyncIterator[str]:
        """The path of a holder's network, the same one when the holder has ended: an image's own shell may leave, and
        its number may be that of a process in the machine's own network then."""
        pid = (await self._state(holder))["Pid"]
        if os.geteuid() != 0:  # a rootless engine may not look into this process
            yield f"/proc/{pid}/ns/net"
            return
        try:
            kept = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise BuildFailed(_LEFT) from error
        try:
            if (await self._state(holder))["Pid"] != pid:
                raise BuildFailed(_LEFT)
            yield f"/proc/{os.getpid()}/fd/{kept}"
        finally:
            os.close(kept)

    async def _state(self, holder: str) -> dict[str, Any]:
        seen = await self._engine.call("GET", f"/containers/{engine_name(self._folder, holder)}/json")
        state: dict[str, Any] = seen["State"]
        return state

    async def prune(self) -> None:
        """End what killed servers left."""
        left = set(await self._executor.survey()) - self._going
        for name in left:
            await self._executor.remove(name)
        if left and not self._going:
            await self._executor.retire()


def _holder(name: str, base: str, spec: BuildSpec, way: Way) -> Spec:
    return Spec(
        name=name,
        image=base,
        owner_number=spec.owner_number,
        env={},
        command=WAIT,
        memory_mbytes=_MEMORY_MBYTES,
        disk_mbytes=_DISK_MBYTES,
        cpu_cores=1.0,
        pids_max=_PIDS_MAX,
        deadline=spec.deadline,
        log_bytes_max=10_000,
        container_port=0,
        api_port=way.door,
        outward=way.outward,
    )
