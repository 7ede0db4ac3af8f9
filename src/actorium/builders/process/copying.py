"""COPY and ADD: which files a source names, where they go, and placing them in a layer."""

from __future__ import annotations

import hashlib
import lzma
import posixpath
import stat
import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, cast

import msgspec

from actorium.builders import BuildFailed
from actorium.builders.process.inflating import Inflated, TooMuch
from actorium.builders.process.layers import Layers, LayerWriter, Node
from actorium.builders.process.modes import changed
from actorium.builders.process.patterns import Ignore, PatternError, has_wildcard, part_matcher
from actorium.builders.process.source_names import Looks, Names
from actorium.builders.process.steps import CopyStep
from actorium.kernel.limits import ARCHIVE_BYTES_MAX, ARCHIVE_ENTRIES_MAX


@dataclass(slots=True, kw_only=True)
class Context:
    """The source files that may be copied, ``.dockerignore`` applied. For one thread at a time."""

    files: Mapping[str, bytes]
    left_out: frozenset[str] = frozenset()
    """The names that the ``.dockerignore`` took away: to say so."""
    executable: frozenset[str] = frozenset()
    folders: tuple[str, ...] = ()
    """Folders without files."""
    looks: Looks = field(default_factory=Looks)
    _names: Names = field(init=False)
    _folder_names: Names = field(init=False)
    _keys: dict[tuple[object, ...], str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._names = Names(self.files.keys(), self.looks)
        self._folder_names = Names(self.folders, self.looks)

    def chosen(self, step: CopyStep, source: str) -> tuple[dict[str, str], set[str]]:
        """What a COPY source leads to: files, path in the source → path below the destination, and empty folders there.

        A file's own name is empty when it is named by itself: the destination decides. Raises ``BuildFailed``.
        """
        files, folders = self._named(source, is_deep=step.parents)
        if step.parents:
            start = len(pivot(source))
            files, folders = ({path: path[start:] for path in each} for each in (files, folders))
        if step.exclude:
            files, folders = (self._without(step.exclude, each) for each in (files, folders))
        return files, set(folders.values())

    def _named(self, source: str, *, is_deep: bool) -> tuple[dict[str, str], dict[str, str]]:
        path = posixpath.normpath("/" + source.lstrip("/")).lstrip("/")
        both = (self._names, self._folder_names)
        if is_deep and "**" in path.split("/"):
            files, folders = (dict.fromkeys(names.anywhere(path), "") for names in both)
            return files, folders
        if has_wildcard(path):
            files, folders = (names.matching(path) for names in both)
            return files, folders
        if path in self.files:
            return {path: ""}, {}
        start = len(path) + 1 if path else 0
        files, folders = ({name: name[start:] for name in names.below(path)} for names in both)
        folders |= {path: ""} if path in self.folders else {}
        if path and not files and not folders:
            hint = ", because .dockerignore leaves it out" if self._is_left_out(path) else ""
            raise BuildFailed(f"COPY source {source} was not found in the source files{hint}")
        return files, folders

    def _without(self, patterns: tuple[str, ...], found: dict[str, str]) -> dict[str, str]:
        ignore = _ignore(patterns)
        names = {path: below or posixpath.basename(path) for path, below in found.items()}
        try:
            kept = set(ignore.kept(names.values(), self.looks.mark))
        except PatternError as error:
            raise BuildFailed(f"COPY --exclude: {error}") from error
        return {path: below for path, below in found.items() if names[path] in kept}

    def key(self, step: CopyStep, source: str, digests: Mapping[str, str]) -> str:
        """What a COPY source leads to, its files' contents included; worked out once, ``digests`` stay the same."""
        asked = (source, step.exclude, step.parents)
        if asked not in self._keys:
            files, folders = self.chosen(step, source)
            chosen = sorted((below, posixpath.basename(path), digests[path]) for path, below in files.items())
            material = msgspec.json.encode([chosen, sorted(folders)])
            self._keys[asked] = hashlib.sha256(material).hexdigest()
        return self._keys[asked]

    def mode(self, path: str) -> int:
        """The mode of a file that COPY says nothing about."""
        return 0o755 if path in self.executable or self.files[path].startswith(b"#!") else 0o644

    def _is_left_out(self, path: str) -> bool:
        return any(name == path or name.startswith(f"{path}/") for name in self.left_out)


def place(step: CopyStep, context: Context, writer: LayerWriter) -> None:
    """Carry out a COPY or ADD from the source files. Raises ``BuildFailed``."""
    for source in step.sources:
        chosen, folders = context.chosen(step, source)
        for path, below in chosen.items():
            content = context.files[path]
            if step.unpack and not below and is_archive(content):
                _unpack(path, content, step.target, writer)
                continue
            mode = changed(context.mode(path), step.mode) if step.mode is not None else context.mode(path)
            writer.put(_destination(step.target, path, below, writer), content, mode=mode)
        if not chosen:
            writer.make_dir(step.target)
        for below in sorted(folders):
            writer.make_dir(posixpath.join(step.target, below))
    for name, text in step.inline:
        mode = changed(0o644, step.mode) if step.mode is not None else 0o644
        writer.put(_destination(step.target, name, "", writer), text.encode("utf-8", "surrogatepass"), mode=mode)


def place_from(
    step: CopyStep, stage: Layers, writer: LayerWriter, looks: Looks | None = None, *, shown: Sequence[str] = ()
) -> None:
    """Carry out a COPY --from another stage, whose files nobody vouches for. Raises ``BuildFailed``.

    ``shown`` are folders of the machine that both stages see, besides its /usr: what is there is linked to.
    """
    looks = looks or Looks(writer.meter.mark)
    skips = _skipped(step, looks)
    for source in step.sources:
        path = posixpath.normpath("/" + source.lstrip("/"))
        start = len(pivot(source)) + 1
        names = _globbed(path, stage, looks) if has_wildcard(path) else [path]
        for name in names:
            real = stage.resolve(name)
            node = stage.find(real)
            if _is_seen(real, node, shown, is_link=real != name):
                _link(name, real, step.target, writer, is_folder=node is not None and node.is_dir)
                continue
            if node is None or (node.of_host and not node.is_dir):
                raise BuildFailed(f"COPY --from: {name} was not found in the stage")
            target = posixpath.join(step.target, name[start:]) if step.parents else step.target
            start_below = len((step.target if step.parents else target).rstrip("/")) + 1
            if node.is_dir:
                target = target.rstrip("/") or "/"
                _tree(node, stage, real, step=step, target=target, writer=writer, skips=skips, start=start_below)
            elif not skips(name[start:] if step.parents else posixpath.basename(name)):
                _one(node, _destination(target, name, "", writer), step, writer)


def _is_seen(real: str, node: Node | None, shown: Sequence[str], *, is_link: bool) -> bool:
    """Whether it is the machine's own, which both stages see."""
    if not any(real.startswith(f"{folder}/") for folder in ("/usr", *shown)):
        return False
    return node.of_host if node is not None else is_link


def _link(name: str, real: str, target: str, writer: LayerWriter, *, is_folder: bool) -> None:
    """Stand in for a copy of what the image sees already; a folder that is there keeps what is in it."""
    place = target.rstrip("/") if is_folder else _destination(target, name, "", writer)
    if writer.view.resolve(place) == real or (is_folder and real == name and writer.is_folder(place)):
        return
    writer.link(place, real)


def _skipped(step: CopyStep, looks: Looks) -> Callable[[str], bool]:
    """Whether ``--exclude`` leaves out what has this path below a source."""
    if not step.exclude:
        return lambda _: False
    ignore = _ignore(step.exclude)

    def skips(below: str) -> bool:
        looks.at(1 + ignore.wildcards)
        return ignore(below)

    return skips


def fingerprint(step: CopyStep, context: Context, digests: Mapping[str, str]) -> list[object]:
    """What of a COPY decides what it makes: for the layer's key."""
    chosen = [context.key(step, source, digests) for source in (step.sources if step.stage is None else ())]
    more = [step.exclude, step.parents] if step.exclude or step.parents else []
    return [step.sources, step.target, step.mode, step.unpack, step.inline, chosen, *more]


def pivot(source: str) -> str:
    """The folders of a source that ``--parents`` leaves away: those before ``/./``, with the slash at their end."""
    before, mark, _ = source.partition("/./")
    folder = posixpath.normpath("/" + before.lstrip("/")).lstrip("/") if mark else ""
    return f"{folder}/" if folder else ""


def _ignore(patterns: tuple[str, ...]) -> Ignore:
    try:
        return Ignore("\n".join(patterns))
    except PatternError as error:
        raise BuildFailed(f"COPY --exclude: {error}") from error


def _destination(target: str, path: str, below: str, writer: LayerWriter) -> str:
    if below:
        return posixpath.join(target, below)
    if target.endswith("/") or writer.is_folder(target):
        return posixpath.join(target, posixpath.basename(path))
    return target


def _globbed(pattern: str, stage: Layers, looks: Looks) -> list[str]:
    found = ["/"]
    for part in pattern.strip("/").split("/"):
        try:
            fits = part_matcher(part)
        except PatternError as error:
            raise BuildFailed(f"COPY source {pattern}: {error}") from error
        following = []
        for folder in found:
            node = stage.find(stage.resolve(folder))
            names = stage.names(node) if node is not None and node.is_dir else []
            looks.at(1 + len(names))
            following += [posixpath.join(folder, name) for name in names if fits(name)]
        found = following
    return found


def _tree(
    node: Node, stage: Layers, path: str, *, step: CopyStep, target: str, writer: LayerWriter,
    skips: Callable[[str], bool], start: int,
) -> None:  # fmt: skip
    """A folder and what is in it; ``start`` is where in a destination the path begins that ``skips`` is asked for."""
    todo = [(node, path, target)]
    while todo:
        node, path, target = todo.pop()
        writer.make_dir(target, stat.S_IMODE(node.mode) & 0o777)
        for name in stage.names(node):
            child = stage.child(node, name) if path != "/" else stage.find(f"/{name}")
            place = posixpath.join(target, name)
            if child is None or skips(place[start:]):
                continue
            if child.is_dir:
                todo.append((child, posixpath.join(path, name), place))
            else:
                _one(child, place, step, writer)


def _one(node: Node, target: str, step: CopyStep, writer: LayerWriter) -> None:
    if node.of_host:
        return  # a layer shares files and is given away whole: never one of the host's
    if node.is_link:
        writer.link(target, str(node.places[0].readlink()))
    elif node.is_file:
        writer.put(target, node.places[0], mode=changed(node.mode, step.mode) if step.mode is not None else node.mode)


def is_archive(content: bytes) -> bool:
    """Whether it begins as a tar does, compressed or not. A lone compressed file is none, and is copied as it is."""
    try:
        tarfile.TarInfo.frombuf(Inflated(content).read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    except (EOFError, OSError, zlib.error, lzma.LZMAError):
        return True  # damaged, or it asks for too much memory: unpacking it says so
    return True


def _unpack(name: str, content: bytes, target: str, writer: LayerWriter) -> None:
    """An archive's files, folders and links; nothing of it is ever handed to the host's own path lookups."""
    total = 0
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", Inflated(content)), mode="r:") as archive:
            for count, member in enumerate(archive):
                parts = [part for part in member.name.split("/") if part not in ("", ".")]
                total += member.size
                if ".." in parts or "\0" in member.name:
                    raise BuildFailed(f"ADD {name}: the archive holds a path that leads out of it")
                if total > ARCHIVE_BYTES_MAX or count > ARCHIVE_ENTRIES_MAX:
                    raise TooMuch
                _member(archive, member, posixpath.join(target, *parts), writer, target=target)
    except TooMuch as error:
        raise BuildFailed(
            f"ADD {name}: the archive holds more than {ARCHIVE_BYTES_MAX >> 30} GB or {ARCHIVE_ENTRIES_MAX} entries, "
            "or a header that no real one has; unpack it in a RUN step"
        ) from error
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise BuildFailed(f"ADD {name}: the archive cannot be unpacked: {error}") from error


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str, writer: LayerWriter, *, target: str) -> None:
    if member.isdir():
        writer.make_dir(path)
    elif member.issym():
        writer.link(path, member.linkname)
    elif member.isreg():
        file = archive.extractfile(member)
        if file is not None:
            writer.put(path, file, mode=member.mode & 0o777 | 0o400)
    elif member.islnk():
        node = writer.view.find(posixpath.join(target, posixpath.normpath("/" + member.linkname).lstrip("/")))
        if node is not None and node.is_file and not node.of_host:
            writer.put(path, node.places[0], mode=node.mode)
