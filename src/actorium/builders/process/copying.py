"""COPY and ADD: which files a source names, where they go, and placing them in a layer."""

from __future__ import annotations

import hashlib
import lzma
import posixpath
import stat
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, cast

import msgspec

from actorium.builders import BuildFailed
from actorium.builders.process.inflating import Inflated, TooMuch
from actorium.builders.process.layers import Layers, LayerWriter, Node
from actorium.builders.process.patterns import PatternError, has_wildcard, part_matcher
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
    _keys: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._names = Names(self.files.keys(), self.looks)
        self._folder_names = Names(self.folders, self.looks)

    def chosen(self, source: str) -> dict[str, str]:
        """The files that one COPY source names: path in the source → path below the destination.

        A file's own name is empty when it is named by itself: the destination decides. Raises ``BuildFailed``.
        """
        if {".."} & set(source.split("/")) and posixpath.normpath(source.lstrip("/")).startswith(".."):
            raise BuildFailed(f"COPY source {source} lies outside of the source folder")
        path = posixpath.normpath("/" + source.lstrip("/")).lstrip("/")
        if has_wildcard(path):
            return self._names.matching(path)
        if path in self.files:
            return {path: ""}
        start = len(path) + 1 if path else 0
        found = {name: name[start:] for name in self._names.below(path)}
        if path and not found and not self.chosen_folders(source):
            hint = ", because .dockerignore leaves it out" if self._is_left_out(path) else ""
            raise BuildFailed(f"COPY source {source} was not found in the source files{hint}")
        return found

    def chosen_folders(self, source: str) -> set[str]:
        """The folders without files that one COPY source names, as paths below the destination."""
        path = posixpath.normpath("/" + source.lstrip("/")).lstrip("/")
        if has_wildcard(path):
            return set(self._folder_names.matching(path).values())
        start = len(path) + 1 if path else 0
        return {name[start:] for name in self._folder_names.below(path)} | ({""} if path in self.folders else set())

    def key(self, source: str, digests: Mapping[str, str]) -> str:
        """What a COPY source leads to, its files' contents included; worked out once, ``digests`` stay the same."""
        if source not in self._keys:
            chosen = sorted(
                (below, posixpath.basename(path), digests[path]) for path, below in self.chosen(source).items()
            )
            material = msgspec.json.encode([chosen, sorted(self.chosen_folders(source))])
            self._keys[source] = hashlib.sha256(material).hexdigest()
        return self._keys[source]

    def mode(self, path: str) -> int:
        """The mode of a file that COPY says nothing about."""
        return 0o755 if path in self.executable or self.files[path].startswith(b"#!") else 0o644

    def _is_left_out(self, path: str) -> bool:
        return any(name == path or name.startswith(f"{path}/") for name in self.left_out)


def place(step: CopyStep, context: Context, writer: LayerWriter) -> None:
    """Carry out a COPY or ADD from the source files. Raises ``BuildFailed``."""
    for source in step.sources:
        chosen = context.chosen(source)
        for path, below in chosen.items():
            content = context.files[path]
            if step.unpack and not below and _is_archive(content):
                _unpack(path, content, step.target, writer)
                continue
            mode = step.mode if step.mode is not None else context.mode(path)
            writer.put(_destination(step.target, path, below, writer), content, mode=mode)
        if not chosen:
            writer.make_dir(step.target)
        for below in sorted(context.chosen_folders(source)):
            writer.make_dir(posixpath.join(step.target, below))
    for name, text in step.inline:
        mode = step.mode if step.mode is not None else 0o644
        writer.put(_destination(step.target, name, "", writer), text.encode("utf-8", "surrogatepass"), mode=mode)


def place_from(step: CopyStep, stage: Layers, writer: LayerWriter, looks: Looks | None = None) -> None:
    """Carry out a COPY --from another stage, whose files nobody vouches for. Raises ``BuildFailed``."""
    looks = looks or Looks(writer.meter.mark)
    for source in step.sources:
        path = posixpath.normpath("/" + source.lstrip("/"))
        names = _globbed(path, stage, looks) if has_wildcard(path) else [path]
        for name in names:
            real = stage.resolve(name)
            node = stage.find(real)
            if node is None or (node.of_host and not node.is_dir):
                raise BuildFailed(f"COPY --from: {name} was not found in the stage")
            if node.is_dir:
                _tree(node, stage, real, step=step, target=step.target.rstrip("/") or "/", writer=writer)
            else:
                _one(node, _destination(step.target, name, "", writer), step, writer)


def fingerprint(step: CopyStep, context: Context, digests: Mapping[str, str]) -> list[object]:
    """What of a COPY decides what it makes: for the layer's key."""
    chosen = [context.key(source, digests) for source in (step.sources if step.stage is None else ())]
    return [step.sources, step.target, step.mode, step.unpack, step.inline, chosen]


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


def _tree(node: Node, stage: Layers, path: str, *, step: CopyStep, target: str, writer: LayerWriter) -> None:
    todo = [(node, path, target)]
    while todo:
        node, path, target = todo.pop()
        writer.make_dir(target, stat.S_IMODE(node.mode) & 0o777)
        for name in stage.names(node):
            child = stage.child(node, name) if path != "/" else stage.find(f"/{name}")
            if child is None:
                continue
            if child.is_dir:
                todo.append((child, posixpath.join(path, name), posixpath.join(target, name)))
            else:
                _one(child, posixpath.join(target, name), step, writer)


def _one(node: Node, target: str, step: CopyStep, writer: LayerWriter) -> None:
    if node.of_host:
        return  # a layer shares files and is given away whole: never one of the host's
    if node.is_link:
        writer.link(target, str(node.places[0].readlink()))
    elif node.is_file:
        writer.put(target, node.places[0], mode=step.mode if step.mode is not None else node.mode)


def _is_archive(content: bytes) -> bool:
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
