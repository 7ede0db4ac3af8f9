"""Which Pythons the host has, and which of them stands in for the one a Dockerfile asks for."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from actorium.builders import BuildFailed
from actorium.builders.process.programs import Asked, executables, home, printed, search_path

MINOR_MIN = 11
"""The oldest Python 3 that stands in for another; an older one is taken only when asked for by number."""
_MINORS = range(9, 20)
_SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/sbin")
_PROBE = (
    "import json, os, sys; print(json.dumps({'version': list(sys.version_info[:3]), 'prefix': sys.base_prefix,"
    " 'implementation': sys.implementation.name,"
    " 'executable': os.path.realpath(getattr(sys, '_base_executable', None) or sys.executable)}))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python on the host."""

    executable: str
    """Its own path, links followed: what an environment made from it points at."""
    version: tuple[int, int, int]
    prefix: str
    changed_ns: int
    """When the executable last changed: another one is another base."""

    @property
    def minor(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"

    @property
    def full(self) -> str:
        return ".".join(map(str, self.version))

    @property
    def toolchain(self) -> tuple[str, ...]:
        """The folders that a sandbox must show for it to work, beyond the system's own."""
        prefix = Path(self.prefix)
        return () if any(prefix.is_relative_to(folder) for folder in _SYSTEM) else (str(prefix),)


class _Probe(msgspec.Struct):
    version: tuple[int, int, int]
    prefix: str
    implementation: str
    executable: str
    """Another than was asked, when that was a virtual environment's or a version manager's."""


@dataclass(slots=True)
class Interpreters:
    """Finds them, and remembers what each said of itself until its file changes."""

    environment: Mapping[str, str]
    """The server's own: for PATH and HOME."""
    asked: Asked[Interpreter] = field(default_factory=Asked)

    async def choose(self, wanted: str | None) -> tuple[Interpreter, str]:
        """The Python for a version such as ``3.13``, None for any, and a line for the log. Raises ``BuildFailed``."""
        own = self._own()
        if wanted is None or wanted == own.minor:
            return own, f"Python {own.full} at {own.executable}"
        major, minor = (int(part) for part in wanted.split("."))
        if major != 3:
            raise BuildFailed(f"Python {wanted} is asked for, and only Python 3 can be had without a container engine")
        exact = await self._first(minor)
        if exact is not None:
            return exact, f"Python {exact.full} at {exact.executable}"
        newer = [each for each in _MINORS if each >= MINOR_MIN]
        for near in sorted(newer, key=lambda each: (abs(each - minor), -each)):
            found = own if near == own.version[1] else await self._first(near)
            if found is not None:
                return found, (
                    f"Python {wanted} is not installed on this machine: Python {found.full} at {found.executable} is "
                    f"used in its place. Install Python {wanted} on the host to have the one that is asked for."
                )
        raise BuildFailed("no Python 3.11 or newer was found on this machine")

    def _own(self) -> Interpreter:
        # Of a virtual environment's Python, the one that it was made from.
        executable = Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()
        return Interpreter(
            executable=str(executable),
            version=sys.version_info[:3],
            prefix=sys.base_prefix,
            changed_ns=executable.stat().st_mtime_ns,
        )

    async def _first(self, minor: int) -> Interpreter | None:
        for path in self._candidates(minor):
            found = await self.asked.of(path, self._ask)
            if found is not None and found.version[1] == minor:
                return found
        return None

    def _candidates(self, minor: int) -> Iterator[Path]:
        folders = [*search_path(self.environment)]
        folders += [Path("/usr/local/bin"), Path("/usr/bin"), Path("/opt/homebrew/bin")]
        own = home(self.environment)
        folders += sorted(own.glob(f".pyenv/versions/3.{minor}.*/bin"), reverse=True)
        folders += sorted(own.glob(f".local/share/uv/python/cpython-3.{minor}.*/bin"), reverse=True)
        folders += sorted(Path("/opt").glob(f"python*3.{minor}*/bin"), reverse=True)
        return executables(folders, (f"python3.{minor}",))

    async def _ask(self, path: Path) -> Interpreter | None:
        try:
            probe = msgspec.json.decode(await printed(str(path), "-I", "-c", _PROBE) or b"", type=_Probe)
            changed_ns = Path(probe.executable).stat().st_mtime_ns
        except (msgspec.DecodeError, OSError):
            return None
        if probe.implementation != "cpython":
            return None
        return Interpreter(
            executable=probe.executable, version=probe.version, prefix=probe.prefix, changed_ns=changed_ns
        )
