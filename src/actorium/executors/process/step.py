"""Run one command of a build in the same sandbox as runs: ``run_step`` for the builder, and a small command line.

    python -m actorium.executors.process.step SPEC.json

The tree below ``StepSpec.upper`` is the layer that the step makes: what the command wrote, as seen from ``/``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.instant import Instant


class SandboxUnavailable(BackendUnavailable):
    """The step's sandbox could not be made; `actorium doctor` says what this machine lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A host folder or file shown inside."""

    source: Path
    target: str
    """Absolute path inside."""
    writable: bool = False
    """For a writable folder: it must belong to the owner's uid (``owner_uid``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec:
    """One command, what it sees and how much it may use."""

    name: str
    """Unique among what runs now: [A-Za-z0-9_.-]."""
    argv: tuple[str, ...]
    env: dict[str, str]
    """The whole environment; nothing is added."""
    workdir: str = "/"
    """Made, and given to the owner, where it is missing."""
    layers: tuple[Path, ...] = ()
    """Read-only layers, lowest first, above the host's system folders."""
    upper: Path
    """Where writes go: kept, and the new layer afterwards. Made where missing. It may have been written by an
    earlier step. Its parent folder also gets the work folders ``{upper.name}.*``, which are removed at the end."""
    toolchain: tuple[Path, ...] = ()
    """Host folders seen read-only at their own path."""
    binds: tuple[Bind, ...] = ()
    owner_number: int
    uid_base: int | None = None
    """None: the executor's default. The command runs as ``uid_base + owner_number``, never as root."""
    memory_mbytes: int
    cpu_cores: float = 1.0
    pids_max: int = 1024
    network: bool = True
    """Outward network; without it only loopback."""
    allow_host_network: bool = False
    """Use the host's own network where a measured one cannot be made."""
    deadline: Instant | None = None


async def run_step(spec: StepSpec, on_output: Callable[[bytes], None]) -> int:
    """Run the command to its end and return its exit code; 128 + n when signal n ended it.

    ``on_output`` gets what it writes to stdout and stderr, in order, as pieces of bytes of any length. A command that
    does not exist returns 127 after a line that says so; one that used up its memory returns 137 after such a line.
    Raises ``TimedOut`` when the deadline passed and ``SandboxUnavailable`` when nothing was run. When the task is
    cancelled, or this process dies, every process of the step is killed; a cancelled call returns when none is left.
    """
    raise SandboxUnavailable("The step runner is being written.")
