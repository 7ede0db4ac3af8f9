"""Layers as an image sees them: looked up without ever following a link on the host, written the same way.

Layers hold what build steps left there, so nothing in them is trusted: every path is walked name by name, links are
followed within the stack of layers only, and a folder is entered only after it was seen to be one.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from actorium.builders import BuildFailed
from actorium.builders.process.image_paths import PATH_RULE
from actorium.builders.process.meter import Meter
from actorium.builders.process.threads import StopMark
from actorium.executors.trees import walk
from actorium.kernel.limits import COPY_PIECE_BYTES, IMAGE_PATH_CHARS_MAX, IMAGE_PATH_DEPTH_MAX

LINKS_MAX = 40  # the kernel's own
_SYSTEM = frozenset({"bin", "lib", "lib32", "lib64", "libx32", "sbin", "usr"})
"""What of the host lies below the layers, as far as where things are matters to a copy."""


@dataclass(frozen=True, slots=True)
class Node:
    """One name in the stack; a folder has a place in each layer that adds to it, the upper ones first."""

    places: tuple[Path, ...]
    mode: int
    of_host: bool
    """Its top-most place is the host's own: it may be looked at, never copied."""

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)


class Layers:
    """A stack of layers, lowest first as images list them."""

    def __init__(self, lowest_first: Sequence[Path], *, host: Path = Path("/")) -> None:
        self._roots = tuple(reversed(lowest_first))
        self._host = host

    def find(self, path: str) -> Node | None:
        """What is at a path, its last link not followed and no other either: see ``resolve``."""
        node: Node | None = self._root()
        for depth, name in enumerate(_names(path)):
            node = self._below(node, name, is_top=depth == 0)
        return node

    def resolve(self, path: str, *, last: bool = True) -> str:
        """The path with its links followed inside the image, ``last`` telling whether the last name's too."""
        return "/" + "/".join(name for name, _ in self.walk(path, last=last))

    def walk(self, path: str, *, last: bool = True) -> list[tuple[str, Node | None]]:
        """The names on the way to a path, links followed, and what is there; each is looked up once."""
        todo, links = list(reversed(_names(path))), 0
        way: list[tuple[str, Node | None]] = []
        while todo:
            name = todo.pop()
            if name == "..":
                del way[-1:]
                continue
            node = self._below(way[-1][1] if way else self._root(), name, is_top=not way)
            if node is None or not node.is_link or not (last or todo):
                way.append((name, node))
                continue
            links += 1
            if links > LINKS_MAX:
                raise BuildFailed(f"{path} goes round in links")
            target = str(node.places[0].readlink())
            if target.startswith("/"):
                way.clear()
            todo += reversed([part for part in target.split("/") if part not in ("", ".")])
        return way

    def _root(self) -> Node:
        return Node((*self._roots, self._host), stat.S_IFDIR | 0o755, of_host=False)

    def _below(self, node: Node | None, name: str, *, is_top: bool) -> Node | None:
        if node is None or not node.is_dir:
            return None
        if is_top and name not in _SYSTEM:
            node = Node(tuple(place for place in node.places if place != self._host), node.mode, of_host=False)
        return self.child(node, name)

    def names(self, node: Node) -> list[str]:
        """What a folder holds, sorted; the host's own entries are not listed."""
        seen: dict[str, bool] = {}
        for place in node.places:
            if place.is_relative_to(self._host) and not any(place.is_relative_to(root) for root in self._roots):
                continue
            for entry in os.scandir(place):
                seen.setdefault(entry.name, not _whiteout(entry.stat(follow_symlinks=False)))
        return sorted(name for name, there in seen.items() if there)

    def child(self, parent: Node, name: str) -> Node | None:
        """What a folder has under a name: ``find`` without walking to the folder. Not for what is just below ``/``."""
        places: list[Path] = []
        mode = 0
        for place in parent.places:
            path = place / name
            try:
                found = path.lstat()
            except (FileNotFoundError, NotADirectoryError):
                continue
            if _whiteout(found) or (places and not stat.S_ISDIR(found.st_mode)):
                break
            mode = mode or found.st_mode
            places.append(path)
            if not stat.S_ISDIR(mode) or _opaque(path):
                break
        if not places:
            return None
        return Node(tuple(places), mode, of_host=not any(places[0].is_relative_to(root) for root in self._roots))


class LayerWriter:
    """Fills one new layer above others."""

    def __init__(
        self, root: Path, below: Sequence[Path], *, host: Path = Path("/"), meter: Meter | None = None
    ) -> None:
        self.root = root
        self.meter = meter or Meter()
        self.view = Layers([*below, root], host=host)
        self._made: dict[str, str] = {}
        self._folders: dict[str, Node] = {}
        """Those that were made or found, by their path with links followed: thousands of files go into a few."""

    def make_dir(self, path: str, mode: int = 0o755) -> str:
        """A folder and those above it; what was there stays. Returns its path with links followed. Raises OSError."""
        if path in self._made:
            return self._made[path]
        asked, (parent, name) = path, posixpath.split(path)
        above = self._made.get(parent, "/")
        if above != "/" and name not in ("", ".", ".."):
            node = self.view.child(self._folder(above), name)
            if node is None or node.is_dir:
                path = self._made[asked] = f"{above}/{name}"
                self._mkdir(path, stat.S_IMODE(node.mode) if node is not None else mode)
                if node is None:
                    self._folders[path] = Node((self.root / path.lstrip("/"),), stat.S_IFDIR | mode, of_host=False)
                return path
        if len(path) > IMAGE_PATH_CHARS_MAX or path.count("/") > IMAGE_PATH_DEPTH_MAX:
            raise OSError(errno.ENAMETOOLONG, f"the path is too deep or too long: {PATH_RULE} are possible", path)
        done = ""
        way = self.view.walk(path)
        for index, (name, node) in enumerate(way):
            done = f"{done}/{name}"
            if node is not None and not node.is_dir:
                raise BuildFailed(f"{done} is a file, not a folder")
            wanted = mode if index == len(way) - 1 else 0o755
            self._mkdir(done, stat.S_IMODE(node.mode) if node is not None else wanted)
        self._made[asked] = done or "/"
        return done or "/"

    def _mkdir(self, path: str, mode: int) -> None:
        folder = self.root / path.lstrip("/")
        try:
            folder.mkdir()
        except FileExistsError:
            return
        self.meter.entry()
        folder.chmod(mode)

    def is_folder(self, path: str) -> bool:
        """Whether a folder is there already, links followed."""
        if path in self._made:
            return True
        node = self.view.find(self.view.resolve(path))
        return node is not None and node.is_dir

    def put(self, path: str, content: bytes | Path | IO[bytes], *, mode: int) -> None:
        """A file, from memory, from a file of a layer or from a stream; replaces a file or a link, never a folder."""
        target = self._target(path)
        self.meter.entry()
        if isinstance(content, Path) and _shared(content, target, mode):
            self.meter.wrote(target.lstat().st_size)
            return
        with target.open("xb") as writer:
            if isinstance(content, bytes):
                self.meter.wrote(len(content))
                writer.write(content)
            elif isinstance(content, Path):
                source = os.open(content, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                with os.fdopen(source, "rb") as reader:
                    self._copy(reader, writer)
            else:
                self._copy(content, writer)
        target.chmod(mode & 0o777)

    def _copy(self, reader: IO[bytes], writer: IO[bytes]) -> None:
        while piece := reader.read(COPY_PIECE_BYTES):
            self.meter.wrote(len(piece))
            writer.write(piece)

    def link(self, path: str, text: str) -> None:
        """A symbolic link with this text; nothing on the host ever follows it."""
        target = self._target(path)
        self.meter.entry()
        target.symlink_to(text)
        self._made.clear()  # paths may lead elsewhere now

    def _target(self, path: str) -> Path:
        folder, name = posixpath.split(path)
        folder = self.make_dir(folder)
        if folder == "/":
            node = self.view.find(posixpath.join(folder, name))
        else:
            node = self.view.child(self._folder(folder), name)
        if node is not None and node.is_dir:
            raise BuildFailed(f"{path} is a folder and cannot be replaced by a file")
        target = self.root / folder.lstrip("/") / name
        if node is not None and node.places[0] == target:
            target.unlink()
        return target

    def _folder(self, path: str) -> Node:
        found = self._folders.get(path) or self.view.find(path)
        assert found is not None  # it has just been made
        self._folders[path] = found
        return found


def hand_over(root: Path, uid: int | None, mark: StopMark | None = None) -> int:
    """Give a whole layer to the owner's uid, None leaving it as it is. Returns its size in bytes."""
    total = 0
    for descriptor, folders, files in walk(root):
        if mark is not None:
            mark.look()
        if uid is not None:
            os.chown(descriptor, uid, uid)
        for name in (*files, *folders):
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            total += found.st_size if stat.S_ISREG(found.st_mode) else 0
            if uid is not None and not stat.S_ISCHR(found.st_mode):
                os.chown(name, uid, uid, dir_fd=descriptor, follow_symlinks=False)
    return total


def _names(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _shared(source: Path, target: Path, mode: int) -> bool:
    """Whether the file of another layer could be had without a copy. Nothing ever changes a layer's file in place."""
    found = source.lstat()
    if not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) != mode & 0o777:
        return False
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # too many links already, or another file system
        return False
    return True


def _whiteout(found: os.stat_result) -> bool:
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def _opaque(path: Path) -> bool:
    for name in ("trusted.overlay.opaque", "user.overlay.opaque"):
        try:
            if os.getxattr(path, name, follow_symlinks=False) == b"y":
                return True
        except OSError:
            continue
    return False
