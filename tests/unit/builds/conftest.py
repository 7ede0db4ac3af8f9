"""Repositories, and a server of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from git_world import Fetching
from source_server import Repository, SourceServer, serving


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("repositories")


@pytest.fixture(scope="module")
def actor(repositories: Path) -> Repository:
    """Two commits on main, a branch with a slash, a tag, and links."""
    made = Repository(repositories / "actor")
    made.write("old.txt", "gone later")
    made.commit()
    made.git("tag", "--annotate", "--message=first", "v1")
    (made.folder / "old.txt").unlink()
    made.write("main.py", "print('main')")
    made.write("run.sh", "exec", mode=0o755)
    made.write("actors/one/main.py", "one")
    (made.folder / "actors/one/shared").symlink_to("main.py")
    made.write(".gitattributes", "*.py filter=evil export-ignore\n")
    made.commit()
    made.git("checkout", "--quiet", "-b", "feature/x")
    made.write("main.py", "print('x')")
    made.commit()
    made.git("checkout", "--quiet", "main")
    return made


@pytest.fixture(scope="module")
def running(repositories: Path) -> Iterator[SourceServer]:
    with serving(repositories) as server:
        yield server


@pytest.fixture
def server(running: SourceServer) -> SourceServer:
    running.pages.clear()
    running.asked.clear()
    running.login = None
    return running


@pytest.fixture
def here(tmp_path: Path) -> Fetching:
    return Fetching(tmp_path / "build")
