"""Programs of the host: where they are, and what they say of themselves."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from actorium.kernel.limits import PROBE_SECS

T = TypeVar("T")
NO_HOME = "/nonexistent"


def home(environment: Mapping[str, str]) -> Path:
    """The home folder that an environment names; a path that does not exist where it names none."""
    return Path(environment.get("HOME") or NO_HOME)


def search_path(environment: Mapping[str, str]) -> list[Path]:
    """The folders of PATH; relative ones would depend on where the server was started."""
    return [Path(each) for each in environment.get("PATH", "").split(os.pathsep) if each.startswith("/")]


def executables(folders: Iterable[Path], names: Iterable[str]) -> Iterator[Path]:
    """The programs of these names in these folders, each once however many links lead to it."""
    wanted = tuple(names)
    seen: set[Path] = set()
    for folder in folders:
        for path in (folder / name for name in wanted):
            if os.access(path, os.X_OK) and (real := path.resolve()) not in seen:
                seen.add(real)
                yield path


@dataclass(slots=True)
class Asked(Generic[T]):
    """What programs said of themselves, each asked anew only when its file has changed."""

    known: dict[tuple[str, int], T | None] = field(default_factory=dict)

    async def of(self, path: Path, ask: Callable[[Path], Awaitable[T | None]]) -> T | None:
        key = (str(path), path.stat().st_mtime_ns)
        if key not in self.known:
            self.known[key] = await ask(path)
        return self.known[key]


async def printed(*command: str, environment: Mapping[str, str] | None = None) -> bytes | None:
    """What a program prints to its standard output; None when it does not start or takes over ``PROBE_SECS``."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return None
    try:
        async with asyncio.timeout(PROBE_SECS):
            return (await process.communicate())[0]
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
