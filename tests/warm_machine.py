"""What tests of warm starts share: an executor with a pool, and images with a package that their program imports."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from actorium.executors import Cause, Spec
from actorium.executors.process import image, warm
from actorium.executors.process.executor import ProcessExecutor, ProcessOptions
from actorium.executors.process.keeper import cgroups, plan, sandbox
from actorium.kernel.clock import SystemClock
from actorium.testing.conformance.executor import ended, lines, until
from executor_machine import PATH, spec

ENVIRONMENT = {"KEPT": "a", "ACTOR_RUN_ID": "one", "APIFY_TOKEN": "secret", "LAST": "z"}
HEAVY = """
import os, random, sys, uuid
os.environ["HEAVY"] = "yes"
frame, files = sys._getframe(), []
while frame is not None:
    files.append(frame.f_code.co_filename)
    frame = frame.f_back
AHEAD = any(file.endswith(("<frozen site>", "/site.py")) for file in files)  # the interpreter's own start goes on
"""


class Machine:
    """An executor with a pool, and images whose program lies above a package of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.executor = self.open()

    def open(self, mbytes: int = 512) -> ProcessExecutor:
        options = ProcessOptions(warm_memory_mbytes=mbytes)
        return ProcessExecutor(self.state, clock=SystemClock(), options=options)

    def image(self, name: str, program: str, package: str = HEAVY) -> str:
        """A module ``src`` and a package ``heavy`` in an environment of its own."""
        layer = self.folder / f"{name}.layer"
        environment, app = layer / "opt/venv", layer / "usr/src/app/src"
        minor = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        packages = environment / "lib" / minor / "site-packages"
        for place in (environment / "bin", packages, app):
            place.mkdir(parents=True)
        base = Path(sys.base_prefix, "bin", minor)
        (environment / "bin/python3").symlink_to(base)
        (environment / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
        (packages / "heavy.py").write_text(package)
        (app / "__init__.py").touch()
        (app / "__main__.py").write_text(program)
        for place, _, files in os.walk(layer):
            for one in (place, *(os.path.join(place, file) for file in files)):
                os.chown(one, 1_880_000_007, 1_880_000_007, follow_symlinks=False)
        made = image.ProcessImage(
            layers=(str(layer),), toolchain=(sys.base_prefix,), env={"PATH": f"/opt/venv/bin:{PATH}"},
            workdir="/usr/src/app", cmd=("python3", "-u", "-m", "src"),
        )  # fmt: skip
        image.save(self.folder / name, made)
        return str(self.folder / name)

    @property
    def pool(self) -> warm.WarmPool:
        assert self.executor._pool is not None
        return self.executor._pool

    async def has(self, count: int, program: str = "") -> None:
        """Wait for so many spares, of any program or of one: none, or at least one."""

        async def enough() -> bool:
            builds = [one for one in self.pool._builds.values() if program in one.told.argv[0]]
            found = sum(len(one.spares) for one in builds)
            return found >= count > 0 or not (found or count)

        await until(enough)

    def was_ready(self, name: str) -> bool:
        """Whether the container took over a sandbox made ahead."""
        return (self.state / plan.CONTAINERS / name / plan.GROUP).exists()

    async def run(self, name: str, reference: str, **changes: object) -> bytes:
        """Run to the end; the last line it printed."""
        await self.executor.start(of(name, reference, **changes))
        seen = await ended(self.executor, name)
        printed = await lines(self.executor, name)
        assert (seen.exit_code, seen.cause) == (0, Cause.EXITED), (seen, printed)
        return printed[-1]


def of(name: str, reference: str, **changes: object) -> Spec:
    made: dict[str, object] = {"env": ENVIRONMENT, "command": None, **changes}
    return spec(name, reference, **made)


def memory_limit(state: Path, name: str) -> int:
    group = cgroups.group(sandbox.group_name(state, name))
    if isinstance(group, cgroups.GroupV1):
        return int((group.folders["memory"] / "memory.limit_in_bytes").read_text())
    assert group is not None
    return int((group.folder / "memory.max").read_text())
