"""Each wall of a box by itself: what code that breaks out of DuckDB would find."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from errno import ENOSYS, EPERM
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

import actorium

pytestmark = pytest.mark.process

SCRIPT = Path(__file__).parents[1] / "box_attempts.py"
PACKAGES = [str(Path(module.__file__ or "").parents[1]) for module in (actorium, duckdb, msgspec)]
FILES = {"open", "write", "list", "stat", "read_text", "copy", "attach"}
COMPUTING = {"thread", "compute"}


def attempts(walls: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands, and what became of everything that a box must not do."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        command = [sys.executable, "-I", "-S", str(SCRIPT), walls, port, *PACKAGES]
        done = subprocess.run(command, capture_output=True, check=False, timeout=90)
    assert done.returncode == 0, done.stderr.decode()
    stands, found = json.loads(done.stdout)
    return stands, found


def done_of(found: dict[str, Any]) -> set[str]:
    return {name for name, result in found.items() if result == "done"}


def test_without_walls_it_works() -> None:
    """So that the refusals below are the walls' doing."""
    try:
        stands, found = attempts("none")
    finally:
        for path in Path("/tmp").glob("stolen*"):
            path.unlink()
    assert stands == {}
    assert done_of(found) >= FILES | COMPUTING | {"socket", "connect", "fork", "kill", "dup", "executable memory"}
    assert EPERM not in found.values()


def test_the_filter_of_system_calls_is_enough_by_itself() -> None:
    stands, found = attempts("calls")
    assert stands == {"calls": True}
    assert done_of(found) == COMPUTING
    by_engine = {"read_text", "copy", "attach"}
    assert {found[name] for name in found.keys() - COMPUTING - by_engine} <= {EPERM, ENOSYS}
    assert found["exec"] == found["connect"] == EPERM


@pytest.mark.skipif(
    os.geteuid() != 0, reason="root may do this anywhere, others only where user namespaces are allowed"
)
@pytest.mark.parametrize("user", ["namespaces", "drop namespaces"], ids=["root", "another user"])
def test_the_namespaces_hide_files_and_network_by_themselves(user: str) -> None:
    stands, found = attempts(user)
    assert (stands["namespaces"], stands["empty root"]) == (True, True)
    assert stands["user"] == 65_534 or user.startswith("drop"), "another user may be called 0 in a namespace of its own"
    assert not done_of(found) & (FILES | {"connect", "kill"})
    assert done_of(found) >= COMPUTING


def test_all_walls_together() -> None:
    stands, found = attempts("namespaces calls")
    assert stands["calls"]
    assert done_of(found) == COMPUTING
    assert not list(Path("/tmp").glob("stolen*"))
