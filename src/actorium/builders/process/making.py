"""One build from its Dockerfile to its image: walks the steps, reuses layers, makes the others."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from actorium.builders import BuildFailed, BuildSpec, Image
from actorium.builders.process import foundations, inits, plan
from actorium.builders.process.bases import CACHE, PKG_CACHE, UV
from actorium.builders.process.copying import fingerprint
from actorium.builders.process.default_dockerfile import default_dockerfile
from actorium.builders.process.disk_guard import Guard
from actorium.builders.process.dockerfile import Dockerfile, parse
from actorium.builders.process.downloads import fetch
from actorium.builders.process.interpreters import Interpreters
from actorium.builders.process.layers import Layers, LayerWriter, hand_over
from actorium.builders.process.meter import Meter, too_much
from actorium.builders.process.mounts import MountMaker, material
from actorium.builders.process.nodes import Nodes
from actorium.builders.process.output import Output
from actorium.builders.process.placing import carry_out, checked_workdir, prepared
from actorium.builders.process.state import Config
from actorium.builders.process.steps import CopyStep, FetchStep, FolderStep, Mount, RunStep, Step, taken_from
from actorium.builders.process.store import Entry, Store
from actorium.builders.process.system_packages import hint
from actorium.builders.process.threads import StopMark, in_thread, until_stopped
from actorium.builders.way import CUT_OFF, OPEN, Way
from actorium.executors.process.executor import ProcessOptions
from actorium.executors.process.image import ProcessImage, save
from actorium.executors.process.step import Bind, StepSpec, owner_uid
from actorium.executors.trees import delete_tree
from actorium.kernel.clock import Clock
from actorium.kernel.limits import BUILD_LAYERS_MAX, DISK_BLOCK_BYTES, DISK_PER_MEMORY, PIDS_BUILD_MAX

COMMAND_CHARS_MAX = 300  # of a failed command in the message; the log has the whole
STEP_ENVIRONMENT = {
    "UV_CACHE_DIR": f"{CACHE}/uv",
    "UV_LINK_MODE": "copy",
    "UV_NO_PROGRESS": "1",
    "UV_COMPILE_BYTECODE": "1",
    "PIP_CACHE_DIR": f"{CACHE}/pip",
    "PIP_NO_INPUT": "1",
    "NPM_CONFIG_CACHE": f"{CACHE}/npm",
    "NPM_CONFIG_AUDIT": "false",
    "NPM_CONFIG_FUND": "false",
    "NPM_CONFIG_UPDATE_NOTIFIER": "false",
    "YARN_CACHE_FOLDER": f"{CACHE}/yarn",
    "PNPM_CONFIG_STORE_DIR": f"{CACHE}/pnpm",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What of this machine and its settings a build uses."""

    environment: Mapping[str, str]
    """Package indexes, proxies and certificates for build steps."""
    files: Mapping[str, Path]
    """Certificates that those name, and settings of package managers: path inside → file of the host."""
    interpreters: Interpreters
    nodes: Nodes
    uv: Path
    uv_version: str
    options: ProcessOptions
    """The executor's own, so that a build's steps run as its runs do."""
    cpu_cores: float
    run: Callable[[StepSpec, Callable[[bytes], None], Callable[[int], None]], Coroutine[None, None, int]]
    way: Way = OPEN
    """How far the commands of a Dockerfile get; the builder's own are not held back."""

    def uid(self, owner_number: int) -> int | None:
        """Who owns what an owner's builds write; None when this server may not give files away."""
        return owner_uid(owner_number, uid_base=self.options.uid_base) if os.geteuid() == 0 else None


@dataclass(slots=True)
class Built:
    """A stage as far as it has come."""

    key: str
    config: Config
    toolchain: tuple[str, ...]
    is_node: bool = False
    entries: list[Entry] = field(default_factory=list)
    layers: list[Path] = field(default_factory=list)
    commands: frozenset[str] = frozenset()
    """Keys of those that it was made by, which its own key stands for."""


class Making:
    """One build. ``image`` is called once."""

    def __init__(self, spec: BuildSpec, output: Output, *, store: Store, host: Host, clock: Clock, work: Path) -> None:
        self.spec, self.output, self.store, self.host, self.clock, self.work = spec, output, store, host, clock, work
        self.made = 0
        self.disk_left = spec.memory_mbytes * DISK_PER_MEMORY << 20
        self.built: dict[int, Built] = {}
        self.mark = StopMark()
        self.number = self.total = 0

    async def image(self) -> Image:
        """Build the last stage and what it needs. Raises ``BuildFailed``."""
        name, text = await self._dockerfile()
        self.context, self.digests = await until_stopped(self.mark, prepared, self.spec, name, self.mark)
        dockerfile = await in_thread(parse, text)
        stages = plan.stages(dockerfile, self.spec.build_args)
        self.total = sum(1 + len(stage.instructions) for stage in stages)
        for stage in stages:
            self.built[stage.index] = await self._stage(stage, dockerfile)
        return self._finish(self.built[stages[-1].index])

    @property
    def uid(self) -> int | None:
        """Who owns what this build writes."""
        return self.host.uid(self.spec.owner_number)

    @property
    def cache(self) -> Path:
        """Where the packages that this Actor's builds fetched are kept."""
        return self.store.cache(self.spec.owner_number, self.spec.actor)

    @property
    def step_env(self) -> dict[str, str]:
        """What every step's environment starts from; none of it reaches an image."""
        return {**self.host.environment, **STEP_ENVIRONMENT}

    def start(self, *, toolchain: tuple[str, ...], is_node: bool = False) -> Built:
        """A stage with nothing on it yet."""
        return Built("", Config(), toolchain, is_node)

    async def _dockerfile(self) -> tuple[str, str]:
        name = self.spec.dockerfile
        if not name:
            own, _ = await self.host.interpreters.choose(None)
            text = default_dockerfile(self.spec.files, minor=own.minor)
            self.output.line("The source has no Dockerfile; this one is used:")
            for line in text.splitlines():
                self.output.line(f"    {line}")
            return "Dockerfile", text
        if name not in self.spec.files:
            raise BuildFailed(f"the Dockerfile {name} is not among the source files")
        try:
            return name, self.spec.files[name].decode()
        except UnicodeDecodeError as error:
            raise BuildFailed(f"the Dockerfile {name} is not UTF-8 text") from error

    async def _stage(self, stage: plan.Stage, dockerfile: Dockerfile) -> Built:
        self._say(stage.text, stage.notes)
        if stage.parent is not None:
            below = self.built[stage.parent]
            built = replace(below, entries=list(below.entries), layers=list(below.layers))
        else:
            built = await foundations.lay(self, stage)
        planned = await in_thread(plan.steps, stage, built.config, dockerfile, self.spec.build_args)
        files: list[Step] = []
        material: list[object] = []
        for step in planned.steps:
            if isinstance(step.action, RunStep | FetchStep):
                await self._files(built, files, material)
                files, material = [], []
            self._say(step.text, step.notes)
            for index in taken_from(step.action):
                built.commands |= self.built[index].commands
                built.toolchain = tuple(dict.fromkeys((*built.toolchain, *self.built[index].toolchain)))
            if isinstance(step.action, RunStep):
                await self._run(built, step.action, step.line)
            elif isinstance(step.action, FetchStep):
                await fetch(self, built, step.action, line=step.line, text=step.text)
            elif step.action is not None:
                files.append(step)
                material.append(await until_stopped(self.mark, self._material, step.action))
        await self._files(built, files, material)
        built.config = planned.config
        return built

    def _say(self, text: str, notes: tuple[str, ...]) -> None:
        self.number += 1
        self.output.line(f"Step {self.number}/{self.total} : {text}")
        for note in notes:
            self.output.line(f" ---> {note}")

    def _material(self, action: RunStep | CopyStep | FolderStep) -> object:
        if isinstance(action, CopyStep):
            source = self.built[action.stage].key if action.stage is not None else ""
            return ["copy", source, fingerprint(action, self.context, self.digests)]
        return ["folder", action.path, *action.more] if isinstance(action, FolderStep) else ["run"]

    async def _files(self, built: Built, steps: list[Step], material: list[object]) -> None:
        """COPY, ADD and WORKDIR that follow each other make one layer."""
        if not steps:
            return

        async def make(upper: Path) -> None:
            meter = self.meter()
            stages = {index: tuple(stage.layers) for index, stage in self.built.items()}
            writer = LayerWriter(upper, built.layers, meter=meter)
            await until_stopped(self.mark, carry_out, steps, writer, self.context, stages, built.toolchain)
            self.disk_left -= meter.entries * DISK_BLOCK_BYTES

        await self.layer(built, ["files", material], make, given=True)

    async def _run(self, built: Built, action: RunStep, line: int) -> None:
        way = CUT_OFF if action.is_cut_off else self.host.way
        env = {**way.over(self.step_env), **action.env}

        async def make(upper: Path) -> None:
            await in_thread(checked_workdir, line, action.workdir, Layers(built.layers))
            async with self._shown(built, action.mounts) as (places, binds):
                code = await self.step(
                    built,
                    upper,
                    argv=action.argv,
                    env=env,
                    workdir=action.workdir,
                    way=way,
                    places=places,
                    mounts=binds,
                )
            if code != 0:
                command = textwrap.shorten(action.command, COMMAND_CHARS_MAX, placeholder=" ...")
                said = f"The command '{command}' returned a non-zero code: {code}{hint(action.command)}"
                raise BuildFailed(said, exit_code=code)

        made_from: list[object] = ["run", action.argv, sorted(action.env.items()), action.workdir]
        made_from += ["cut off"] if action.is_cut_off else []
        if action.mounts:
            keys = {index: stage.key for index, stage in self.built.items()}
            made_from.append(await until_stopped(self.mark, material, action.mounts, self.context, self.digests, keys))
        await self.layer(built, made_from, make, given=False)

    @contextlib.asynccontextmanager
    async def _shown(self, built: Built, mounts: Sequence[Mount]) -> AsyncIterator[tuple[tuple[Path, ...], list[Bind]]]:
        """What a command sees besides the image: layers with places for it, and what is shown there."""
        if not mounts:
            yield (), []
            return
        folder = self.work / f"mounts-{self.made}"
        maker = MountMaker(
            folder=folder, cache=self._mounted_cache, context=self.context, uid=self.uid, meter=self.meter(),
            stages={index: tuple(stage.layers) for index, stage in self.built.items()},
        )  # fmt: skip
        try:
            places, binds = await until_stopped(self.mark, maker.lay_out, mounts, built.layers)
            yield (places,), binds
        finally:
            await in_thread(delete_tree, folder)

    def _mounted_cache(self, name: str) -> Path:
        return self.store.mounted_cache(self.spec.owner_number, self.spec.actor, name, self.uid)

    def meter(self) -> Meter:
        return Meter(self.disk_left, told_mbytes=self.spec.memory_mbytes * DISK_PER_MEMORY, mark=self.mark)

    async def step(
        self,
        built: Built,
        upper: Path,
        *,
        argv: tuple[str, ...],
        env: Mapping[str, str],
        workdir: str,
        way: Way | None = None,
        places: tuple[Path, ...] = (),
        mounts: Sequence[Bind] = (),
    ) -> int:
        owner = self.spec.owner_number
        if way is None:  # one of the builder's own commands
            way = self.host.way if self.host.way.is_only else OPEN
            env = way.over(env)
        step = StepSpec(
            name=f"build-{self.spec.name}-{self.made}",
            argv=argv,
            env=dict(env),
            workdir=workdir,
            layers=(*built.layers, *places),
            upper=upper,
            state=self.store.steps,
            toolchain=tuple(Path(folder) for folder in built.toolchain),
            binds=(
                Bind(source=self.host.uv, target=UV),
                Bind(source=self.cache, target=CACHE, writable=True),
                *([Bind(source=self.cache, target=PKG_CACHE, writable=True)] if built.is_node else []),
                *(Bind(source=path, target=inside) for inside, path in self.host.files.items()),
            ),
            mounts=tuple(mounts),
            owner_number=owner,
            uid_base=self.host.options.uid_base,
            memory_mbytes=self.spec.memory_mbytes,
            cpu_cores=self.host.cpu_cores,
            pids_max=PIDS_BUILD_MAX,
            network=way.outward,
            door=way.door,
            allow_host_network=self.host.options.allow_host_network,
            deadline=self.spec.deadline,
        )
        caches = [path for path in (self.cache, self.store.mounted_caches(owner, self.spec.actor)) if path.exists()]
        guard = Guard((self.work, *caches), self.disk_left, self.spec.memory_mbytes * DISK_PER_MEMORY)
        code = await guard.limited(self.host.run(step, self.output.piece, guard.started))
        self.output.end()
        return code

    async def layer(
        self, built: Built, material: object, make: Callable[[Path], Awaitable[None]], *, given: bool
    ) -> None:
        """The next layer: from the cache, or made in the work folder and published. ``given``: its files are ours."""
        owner, reuse = self.spec.owner_number, self.spec.use_cache or not built.layers  # a base is not made anew
        key = _digest([owner, built.key, material])
        if not given:
            built.commands |= {key}
        entry = self._found(key) if reuse else None
        if entry is None:
            async with self.store.only_one(owner, key, self.clock, on_wait=self._wait):
                entry = self._found(key) if reuse else None
                if entry is None:
                    salt = "" if reuse else self.spec.name
                    entry = await self._make(key, make, built.commands, given=given, salt=salt)
                else:
                    self.output.line(" ---> Using cache: an equal build has just made it")
        else:
            self.output.line(" ---> Using cache")
        built.key = _digest([key, entry.layer])
        built.entries.append(entry)
        if entry.layer:
            built.layers.append(self.store.layer(owner, entry.layer))
        if len(built.layers) > BUILD_LAYERS_MAX:
            raise BuildFailed(f"the image has more than {BUILD_LAYERS_MAX} layers; join RUN instructions with &&")

    def _wait(self) -> None:
        self.output.line(" ---> Waiting: another build makes the same now")

    def _found(self, key: str) -> Entry | None:
        owner = self.spec.owner_number
        return self.store.lookup(owner, self._own(key)) or self.store.lookup(owner, key)

    def _own(self, key: str) -> str:
        """Where a layer lies that is for no other Actor."""
        return _digest([key, self.spec.actor])

    async def _make(
        self,
        key: str,
        make: Callable[[Path], Awaitable[None]],
        commands: frozenset[str],
        *,
        given: bool,
        salt: str,
    ) -> Entry:
        owner, lineage = self.spec.owner_number, self.store.lineage(self.spec.owner_number, self.spec.actor)
        if not given:
            lineage.note(key)
        self.made += 1
        upper = self.work / f"{self.made}"
        upper.mkdir()
        upper.chmod(0o755)
        await make(upper)
        uid = self.host.uid(owner) if given else None
        size = await until_stopped(self.mark, hand_over, upper, uid, self.mark)
        self.disk_left -= size
        if self.disk_left < 0:  # written faster than anybody looked
            raise too_much(self.spec.memory_mbytes * DISK_PER_MEMORY)
        if not given and not lineage.is_of(commands):  # also if another build of the Actor wrote there meanwhile
            key = self._own(key)
        name = "" if not any(upper.iterdir()) else _digest([key, salt])[:32]
        entry = Entry(layer=name, size_bytes=size)
        self.store.publish(owner, key, entry, upper if name else None)
        return entry

    def _finish(self, built: Built) -> Image:
        config = built.config
        size = sum(entry.size_bytes for entry in built.entries)
        view = Layers(built.layers)
        image = ProcessImage(
            layers=tuple(str(layer) for layer in built.layers),
            toolchain=built.toolchain,
            env=dict(config.env),
            workdir=config.workdir,
            entrypoint=inits.found(config.entrypoint, view),
            cmd=config.cmd if config.entrypoint else inits.found(config.cmd, view),
            user=config.user,
            size_bytes=size,
        )
        reference = _digest([self.spec.owner_number, msgspec.to_builtins(image)])[:32]
        save(self.store.image(reference), image)
        argv = shlex.join(image.argv)
        self.output.line(f"Successfully built {reference[:12]} ({size / 1_000_000:.1f} MB); it runs: {argv}")
        return Image(reference=reference, size_bytes=size, cached=self.made == 0)


def _digest(material: object) -> str:
    return hashlib.sha256(msgspec.json.encode(material)).hexdigest()
