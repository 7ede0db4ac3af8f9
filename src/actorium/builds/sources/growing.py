"""A tree in the making: every path is checked, every limit is kept before anything is read, links become copies."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Mapping

from actorium.actors.sources import check_collisions, clean_path
from actorium.builders import BuildFailed
from actorium.builds.sources import Tree
from actorium.kernel.limits import (
    SOURCE_LINK_DEPTH_MAX,
    SOURCE_LINKS_MAX,
    SOURCE_TREE_BYTES_MAX,
    SOURCE_TREE_ENTRIES_MAX,
)

_SMALLER = "Leave out what the build can install or make itself, such as node_modules or data."


def too_many() -> BuildFailed:
    """There are more files than any honest Actor has."""
    return BuildFailed(f"The sources have more than {SOURCE_TREE_ENTRIES_MAX} files and folders. {_SMALLER}")


def too_large() -> BuildFailed:
    """They do not fit."""
    return BuildFailed(f"The sources are larger than {SOURCE_TREE_BYTES_MAX // 1_048_576} MB when unpacked. {_SMALLER}")


class LeadsOut(BuildFailed):
    """A link leads out of the sources, or nowhere."""


class Growing:
    """Takes in files, folders and links in any order. Every method raises ``BuildFailed`` or ``SourcePathInvalid``."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._executable: set[str] = set()
        self._folders: set[str] = set()
        self._links: dict[str, tuple[str, str]] = {}
        self._entries = 0
        self._bytes = 0

    def room(self, size: int) -> None:
        """Make sure that so many bytes fit, before they are read."""
        if size < 0 or self._bytes + size > SOURCE_TREE_BYTES_MAX:
            raise too_large()

    def file(self, name: str, content: bytes, *, executable: bool = False) -> None:
        path = self._entered(name)
        if path in self._files or path in self._links:
            raise BuildFailed(f"Source file {name!r} is there twice. Keep one of them.")
        self.room(len(content))
        self._bytes += len(content)
        self._files[path] = content
        if executable:
            self._executable.add(path)

    def folder(self, name: str) -> None:
        if name.strip("./"):  # the top one is there anyhow
            self._folders.add(self._entered(name))

    def link(self, name: str, target: str, *, hard: bool = False) -> None:
        """A file that stands for another file or folder. A ``hard`` link's target is seen from the sources' top."""
        path = self._entered(name)
        if path in self._files or path in self._links:
            raise BuildFailed(f"Source file {name!r} is there twice. Keep one of them.")
        if len(self._links) >= SOURCE_LINKS_MAX:
            raise BuildFailed(f"The sources have more than {SOURCE_LINKS_MAX} links. Replace them by copies.")
        is_inside = not target.startswith("/") and not _climbs(target, 0 if hard else path.count("/"))
        folder = "" if hard else posixpath.dirname(path)
        self._links[path] = (posixpath.normpath(posixpath.join(folder, target)) if is_inside else "", target)

    def tree(self, *, within: str = "") -> Tree:
        """What has grown, each link a copy of what it points at. Raises LeadsOut for a link in the folder ``within``
        that cannot be one; others are left out."""
        self._resolve(within)
        check_collisions(self._files, self._folders)
        inner = {parent for path in (*self._files, *self._folders) for parent in _parents(path)}
        return Tree(files=self._files, executable=frozenset(self._executable), folders=frozenset(self._folders - inner))

    def _entered(self, name: str) -> str:
        self._entries += 1
        if self._entries > SOURCE_TREE_ENTRIES_MAX:
            raise too_many()
        return clean_path(name)

    def _resolve(self, within: str) -> None:
        """Copy what links point at; links to links wait for their turn. A circle never gets one."""
        pending, self._links = self._links, {}
        for _ in range(SOURCE_LINK_DEPTH_MAX):
            if not pending:
                return
            below = _by_folder(self._files)
            waiting = {parent for path in pending for parent in (path, *_parents(path))}
            done = [path for path, target in pending.items() if self._copied(path, target[0], below, waiting)]
            for path in done:
                del pending[path]
            if not done:
                break
        for path, (_, target) in pending.items():
            if not within or path.startswith(f"{within}/"):
                raise LeadsOut(
                    f"Source file {path!r} is a link to {target!r}, which is not among the sources (or is the link"
                    " itself). Replace the link by a copy."
                )

    def _copied(self, path: str, target: str, below: Mapping[str, list[str]], waiting: set[str]) -> bool:
        if target in self._files:
            self.file(path, self._files[target], executable=target in self._executable)
            return True
        if target in waiting or target not in below or path.startswith(f"{target}/"):
            return False
        for source in below[target]:
            name = path + source[len(target) :]
            self.file(name, self._files[source], executable=source in self._executable)
        return True


def _climbs(target: str, depth: int) -> bool:
    """Whether a path leaves the sources on its way, even if it comes back."""
    for part in target.split("/"):
        if part == "..":
            depth -= 1
        elif part not in ("", "."):
            depth += 1
        if depth < 0:
            return True
    return False


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _by_folder(files: Mapping[str, bytes]) -> dict[str, list[str]]:
    """The files below each folder, at any depth."""
    below: dict[str, list[str]] = defaultdict(list)
    for path in files:
        for parent in _parents(path):
            below[parent].append(path)
    return below
