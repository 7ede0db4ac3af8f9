"""Durable inserts a second: many callers through the port, against the same group size by hand on raw sqlite3.

    python benchmarks/database_commits.py [CALLERS] [ROUNDS]

Prints one JSON line. Both halves run in turn on the same disk; read the ratio, not the rates.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from actorium.database import Tx
from actorium.database.sqlite import SQLite, connect

TABLE = "CREATE TABLE items (id TEXT PRIMARY KEY, body TEXT NOT NULL)"
INSERT = "INSERT INTO items (id, body) VALUES (:id, :body)"
BODY = "x" * 1600  # a run
PER_CALLER = 100


def insert(tx: Tx, *, id: str) -> None:
    tx.run(INSERT, id=id, body=BODY)


async def through_the_port(path: Path, *, callers: int) -> tuple[float, float]:
    """Inserts a second with that many callers, and the median milliseconds of one."""
    database = await SQLite.open(path)
    await database.write(lambda tx: tx.run(TABLE))
    waits: list[float] = []

    async def caller(name: int) -> None:
        for number in range(PER_CALLER):
            began = time.perf_counter()
            await database.write(partial(insert, id=f"{name}-{number}"))
            waits.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(caller(name) for name in range(callers)))
    rate = callers * PER_CALLER / (time.perf_counter() - began)
    await database.close()
    return rate, statistics.median(waits) * 1000


def by_hand(path: Path, *, group: int) -> float:
    """Inserts a second in transactions of that many, on one connection with the same settings."""
    connection: sqlite3.Connection = connect(path.as_uri())
    connection.execute(TABLE)
    began = time.perf_counter()
    for turn in range(PER_CALLER):
        connection.execute("BEGIN IMMEDIATE")
        for number in range(group):
            connection.execute(INSERT, {"id": f"{number}-{turn}", "body": BODY})
        connection.execute("COMMIT")
    rate = group * PER_CALLER / (time.perf_counter() - began)
    connection.close()
    return rate


async def point_reads(path: Path) -> float:
    """Microseconds of one read by key."""
    database = await SQLite.open(path)
    await database.write(lambda tx: tx.run(TABLE))
    await database.write(lambda tx: tx.many(INSERT, [{"id": str(n), "body": BODY} for n in range(10_000)]))
    began = time.perf_counter()
    for _ in range(10_000):
        await database.read(lambda tx: tx.one("SELECT body FROM items WHERE id = :id", id="77"))
    secs = time.perf_counter() - began
    await database.close()
    return secs * 100


def main(callers: int = 64, rounds: int = 3) -> None:
    ours, raw, waits = [], [], []
    with tempfile.TemporaryDirectory(dir=".") as folder:
        for number in range(rounds):
            rate, wait = asyncio.run(through_the_port(Path(folder, f"port-{number}.db"), callers=callers))
            ours.append(rate)
            waits.append(wait)
            raw.append(by_hand(Path(folder, f"raw-{number}.db").absolute(), group=callers))
        alone, _ = asyncio.run(through_the_port(Path(folder, "alone.db"), callers=1))
        read = asyncio.run(point_reads(Path(folder, "read.db")))
    report = {
        "callers": callers,
        "port_inserts_per_sec": round(statistics.median(ours)),
        "port_median_ms": round(statistics.median(waits), 2),
        "raw_grouped_inserts_per_sec": round(statistics.median(raw)),
        "ratio": round(statistics.median(ours) / statistics.median(raw), 2),
        "one_caller_inserts_per_sec": round(alone),
        "point_read_us": round(read, 1),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
