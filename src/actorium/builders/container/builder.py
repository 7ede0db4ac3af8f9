"""Builds images by a container engine: any base, any instruction that the engine knows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from actorium.builders import BuildFailed, BuildSpec, Image
from actorium.builders.container.context import Context, context, fingerprint, in_pieces
from actorium.builders.container.disk import StepsDisk
from actorium.builders.container.group import BuildGroup
from actorium.builders.container.network import StepNetworks
from actorium.builders.container.progress import Progress
from actorium.builders.container.refusals import refuse_triggers
from actorium.builders.process.output import Output, credentials
from actorium.builders.process.patterns import checked_names
from actorium.builders.process.threads import in_thread
from actorium.builders.reach import Reach
from actorium.executors.container.engine import ContainerEngine, EngineRefused
from actorium.kernel.clock import Clock
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.limits import BUILD_LAYER_KEPT_SECS, DISK_PER_MEMORY

INSTALLATION_LABEL = "actorium.builds"
OWNER_LABEL = "actorium.owner"
CONTENT_LABEL = "actorium.content"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY")
_CPU_PERIOD_US = 100_000
_KILL_TRIES, _KILL_PAUSE_SECS = 250, 0.02


class ContainerBuilder:
    """Builds with the engine that also runs the images."""

    def __init__(
        self,
        engine: ContainerEngine,
        *,
        clock: Clock,
        installation: str,
        environment: Mapping[str, str],
        networks: StepNetworks,
        reach: Reach | None = None,
        cpu_cores: float = 1.0,
    ) -> None:
        """``installation`` marks what is built here; ``networks`` makes what build steps are on, as ``reach`` says.

        Of the environment builds get the proxies, which engines keep out of images and their history.
        """
        self._engine = engine
        self._clock = clock
        self._installation = installation
        self._networks = networks
        self._reach = reach or Reach()
        self._cpu_cores = cpu_cores
        self._going: set[str] = set()
        """Builds of this process that have a control group."""
        both = [*_PROXIES, *(name.lower() for name in _PROXIES)]
        self._proxies = {name: environment[name] for name in both if environment.get(name)}

    async def build(self, spec: BuildSpec, log: Callable[[bytes], None]) -> Image:
        """Build. See the port; ending the connection ends the build, so that cancelling the task does."""
        await in_thread(checked_names, spec.files)
        output = Output(log, secrets=credentials(self._proxies.values()))
        try:
            async with asyncio.timeout(max(0.0, self._clock.now().secs_until(spec.deadline))):
                return await self._build(spec, output)
        except TimeoutError as error:
            raise BuildFailed("The build took longer than it may and was stopped.") from error
        except EngineRefused as error:
            raise BuildFailed(f"The container engine refused: {error.message.strip()}") from error
        finally:
            output.end()

    async def _build(self, spec: BuildSpec, output: Output) -> Image:
        marks = {INSTALLATION_LABEL: self._installation, OWNER_LABEL: str(spec.owner_number)}
        heredocs = await self._engine.knows_heredocs()
        made = await in_thread(partial(context, heredocs=heredocs), spec, marks)
        bases = {name: await self._base(name, spec, output, heredocs=heredocs) for name in made.bases}
        archive = await in_thread(made.archive, bases)
        content = await in_thread(fingerprint, spec, made, bases, archive)
        if spec.use_cache and (found := await self._built_before(content)) is not None:
            return Image(reference=found["Id"], size_bytes=found.get("Size"), cached=True)
        for name, base in bases.items():
            output.line(f"{name} is {base}")
        tag = f"actorium-{self._installation}:{spec.name.lower()}"
        progress = Progress(output, memory_mbytes=spec.memory_mbytes)
        params = self._params(spec, made, labels={**marks, CONTENT_LABEL: content}, tag=tag)
        async with (
            self._reach.opened(output) as way,
            self._networks.joined(spec, bases.values(), way, output) as network,
            self._together(spec) as parent,
        ):
            params["buildargs"] = json.dumps({**way.over(self._proxies), **spec.build_args})
            params |= network | ({"cgroupparent": parent} if parent is not None else {})
            await self._limited(spec, lambda: self._sent(archive, params, progress))
        image = await self._engine.image(tag)
        if image is None:
            raise BuildFailed("The container engine ended the build and has no image of it.")
        return Image(reference=_digest(image), size_bytes=image.get("Size"), cached=False)

    async def _sent(self, archive: bytes, params: Mapping[str, str], progress: Progress) -> int:
        async for message in self._engine.stream("/build", content=in_pieces(archive), **params):
            progress.hear(message)
        return 0

    async def _limited(self, spec: BuildSpec, building: Callable[[], Coroutine[None, None, int]]) -> None:
        """Raises ``BuildFailed`` when it takes too much disk; an engine whose folder is not to be seen has no limit."""
        root = Path((await self._engine.call("GET", "/info")).get("DockerRootDir") or "/nowhere")
        if not root.is_dir():
            await building()
            return
        group = BuildGroup(f"{self._installation}.{spec.name}")
        await StepsDisk(root, group, spec.memory_mbytes * DISK_PER_MEMORY).limited(building())

    @asynccontextmanager
    async def _together(self, spec: BuildSpec) -> AsyncIterator[str | None]:
        """A control group for the steps of one build, where it can be had; nothing in it is left afterwards."""
        if (await self._engine.call("GET", "/info")).get("CgroupDriver") != "cgroupfs":
            yield None
            return
        name = f"{self._installation}.{spec.name}"
        self._going.add(name)
        try:
            yield BuildGroup(name).make(memory_mbytes=spec.memory_mbytes, cpu_cores=self._cpu_cores)
        finally:
            await self._end(name)
            self._going.discard(name)

    async def _end(self, name: str) -> None:
        """End what the steps of a build left, and its group."""
        group = BuildGroup(name)
        for _ in range(_KILL_TRIES):
            if group.kill():
                break
            with suppress(asyncio.CancelledError):  # it was asked for already; what runs must end first
                await self._clock.sleep(_KILL_PAUSE_SECS)
        group.remove()

    def _params(self, spec: BuildSpec, made: Context, *, labels: Mapping[str, str], tag: str) -> dict[str, str]:
        memory = str(spec.memory_mbytes << 20)
        return {
            "t": tag,
            "dockerfile": made.dockerfile,
            "labels": json.dumps(dict(labels)),
            "rm": "true",
            "forcerm": "true",
            "nocache": "false" if spec.use_cache else "true",
            "memory": memory,
            "memswap": memory,
            "cpuperiod": str(_CPU_PERIOD_US),
            "cpuquota": str(round(self._cpu_cores * _CPU_PERIOD_US)),
        }

    async def _base(self, name: str, spec: BuildSpec, output: Output, *, heredocs: bool) -> str:
        """The id of a base image, pulled if this machine has none of that name. Raises ``BuildFailed``."""
        image = await self._engine.image(name)
        if image is None:
            output.line(f"Pulling {name}, which is not on this machine.")
            progress = Progress(output, memory_mbytes=spec.memory_mbytes)
            try:
                async for message in self._engine.stream("/images/create", fromImage=_with_tag(name)):
                    progress.hear(message)
            except (BuildFailed, EngineRefused) as error:
                raise BuildFailed(
                    f"The base image {name} can't be had: {error.message.strip().removesuffix('.')}. Check its name, "
                    "and whether the engine reaches its registry and may have it."
                ) from error
            image = await self._engine.image(name)
        if image is None:
            raise BuildFailed(f"The base image {name} can't be had: the engine pulled it and does not find it.")
        told = image.get("Config") or {}
        if self._is_anothers(image, told.get("Labels") or {}, spec.owner_number):
            raise BuildFailed(f"The base image {name} can't be had: it was built here for another user.")
        if triggers := told.get("OnBuild"):
            refuse_triggers(triggers, heredocs=heredocs)
        return _digest(image)

    def _is_anothers(self, image: Mapping[str, Any], labels: Mapping[str, str], owner_number: int) -> bool:
        """Whether it is what another user's build left; those of other installations on this engine are others', too,
        unless it has a name that it was pulled or tagged by."""
        if OWNER_LABEL not in labels:
            return False
        if labels.get(INSTALLATION_LABEL) == self._installation:
            return labels[OWNER_LABEL] != str(owner_number)
        return all(name.rpartition("/")[2].startswith("actorium-") for name in image.get("RepoTags") or ())

    async def _built_before(self, content: str) -> dict[str, Any] | None:
        found = await self._engine.call(
            "GET",
            "/images/json",
            # Podman labels every layer of a build, also of one that failed; only what is whole has a name.
            filters=json.dumps({"label": [f"{CONTENT_LABEL}={content}"], "dangling": ["false"]}),
        )
        return await self._engine.image(found[0]["Id"]) if found else None

    async def remove(self, reference: str) -> None:
        """Forget an image, by its names: the engine deletes what has none. Absent is success."""
        image = await self._engine.image(reference)
        if image is None:
            return
        own = f"actorium-{self._installation}:"
        names = [name for name in image.get("RepoTags") or () if name.rpartition("/")[2].startswith(own)]
        for name in names or ([] if image.get("RepoTags") else [reference]):
            try:
                await self._engine.call("DELETE", f"/images/{name}")
            except EngineRefused as error:
                if error.status == 409:
                    raise BackendUnavailable(f"The image {name} is in use by a container.") from error
                if error.status != 404:
                    raise

    async def prune(self) -> None:
        """Delete this installation's layers that no image needs and that are older than a week, and end the steps of
        builds whose server was killed."""
        for name in BuildGroup.left(self._installation) - self._going:
            await self._end(name)
        await self._networks.prune()
        filters = {
            "dangling": ["true"],
            "label": [f"{INSTALLATION_LABEL}={self._installation}"],
            "until": [f"{BUILD_LAYER_KEPT_SECS // 3600}h"],
        }
        await self._engine.call("POST", "/images/prune", filters=json.dumps(filters))


def _digest(image: Mapping[str, Any]) -> str:
    """Podman leaves out what kind of digest an id is."""
    found = str(image["Id"])
    return found if ":" in found else f"sha256:{found}"


def _with_tag(name: str) -> str:
    """Without a tag an engine would pull every one that there is."""
    return name if ":" in name.rpartition("/")[2] or "@" in name else f"{name}:latest"
