"""A real server for each module of client tests, and the Actors that they build."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from live_server import LiveServer

ACTORS = Path(__file__).parent / "actors"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """``actorium serve`` in a process of its own."""
    with LiveServer(tmp_path_factory.mktemp("server")) as live:
        yield live


def source_files(name: str) -> list[dict[str, Any]]:
    """The files of one of the Actors beside this file, as a version holds them."""
    folder = ACTORS / name
    return [
        {"name": path.relative_to(folder).as_posix(), "format": "TEXT", "content": path.read_text()}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]
