"""Layers as an image sees them: looked up without ever following a link on the host, written the same way.

Layers hold what build steps left there, so nothing in them is trusted: every path is walked name by name, links are
followed within the stack of layers only, and a folder is entered only after it was seen to be one.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from actorium.builders import BuildFailed
from actorium.executors.trees import walk

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
        node: Node | None = Node((*self._roots, self._host), stat.S_IFDIR | 0o755, of_host=False)
        for depth, name in enumerate(_names(path)):
            if node is None or not node.is_dir:
                return None
            if depth == 0 and name not in _SYSTEM:
                node = Node(tuple(place for place in node.places if place != self._host), node.mode, of_host=False)
            node = self.child(node, name)
        return node

    def resolve(self, path: str, *, last: bool = True) -> str:
        """The path with its links followed inside the image, ``last`` telling whether the last name's too."""
        todo, done, links = list(reversed(_names(path))), "/", 0
        while todo:
            name = todo.pop()
            if name == "..":
                done = posixpath.dirname(done)
                continue
            here = posixpath.join(done, name)
            node = self.find(here)
            if node is None or not node.is_link or not (last or todo):
                done = here
                continue
            links += 1
            if links > LINKS_MAX:
                raise BuildFailed(f"{path} goes round in links")
            target = str(node.places[0].readlink())
            done = "/" if target.startswith("/") else done
            todo += reversed([part for part in target.split("/") if part not in ("", ".")])
        return done

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

    def __init__(self, root: Path, below: Sequence[Path], *, host: Path = Path("/")) -> None:
        self.root = root
        self.view = Layers([*below, root], host=host)
        self._made: dict[str, str] = {}
        self._folders: dict[str, Node] = {}
        """Those that were made or found, by their path with links followed: thousands of files go into a few."""

    def make_dir(self, path: str, mode: int = 0o755) -> str:
        """A folder and those above it; what was there stays. Returns its path with links followed."""
        if path in self._made:
            return self._made[path]
        asked, (parent, name) = path, posixpath.split(path)
        above = self._made.get(parent, "/")
        if above != "/" and name not in ("", ".", ".."):
            node = self.view.child(self._folder(above), name)
            if node is None or node.is_dir:
                path = self._made[asked] = f"{above}/{name}"
                _mkdir(self.root / path.lstrip("/"), stat.S_IMODE(node.mode) if node is not None else mode)
                return path
        path = self.view.resolve(path)
        done, below = self.root, ""
        names = _names(path)
        for index, name in enumerate(names):
            done, below = done / name, f"{below}/{name}"
            node = self.view.find(below)
            if node is not None and not node.is_dir:
                raise BuildFailed(f"{below} is a file, not a folder")
            wanted = mode if index == len(names) - 1 else 0o755
            _mkdir(done, stat.S_IMODE(node.mode) if node is not None else wanted)
        self._made[asked] = path
        return path

    def put(self, path: str, content: bytes | Path | IO[bytes], *, mode: int) -> None:
        """A file, from memory, from a file of a layer or from a stream; replaces a file or a link, never a folder."""
        target = self._target(path)
        if isinstance(content, Path) and _shared(content, target, mode):
            return
        with target.open("xb") as writer:
            if isinstance(content, bytes):
                writer.write(content)
            elif isinstance(content, Path):
                source = os.open(content, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                with os.fdopen(source, "rb") as reader:
                    shutil.copyfileobj(reader, writer, 1 << 20)
            else:
                shutil.copyfileobj(content, writer, 1 << 20)
        target.chmod(mode & 0o777)

    def link(self, path: str, text: str) -> None:
        """A symbolic link with this text; nothing on the host ever follows it."""
        self._target(path).symlink_to(text)
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


def hand_over(root: Path, uid: int | None) -> int:
    """Give a whole layer to the owner's uid, None leaving it as it is. Returns its size in bytes."""
    total = 0
    for descriptor, folders, files in walk(root):
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


def _mkdir(path: Path, mode: int) -> None:
    try:
        path.mkdir()
    except FileExistsError:
        return
    path.chmod(mode)


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
