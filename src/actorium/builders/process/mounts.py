"""What ``RUN --mount`` shows to one command: read from the Dockerfile, and laid out on the disk beside the layers."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from actorium.builders import BuildFailed
from actorium.builders.process.bases import PREFIX
from actorium.builders.process.copying import Context, place, place_from
from actorium.builders.process.dockerfile import DockerfileError, Instruction
from actorium.builders.process.image_paths import checked_place
from actorium.builders.process.layers import Layers, LayerWriter, hand_over
from actorium.builders.process.meter import Meter
from actorium.builders.process.state import StageState
from actorium.builders.process.steps import CopyStep, Mount
from actorium.executors.process.step import Bind

_ITS_OWN = ("/proc", "/sys", "/dev", PREFIX)
_WHOLE = frozenset({"/", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc"})
"""Folders that commands cannot do without."""
_NOTHING = frozenset({"secret", "ssh"})
"""Kinds that show what whoever starts a build hands over, which is nothing here."""
_READ_ONLY, _WRITABLE = frozenset({"ro", "readonly"}), frozenset({"rw", "readwrite"})
_NAME = "it"  # of what a mount shows, in the folder that is made for it


def sources(instruction: Instruction) -> list[str]:
    """The stages and images that the mounts of a ``RUN`` take files from."""
    options = [_options(value) for name, value in instruction.flags if name == "mount"]
    return [each["from"] for each in options if each.get("from") and each.get("type", "bind") == "bind"]


def read(instruction: Instruction, state: StageState, aliases: Mapping[str, int]) -> tuple[list[Mount], list[str]]:
    """The mounts of a ``RUN``, and notes for the log. Raises ``DockerfileError`` and ``ExpansionError``."""
    mounts, notes = [], []
    for name, value in instruction.flags:
        options = _options(value)
        kind = options.get("type", "bind")
        if name != "mount" and (name, value) != ("network", "none"):
            notes.append(f"--{name}={value} has no effect here")
        elif name != "mount":
            continue
        elif kind in _NOTHING:
            if options.get("required", "false") not in ("false", "0"):
                raise DockerfileError(
                    instruction.line, f"RUN --mount={value}: builds here have no such {kind}; use a build argument"
                )
            notes.append(f"--mount={value} has no effect here")
        else:
            mounts.append(_mount(instruction.line, kind, options, state, aliases))
    return mounts, notes


def _options(value: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in value.split(",") if part.strip())
    known = {"src": "source", "dst": "target", "destination": "target"}
    return {known.get(name.lower(), name.lower()): text for name, _, text in pairs}


def _mount(line: int, kind: str, options: Mapping[str, str], state: StageState, aliases: Mapping[str, int]) -> Mount:
    if kind not in ("bind", "cache", "tmpfs"):
        raise DockerfileError(line, f"RUN --mount knows no type={kind}; use bind, cache or tmpfs")
    asked = state.expand(options.get("target", ""))
    if not asked:
        raise DockerfileError(line, f"RUN --mount=type={kind} needs target=, the path where the command sees it")
    target = state.absolute(asked).rstrip("/") or "/"
    checked_place(line, target)
    target = f"/run{target.removeprefix('/var/run')}" if f"{target}/".startswith("/var/run/") else target
    if _is_refused(target):
        raise DockerfileError(line, f"RUN --mount cannot have target={target}; choose another folder")
    if kind == "cache":
        return Mount(kind=kind, target=target, source=state.expand(options.get("id") or target))
    if kind == "tmpfs":
        return Mount(kind=kind, target=target)
    origin = options.get("from")
    writable = any(options.get(name, "false") != "false" for name in _WRITABLE) and origin is None
    return Mount(
        kind=kind,
        target=target,
        source=posixpath.normpath("/" + state.expand(options.get("source", "")).lstrip("/")),
        stage=aliases[origin.lower()] if origin else None,
        writable=writable,
    )


def _is_refused(path: str) -> bool:
    return path in _WHOLE or any(path == own or path.startswith(f"{own}/") for own in _ITS_OWN)


def material(mounts: Sequence[Mount], context: Context, digests: Mapping[str, str], keys: Mapping[int, str]) -> object:
    """What of mounts decides what a command makes: for the layer's key. ``keys`` are those of stages."""
    return [
        [each.kind, each.target, each.source, each.writable, _files_key(each, context, digests, keys)]
        for each in mounts
    ]


def _files_key(mount: Mount, context: Context, digests: Mapping[str, str], keys: Mapping[int, str]) -> str:
    if mount.kind != "bind":
        return ""
    if mount.stage is not None:
        return keys[mount.stage]
    with _told_of_mounts():
        return context.key(CopyStep(sources=(), target="/"), mount.source, digests)


@contextlib.contextmanager
def _told_of_mounts() -> Iterator[None]:
    """What cannot be copied to where a mount shows it, in words of mounts."""
    try:
        yield
    except BuildFailed as error:
        said = error.message.removeprefix("COPY ").removeprefix("--from: ")
        raise BuildFailed(f"RUN --mount: {said}") from error


@dataclass(slots=True, kw_only=True)
class MountMaker:
    """Where the mounts of one command are laid out."""

    folder: Path
    """An empty one, beside the layer that the command makes."""
    cache: Callable[[str], Path]
    """The folder that the Actor's builds keep under a name."""
    context: Context
    stages: Mapping[int, Sequence[Path]]
    uid: int | None
    meter: Meter

    def lay_out(self, mounts: Sequence[Mount], layers: Sequence[Path]) -> tuple[Path, list[Bind]]:
        """A layer with the places that are missing in the image, and what is shown there. Raises ``BuildFailed``."""
        places = self.folder / "places"
        places.mkdir(parents=True, mode=0o755)
        writer = LayerWriter(places, layers, meter=self.meter)
        laid: list[_Laid] = []
        for number, mount in enumerate(sorted(mounts, key=lambda each: each.target.count("/"))):
            source = self._source(mount, self.folder / str(number))
            path = writer.view.resolve(mount.target)
            if _is_refused(path):
                raise BuildFailed(f"RUN --mount: target={mount.target} leads to {path}; choose another folder")
            around = next((each for each in reversed(laid) if path.startswith(f"{each.path}/")), None)
            if around is None:
                _make_place(writer, path, mount, source)
            else:
                self._make_place_in(around, path, mount, source)
            laid.append(_Laid(mount=mount, path=path, source=source))
        hand_over(self.folder, self.uid, self.meter.mark)
        return places, [
            Bind(source=each.source, target=each.path, writable=each.mount.kind != "bind" or each.mount.writable)
            for each in laid
        ]

    def _source(self, mount: Mount, folder: Path) -> Path:
        if mount.kind == "cache":
            return self.cache(mount.source)
        folder.mkdir(mode=0o755)
        if mount.kind == "tmpfs":
            return folder
        step = CopyStep(sources=(mount.source,), target=f"/{_NAME}", stage=mount.stage)
        writer = LayerWriter(folder, (), meter=self.meter)
        with _told_of_mounts():
            if mount.stage is None:
                place(step, self.context, writer)
            else:
                place_from(step, Layers(self.stages[mount.stage]), writer, self.context.looks)
        if (folder / _NAME).is_symlink():  # following it is not the image's business, which may hide what it leads to
            raise BuildFailed(f"RUN --mount: {mount.source} is a link to what the machine has: use COPY --from")
        return folder / _NAME

    def _make_place_in(self, around: _Laid, path: str, mount: Mount, source: Path) -> None:
        """Its place in what another mount shows, where no link may lead elsewhere."""
        if around.mount.kind == "cache":
            raise BuildFailed(f"RUN --mount: {mount.target} lies in a cache, where nothing can be shown")
        root, start = (around.source.parent, f"/{_NAME}") if around.mount.kind == "bind" else (around.source, "")
        writer = LayerWriter(root, (), host=self.folder / "no-host", meter=self.meter)
        inside = start + path.removeprefix(around.path)
        if writer.view.resolve(inside) != inside:
            shown = f"what is shown at {around.mount.target}"
            raise BuildFailed(f"RUN --mount: {mount.target} lies behind a link in {shown}")
        _make_place(writer, inside, mount, source)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Laid:
    """A mount whose place is made."""

    mount: Mount
    path: str
    """Its target with links followed inside the image."""
    source: Path


def _make_place(writer: LayerWriter, path: str, mount: Mount, source: Path) -> None:
    node = writer.view.find(path)
    if node is None:
        if source.is_dir():
            writer.make_dir(path)
        else:
            writer.put(path, b"", mode=0o644)
    elif node.is_dir != source.is_dir():
        kinds = ("a folder", "a file")
        shown, there = kinds if source.is_dir() else kinds[::-1]
        raise BuildFailed(f"RUN --mount: {shown} cannot be shown at {mount.target}, which is {there} in the image")
