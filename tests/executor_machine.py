"""What tests of the process executor share: an image, specs, and a count of what the machine holds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from actorium.executors import Spec
from actorium.executors.process import image
from actorium.executors.process.executor import ProcessExecutor, ProcessOptions
from actorium.executors.process.keeper import plan
from actorium.kernel.clock import SystemClock

PATH = f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin"


def make_image(folder: Path, *layers: Path) -> str:
    """An image on this interpreter's own toolchain."""
    made = image.ProcessImage(
        layers=tuple(map(str, layers)), toolchain=(sys.base_prefix,), env={"PATH": PATH}, workdir="/usr/src/app"
    )
    image.save(folder, made)
    return str(folder)


def spec(name: str, reference: str, *command: str, **changes: object) -> Spec:
    """A small container."""
    values: dict[str, object] = {
        "name": name,
        "image": reference,
        "owner_number": 7,
        "env": {},
        "command": command,
        "memory_mbytes": 256,
        "disk_mbytes": 256,
        "cpu_cores": 1.0,
        "pids_max": 100,
        "deadline": None,
        "log_bytes_max": 1_000_000,
        "container_port": 4321,
        "api_port": 8000,
    }
    return Spec(**{**values, **changes})  # type: ignore[arg-type]


def python(name: str, reference: str, script: str, **changes: object) -> Spec:
    """A container that runs a Python script."""
    return spec(name, reference, "python3", "-u", "-c", script, **changes)


def held(state: Path) -> dict[str, int]:
    """What the machine holds for a state folder: mounts, control groups, loop devices, processes."""
    mark = plan.installation(state)
    groups = sum(mark in name for _, names, _ in os.walk("/sys/fs/cgroup") for name in names)
    loops = subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=True).stdout.count(str(state))
    processes = mounts = 0
    for pid in (place.name for place in Path("/proc").iterdir() if place.name.isdigit()):
        try:
            command = Path("/proc", pid, "cmdline").read_bytes()
            if str(state).encode() in command:
                processes += 1
            if pid == str(os.getpid()):
                mounts += Path("/proc", pid, "mountinfo").read_text().count(str(state))
        except OSError:
            continue
    return {"groups": groups, "loops": loops, "processes": processes, "mounts": mounts}


@asynccontextmanager
async def opened(folder: Path, options: ProcessOptions | None = None) -> AsyncIterator[ProcessExecutor]:
    """A process executor of a test's own, which leaves nothing."""
    executor = ProcessExecutor(folder, clock=SystemClock(), options=options)
    yield executor
    for name in await executor.survey():
        await executor.remove(name)
    await executor.retire()
    await executor.close()
