"""The port of sources: from what a version says about where they are to the files that a build gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from actorium.actors.model import SourceFile, SourceType
from actorium.kernel.principal import Principal

Log = Callable[[str], None]
"""Takes a line for the build's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The sources of one build, as they were named when it was started."""

    build_id: str
    owner: Principal
    """In whose name records of this server are read."""
    type: SourceType
    files: Sequence[SourceFile] = field(default=(), repr=False)
    """Inline sources."""
    place: str = field(default="", repr=False)
    """The address of all others; it may hold a password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Sources as they lie in memory: checked paths, relative, separated by slashes, no links."""

    files: Mapping[str, bytes]
    executable: frozenset[str] = frozenset()
    """Files whose executable bit is set, where the source has such bits."""
    folders: frozenset[str] = frozenset()
    """Folders without files."""
    root: str = ""
    """The Actor's folder, where the files are those of a whole repository; empty: the Actor is all of them."""

    def below(self, folder: str) -> Tree:
        """What lies in a folder, seen from there."""
        prefix = f"{folder}/"
        return Tree(
            files={path.removeprefix(prefix): file for path, file in self.files.items() if path.startswith(prefix)},
            executable=frozenset(path.removeprefix(prefix) for path in self.executable if path.startswith(prefix)),
            folders=frozenset(path.removeprefix(prefix) for path in self.folders if path.startswith(prefix)),
        )


class Sources(Protocol):
    """Fetches sources. What an attempt has fetched, the next attempt at the same build gets again."""

    async def fetch(self, wanted: Wanted, log: Log) -> Tree:
        """The files. Raises BuildFailed, Invalid or Forbidden with a line for people that says what to do.

        Cancelling the task ends every process that it started.
        """
        ...

    async def forget(self, build_id: str) -> None:
        """Delete what is kept for further attempts at a build; nothing kept is success."""
        ...

    async def prune(self) -> None:
        """Delete what is kept for builds that have long ended."""
        ...
