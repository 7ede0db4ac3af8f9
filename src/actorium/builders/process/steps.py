"""What building an image consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """What one command sees besides the image: ``RUN --mount``."""

    kind: str
    """``bind``: files of the source or of a stage; ``cache``: a folder that later builds of the Actor see again;
    ``tmpfs``: an empty one."""
    target: str
    """Absolute."""
    source: str = ""
    """Of ``bind`` the path in the source or the stage; of ``cache`` its name."""
    stage: int | None = None
    """Which stage the files come from; None: the source."""
    writable: bool = False
    """Of ``bind``: what is written there is gone afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """A command to run in the sandbox."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    workdir: str
    command: str
    """As people wrote it."""
    mounts: tuple[Mount, ...] = ()
    is_cut_off: bool = False
    """It gets no network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyStep:
    """Files to place in the image."""

    sources: tuple[str, ...]
    target: str
    """Absolute; ends with a slash when it must be a folder."""
    stage: int | None = None
    """Which stage the files come from; None: the source."""
    mode: str | None = None
    """As ``modes`` reads it; None: files keep theirs."""
    unpack: bool = False
    """Local archives are unpacked: ADD."""
    inline: tuple[tuple[str, str], ...] = ()
    """Files that stand in the Dockerfile itself: name and content."""
    exclude: tuple[str, ...] = ()
    """Patterns of what is left out, as in a ``.dockerignore``, by the paths below the sources."""
    parents: bool = False
    """Files keep the folders that they are in, or those after ``/./``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchStep:
    """A file of an address to place in the image: ADD."""

    url: str
    target: str
    """Absolute; ends with a slash when it must be a folder."""
    mode: int
    checksum: str = ""
    """``sha256:`` and digits, if it must have that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderStep:
    """A folder to be there: WORKDIR, and of VOLUME several."""

    path: str
    more: tuple[str, ...] = ()
    is_entered: bool = True


Action: TypeAlias = RunStep | CopyStep | FetchStep | FolderStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One instruction of a stage, in the order of the file."""

    line: int
    text: str
    action: Action | None
    """None: it changes only how the image is run."""
    notes: tuple[str, ...] = ()
    """Lines for the log: what of the instruction has no effect here."""


def taken_from(action: Action | None) -> list[int]:
    """The stages whose files an action uses; links among them may lead to those stages' interpreters."""
    if isinstance(action, CopyStep):
        return [action.stage] if action.stage is not None else []
    mounts = action.mounts if isinstance(action, RunStep) else ()
    return [mount.stage for mount in mounts if mount.stage is not None]
