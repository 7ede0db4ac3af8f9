"""Where pip and npm go when no setting says so, read from those that this machine has: none is written down here."""

from __future__ import annotations

import importlib.util
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_PIP = "pip/_internal/models/index.py"
_INDEX = re.compile(r'^PyPI = PackageIndex\(\s*"(https?://[^"]+)",\s*file_storage_domain="([^"]+)"', re.MULTILINE)
_NPM = "@npmcli/config/lib/definitions/definitions.js"
_REGISTRY = re.compile(r"new Definition\('registry',\s*\{\s*default:\s*'(https?://[^']+)'")
_TEXT_BYTES_MAX = 1_000_000  # far more than either has
_SETTLED = frozenset({"PIP_INDEX_URL", "PIP_NO_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Addresses of registries; empty where no tool says one."""

    python: tuple[str, ...] = ()
    """The index, and where it keeps its files."""
    node: tuple[str, ...] = ()

    def missing(self, variables: Mapping[str, str], npmrc: str) -> list[str]:
        """Those that the settings put nothing in the place of."""
        own = any(line.partition("=")[0].strip() == "registry" for line in npmrc.splitlines())
        return [*(() if _SETTLED & variables.keys() else self.python), *(() if own else self.node)]


def of_this_machine(environment: Mapping[str, str]) -> Defaults:
    """Ask its pip and npm; ``environment`` has the PATH on which npm is."""
    return Defaults(python=of_pip(_pips()), node=of_npm(_npms(environment)))


def of_pip(places: Iterable[Path]) -> tuple[str, ...]:
    """What the first of them says: folders with a pip in them, or wheels of it."""
    for place in places:
        found = _INDEX.search(_text(place, _PIP))
        if found:
            return found[1], f"https://{found[2]}/"
    return ()


def of_npm(places: Iterable[Path]) -> tuple[str, ...]:
    """The same of folders with npm's own packages in them."""
    for place in places:
        found = _REGISTRY.search(_text(place, _NPM))
        if found:
            return (found[1],)
    return ()


def _text(place: Path, name: str) -> str:
    try:
        if place.suffix == ".whl":
            with zipfile.ZipFile(place) as wheel, wheel.open(name) as file:
                return file.read(_TEXT_BYTES_MAX).decode("utf-8", "replace")
        with (place / name).open("rb") as file:
            return file.read(_TEXT_BYTES_MAX).decode("utf-8", "replace")
    except (OSError, KeyError, zipfile.BadZipFile):
        return ""


def _pips() -> Iterator[Path]:
    own, bundled = (importlib.util.find_spec(name) for name in ("pip", "ensurepip"))  # some systems leave them out
    if own is not None and own.origin is not None:
        yield Path(own.origin).parents[1]
    if bundled is not None and bundled.origin is not None:
        yield from sorted((Path(bundled.origin).parent / "_bundled").glob("pip-*.whl"))
    yield from sorted(Path("/usr/share/python-wheels").glob("pip-*.whl"))


def _npms(environment: Mapping[str, str]) -> Iterator[Path]:
    program = shutil.which("npm", path=environment.get("PATH", ""))
    if program is not None:
        package = Path(program).resolve().parents[1]
        yield package / "node_modules"
        yield package.parent
