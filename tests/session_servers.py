"""Servers of a whole test session: the first worker that asks starts one, the last that leaves stops it.

What the workers know of a server lies in a file of the folder that they have in common. A plugin: it gives
``postgres_url`` and ``s3`` to every test.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import pytest

import postgres_server as postgres
import s3_server as s3_of_tests


class Stoppable(Protocol):
    def stop(self) -> None: ...


_folders = itertools.count()
T = TypeVar("T", bound=Stoppable)


class SessionServer(Generic[T]):
    """One kind of server. ``know`` makes JSON of what ``start`` gave, ``meet`` a server of that."""

    def __init__(
        self,
        name: str,
        *,
        start: Callable[[Path], T],
        know: Callable[[T], dict[str, Any]],
        meet: Callable[..., T],
    ) -> None:
        self._file, self._start, self._know, self._meet = f"{name}.json", start, know, meet

    @contextlib.contextmanager
    def shared(self, config: pytest.Config) -> Iterator[T]:
        """The server, for as long as this worker needs it."""
        folder = _folder(config)
        with self._record(folder) as record:
            if not record:
                record.update(server=self._know(self._start(folder)), users=0)
            record["users"] += 1
            server = self._meet(**record["server"])
        try:
            yield server
        finally:
            with self._record(folder) as record:
                record["users"] -= 1
                if not record["users"]:
                    server.stop()
                    record.clear()

    def finish(self, session: pytest.Session) -> None:
        """A worker that was killed did not leave: the session's first process stops what is left."""
        if "PYTEST_XDIST_WORKER" in os.environ or not hasattr(session.config, "_tmp_path_factory"):
            return
        folder = _folder(session.config)
        if (folder / self._file).exists():
            with self._record(folder) as record:
                if record:
                    self._meet(**record["server"]).stop()
                    record.clear()

    @contextlib.contextmanager
    def _record(self, folder: Path) -> Iterator[dict[str, Any]]:
        """What the workers know, held by one at a time."""
        with (folder / self._file).open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            record: dict[str, Any] = json.loads(file.read() or "{}")
            yield record
            file.seek(0)
            file.truncate()
            json.dump(record, file)


def _folder(config: pytest.Config) -> Path:
    base: Path = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # there is no public one
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


POSTGRES = SessionServer(
    "postgres",
    start=lambda _: postgres.start(),
    know=lambda server: {"folder": str(server.folder), "pid": server.pid},
    meet=lambda folder, pid: postgres.Server(Path(folder), pid),
)
S3 = SessionServer("s3", start=s3_of_tests.start, know=asdict, meet=s3_of_tests.Server)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave no server behind."""
    for kind in (POSTGRES, S3):
        kind.finish(session)


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[postgres.Server]:
    """The session's server."""
    with POSTGRES.shared(request.config) as server:
        yield server


@pytest.fixture(scope="session")
def _worker_database(postgres_server: postgres.Server) -> str:
    return postgres_server.create_database(f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}")


@pytest.fixture
def postgres_url(_worker_database: str) -> str:
    """The address of this worker's database, empty."""
    import psycopg

    with psycopg.connect(_worker_database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return _worker_database


@pytest.fixture(scope="session")
def _kept_database(postgres_server: postgres.Server) -> str:
    return postgres_server.create_database(f"kept_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}")


@pytest.fixture
def postgres_kept_url(_kept_database: str) -> str:
    """The address of this worker's other database: without rows, with the schema that a test before has made.

    Making the schema anew takes longer than most tests that need one.
    """
    import psycopg

    with psycopg.connect(_kept_database, autocommit=True) as connection:
        connection.execute(postgres.EMPTY_ALL)
    return _kept_database


@pytest.fixture(scope="session")
def _s3_server(request: pytest.FixtureRequest) -> Iterator[s3_of_tests.Server]:
    with S3.shared(request.config) as server:
        yield server


@pytest.fixture
def s3(_s3_server: s3_of_tests.Server) -> s3_of_tests.Server:
    """The session's server with an empty folder of this test's own."""
    return replace(_s3_server, folder=f"{os.getpid()}/{next(_folders)}")
