"""A store with 10,000 finished runs against one with 10: lists, the last run and starts, on both databases."""

from __future__ import annotations

import asyncio
import http.client
import json
import sqlite3
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from tests import postgres_server
from tests.live_server import LiveServer

from actorium.database.migrate import packaged
from benchmarks.client import client
from benchmarks.figure import Figure

FEW, MANY = 10, 10_000
ROUNDS = 15
CALLS = 40
STARTS = 40
GOAL = 1.2
FAILED_EVERY = 20
TABLES = {
    "runs": "id",
    "run_usage": "run_id",
    "run_stats": "run_id",
    "logs": "subject_id",
    "log_chunks": "subject_id",
    "datasets": "created_by_run",
    "key_value_stores": "created_by_run",
    "request_queues": "created_by_run",
}
"""What a run leaves behind, and the column that names it."""
PATHS = {
    "list of the newest 10": "/v2/actor-runs?limit=10&desc=1",
    "list of an Actor's newest 10": "/v2/actors/{actor}/runs?limit=10&desc=1",
    "list of the oldest 10": "/v2/actor-runs?limit=10",
    "list by one status": "/v2/actor-runs?limit=1&desc=1&status=FAILED",
    "list by two statuses": "/v2/actor-runs?limit=1&desc=1&status=FAILED,ABORTED",
    "list from a time on, the newest 5": "/v2/actor-runs?limit=5&desc=1&startedAfter={recent}",
    "list from a time on, half of the runs": "/v2/actor-runs?limit=5&desc=1&startedAfter={middle}",
    "list from one time to another": "/v2/actor-runs?limit=1&desc=1&startedAfter={middle}&startedBefore={recent}",
    "last run": "/v2/actors/{actor}/runs/last",
    "last run that succeeded": "/v2/actors/{actor}/runs/last?status=SUCCEEDED",
}


class History:
    """A server with so many finished runs of one Actor, and one connection to it."""

    def __init__(self, server: LiveServer, actor: str, *, middle: str, recent: str) -> None:
        """middle: since when one half of the runs started. recent: since when five did."""
        self.server = server
        self._words = {"actor": actor, "middle": middle, "recent": recent}
        host, _, port = server.url.removeprefix("http://").rpartition(":")
        self._connection = http.client.HTTPConnection(host, int(port))

    def secs(self, path: str, *, method: str = "GET") -> tuple[float, Any]:
        """How long one call takes, and what it answers."""
        target = path.format(**self._words)
        begun = time.perf_counter()
        self._connection.request(method, target, headers={"Authorization": f"Bearer {self.server.token}"})
        reply = self._connection.getresponse()
        content = reply.read()
        took = time.perf_counter() - begun
        assert reply.status < 300, (target, content)
        return took, json.loads(content)["data"]

    def calls(self, path: str) -> float:
        """The median of some calls."""
        return statistics.median(self.secs(path)[0] for _ in range(CALLS))

    def start(self) -> float:
        """How long a start takes; the run has ended when this returns."""
        took, run = self.secs("/v2/actors/{actor}/runs?memory=128", method="POST")
        while run["finishedAt"] is None:
            _, run = self.secs(f"/v2/actor-runs/{run['id']}?waitForFinish=60")
        return took


def measure(folder: Path) -> list[Figure]:
    """Every figure about long histories."""
    figures = _on("SQLite", folder / "sqlite", None)
    try:
        with postgres_server.running() as postgres:
            figures += _on("PostgreSQL", folder / "postgres", postgres)
    except RuntimeError as error:
        figures.append(
            Figure(name="lists on PostgreSQL", value=0, unit="", against=str(error)[:200], goal="", met=None)
        )
    return figures


def _on(engine: str, folder: Path, postgres: postgres_server.Server | None) -> list[Figure]:
    with ExitStack() as stack:
        few, many = (stack.enter_context(_history(folder / str(count), count, postgres)) for count in (FEW, MANY))
        for one in (few, many):
            one.start()
        figures = []
        for name, path in PATHS.items():
            rounds = [(few.calls(path), many.calls(path)) for _ in range(ROUNDS)]
            figures.append(_figure(f"{engine}: {name}", rounds))
        figures.append(_figure(f"{engine}: start", [(few.start(), many.start()) for _ in range(STARTS)]))
        return figures


def _figure(name: str, rounds: Sequence[tuple[float, float]]) -> Figure:
    ratio = statistics.median(many / few for few, many in rounds)
    few, many = (statistics.median(values) * 1000 for values in zip(*rounds, strict=True))
    return Figure(
        name=f"{name}, {MANY:,} finished runs against {FEW}",
        value=ratio,
        unit="x",
        against=f"{many:.2f} ms and {few:.2f} ms",
        goal=f"<= {GOAL} x",
        met=ratio <= GOAL,
    )


@contextmanager
def _history(folder: Path, count: int, postgres: postgres_server.Server | None) -> Iterator[History]:
    address = None if postgres is None else postgres.create_database(f"history_{count}")
    settings = {"ACTORIUM_LOG_LEVEL": "info"} | ({} if address is None else {"ACTORIUM_DATABASE": address})
    with LiveServer(folder, **settings) as server:
        actor = asyncio.run(_first_runs(server))
        server.stop()
        _multiply(folder / "data" / "actorium.db", address, count - FEW)
        server.start()
        yield History(
            server, actor, middle=_started(server, count, count // 2), recent=_started(server, count, count - 5)
        )


def _started(server: LiveServer, count: int, at: int) -> str:
    """When the run at a place of the list started."""
    status, answer = server.api("GET", f"/v2/actor-runs?limit=1&offset={at}")
    assert (status, answer["data"]["total"]) == (200, count), answer
    return str(answer["data"]["items"][0]["startedAt"])


async def _first_runs(server: LiveServer) -> str:
    async with client(server.url, server.token) as api:
        actor = await api.actor("true", ["/bin/true"])
        for _ in range(FEW):
            await api.finish(actor)
        return actor


def _multiply(file: Path, address: str | None, count: int) -> None:
    """Copies of the first run and of everything it left, made while the server is down; one in twenty has failed.

    Starting them all through the API would take longer than everything that is measured.
    """
    with closing(_connect(file, address)) as connection:
        cursor = connection.cursor()
        mark = "?" if address is None else "%s"
        cursor.execute("SELECT id FROM runs ORDER BY started_at, id")
        first, second = [str(row[0]) for row in cursor.fetchall()][:2]
        cursor.execute(f"UPDATE runs SET status = 'FAILED' WHERE id = {mark}", [second])
        originals = _originals(cursor, first, mark)
        old_ids = [first, *(str(originals[table][0]["id"]) for table in [*TABLES][-3:])]
        for table, rows in originals.items():
            if not rows or not count:
                continue
            names = [*rows[0]]
            insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))})"
            cursor.executemany(insert, [[*row.values()] for row in _copies(table, rows, old_ids, count)])
        _count(cursor)
        connection.commit()
        if address is not None:
            connection.autocommit = True
            connection.execute("VACUUM ANALYZE")  # what autovacuum does within a minute


def _count(cursor: Any) -> None:
    """Count the runs anew, as the migration does that makes the counts."""
    [counting] = [one for one in packaged() if one.name == "0024_run_starts"]
    cursor.execute("DELETE FROM run_counts")
    for statement in counting.statements:
        if statement.startswith("INSERT INTO run_counts"):
            cursor.execute(statement)


def _connect(file: Path, address: str | None) -> Any:
    if address is None:
        return sqlite3.connect(file)
    import psycopg

    return psycopg.connect(address)


def _originals(cursor: Any, run_id: str, mark: str) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for table, column in TABLES.items():
        cursor.execute(f"SELECT * FROM {table} WHERE {column} = {mark}", [run_id])
        rows = cursor.fetchall()
        names = [one[0] for one in cursor.description]
        found[table] = [dict(zip(names, row, strict=True)) for row in rows]
    return found


def _copies(table: str, rows: list[dict[str, Any]], old_ids: list[str], count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        new_ids = [f"{kind}{number:016}" for kind in "rdkq"]
        for row in rows:
            copy = dict(row)
            for old, new in zip(old_ids, new_ids, strict=True):
                for name, value in copy.items():
                    if isinstance(value, str) and old in value:
                        copy[name] = value.replace(old, new)
            if table == "runs":
                copy["status"] = "FAILED" if number % FAILED_EVERY == 0 else row["status"]
                copy["started_at"], copy["finished_at"] = (
                    row[at] - 1000 * number for at in ("started_at", "finished_at")
                )
            yield copy
