"""The builder port: from an Actor's source files to an image that an executor of the same kind can start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from actorium.kernel.errors import ActoriumError
from actorium.kernel.instant import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpec:
    """Everything a builder may know of a build."""

    name: str
    """The build's id and attempt, for work folders."""
    owner_number: int
    actor: str = "none"
    """The Actor's id: builds of one Actor have a package cache in common, which their steps may write."""
    files: Mapping[str, bytes]
    """The source by path, forward slashes, already checked: relative, no dot-dot, no links."""
    executable: frozenset[str] = frozenset()
    """Those of the files whose executable bit is set; others have it if they begin with ``#!``."""
    folders: frozenset[str] = frozenset()
    """Folders of the source without files."""
    dockerfile: str
    """Path of the Dockerfile among the files, or empty for the default one."""
    build_args: Mapping[str, str]
    use_cache: bool
    memory_mbytes: int
    deadline: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What a build made."""

    reference: str
    size_bytes: int | None
    cached: bool
    """Nothing had to be built: the same content was built before."""


class BuildFailed(ActoriumError):
    """The build failed."""

    type = "build-failed"

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Builder(Protocol):
    """Builds images."""

    async def build(self, spec: BuildSpec, log: Callable[[bytes], None]) -> Image:
        """Build, writing lines to the log as they come. Idempotent on the content's hash.

        Raises ``BuildFailed`` with a line for people. Cancelling the task ends every process of the build and
        removes its work folder.
        """
        ...

    async def remove(self, reference: str) -> None:
        """Forget an image; absent is success."""
        ...

    async def prune(self) -> None:
        """Delete what no image needs and no build used lately, and what killed servers left."""
        ...
