"""Fetching from Git repositories, and watching what it starts: what the tests about Git share."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actorium.actors.errors import SourcePathInvalid
from actorium.builders import BuildFailed
from actorium.builds.sources import Tree
from actorium.builds.sources.git import GitRepositories
from actorium.builds.sources.reach import Reach

PATH = os.environ["PATH"]


class Fetching:
    def __init__(self, folder: Path, *, path: str = PATH, networks: str = "127.0.0.1", key: Path | None = None) -> None:
        self.folder, self.said = folder, list[str]()
        folder.mkdir(exist_ok=True)
        self.git = GitRepositories(Reach(networks), environment={"PATH": path, "SECRET": "of the server"}, ssh_key=key)

    async def tree(self, place: str) -> Tree:
        return await self.git.fetch(place, self.folder, self.said.append)

    async def refused(self, place: str) -> str:
        with pytest.raises((BuildFailed, SourcePathInvalid)) as caught:
            await self.tree(place)
        assert caught.value.message.endswith(".")
        return caught.value.message


@contextmanager
def watching(process: int) -> Iterator[asyncio.Event]:
    """Set when a process has ended, whoever started it."""
    watched, ended = os.pidfd_open(process), asyncio.Event()
    asyncio.get_running_loop().add_reader(watched, ended.set)
    try:
        yield ended
    finally:
        asyncio.get_running_loop().remove_reader(watched)
        os.close(watched)
