"""The process builder: an image from a Dockerfile on the host's own toolchain, each RUN in the sandbox of runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import uv

from actorium.builders import BuildFailed, BuildSpec, Image
from actorium.builders.process.bases import NETRC, NPMRC, PREFIX
from actorium.builders.process.host_environment import build_environment, without_logins
from actorium.builders.process.interpreters import Interpreters
from actorium.builders.process.making import Host, Making
from actorium.builders.process.nodes import Nodes
from actorium.builders.process.npm_settings import npm_settings
from actorium.builders.process.output import Output, credentials
from actorium.builders.process.patterns import checked_names
from actorium.builders.process.store import Store
from actorium.builders.process.threads import in_thread
from actorium.builders.reach import Reach
from actorium.executors.process.executor import ProcessOptions
from actorium.executors.process.step import run_step
from actorium.executors.trees import delete_tree
from actorium.kernel.clock import Clock
from actorium.kernel.errors import TimedOut


class ProcessBuilder:
    """Builds Actors without a container engine. Safe to use from several processes on one folder."""

    def __init__(
        self,
        state_folder: Path,
        *,
        clock: Clock,
        environment: Mapping[str, str],
        options: ProcessOptions | None = None,
        cpu_cores: float | None = None,
        reach: Reach | None = None,
    ) -> None:
        """``environment`` is the server's: PATH and HOME find interpreters, package settings reach build steps.

        ``reach`` is how far build steps get. ``options`` are the executor's; ``cpu_cores`` is what one build may use,
        all of the machine's by default.
        """
        self._clock = clock
        self._reach = reach or Reach()
        self._store = Store(state_folder.resolve())
        variables, files = build_environment(environment, folder=f"{PREFIX}/build")
        self._secrets = credentials(variables.values())
        variables, netrc = without_logins(variables)
        npm = npm_settings(environment, folder=f"{PREFIX}/build")
        self._settings = {"npmrc": npm.text, "netrc": netrc}
        self._host = Host(
            environment={**npm.env, **variables, "NETRC": NETRC, "NPM_CONFIG_GLOBALCONFIG": NPMRC},
            files={**files, **npm.files, NPMRC: self._store.root / "npmrc", NETRC: self._store.root / "netrc"},
            interpreters=Interpreters(environment),
            nodes=Nodes(environment),
            uv=Path(uv.find_uv_bin()),
            uv_version=version("uv"),
            options=options or ProcessOptions(),
            cpu_cores=cpu_cores if cpu_cores is not None else float(os.cpu_count() or 1),
            run=run_step,
        )

    @property
    def images(self) -> Path:
        """Where the executor finds what references name."""
        return self._store.image("")

    async def build(self, spec: BuildSpec, log: Callable[[bytes], None]) -> Image:
        """Build, writing whole lines to the log, several in one call when they come fast. See the port."""
        await in_thread(checked_names, spec.files)
        output = Output(log, secrets=self._secrets)
        work = self._store.work(spec.owner_number, spec.name)
        uid = self._host.uid(spec.owner_number)
        self._store.prepare(spec.owner_number, spec.actor, uid)
        for name, text in self._settings.items():
            self._store.write(name, text)
        late = BuildFailed("The build took longer than it may and was stopped.")
        try:
            async with (
                asyncio.timeout(max(0.0, self._clock.now().secs_until(spec.deadline))),
                self._store.owner_in_use(spec.owner_number, self._clock),
                self._reach.opened(output) as way,
            ):
                self._store.prepare(spec.owner_number, spec.actor, uid)  # again: pruning may have come in between
                work.mkdir(parents=True, exist_ok=True)
                host = replace(self._host, way=way)
                making = Making(spec, output, store=self._store, host=host, clock=self._clock, work=work)
                return await making.image()
        except (TimeoutError, TimedOut) as error:
            raise late from error
        finally:
            output.end()
            await in_thread(delete_tree, work)

    async def remove(self, reference: str) -> None:
        """Forget an image and the layers that nothing else needs; absent is success."""
        await in_thread(self._store.remove, reference)

    async def prune(self) -> None:
        """Delete layers that no image needs and no build used for a week, and what killed servers left."""
        await in_thread(self._store.prune, int(self._clock.now()) / 1000)
