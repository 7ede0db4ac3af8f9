"""Request queues: batch adds, and taking the head and handling it on a long queue and on a short one."""

from __future__ import annotations

import sqlite3
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from actorium.request_queues.requests import request_id
from benchmarks.figure import Figure
from benchmarks.storages import works
from benchmarks.storages.bench import CONNECTIONS, Bench, Measured, ratio, shown, take_turns
from benchmarks.storages.items import requests

LONG = 1_000_000
SHORT = 1_000
ROUNDS = 5
SECS = 1.0
PEER_SECS = 0.5
QUEUE_OF_PEERS = 250
HANDLED_EACH = 25  # by each connection in a round of the comparison: 800 of the short queue's 1,000
ROWS_PER_COMMIT = 50_000


def measure(bench: Bench) -> list[Figure]:
    """Every figure about request queues."""
    adding = _adding(bench)
    queue_id = _long_queue(bench)
    return [adding, *_handling(bench, queue_id), _long_and_short(bench, queue_id)]


def _adding(bench: Bench) -> Figure:
    queue_id = bench.storage("request-queues")
    loads = [bench.converse(works.add_batches(bench, queue_id), secs=SECS) for _ in range(ROUNDS + 1)][1:]
    peers = take_turns(bench.peers.contenders(work="add", secs=PEER_SECS, concurrency=CONNECTIONS), 1)
    rate = statistics.median(one.rate for one in loads)
    return Figure(
        name=f"queue: batch add of 25, {CONNECTIONS} connections, synced", value=rate, unit="requests/s",
        against=f"{bench.costs(loads)}; {shown(peers)}", goal=">= 15,000 requests/s", met=rate >= 15_000,
    )  # fmt: skip


def _handling(bench: Bench, queue_id: str) -> list[Figure]:
    job = {"work": "handle", "secs": PEER_SECS, "concurrency": CONNECTIONS, "size": QUEUE_OF_PEERS}
    peers = take_turns(bench.peers.contenders(**job), 1)
    figures = []
    for head in (25, 1):
        loads = [
            bench.converse(works.lock_and_handle(bench, queue_id, head=head), secs=SECS) for _ in range(ROUNDS + 1)
        ][1:]
        rate = statistics.median(one.rate for one in loads)
        theirs = f"; on a queue of {QUEUE_OF_PEERS}: {shown(peers)}" if peers and head == 25 else ""
        figures.append(
            Figure(
                name=f"queue of {LONG:,}: lock head of {head} + mark each handled", value=rate,
                unit="requests/s", against=f"{bench.costs(loads)}{theirs}",
                goal=">= 1,500 requests/s", met=rate >= 1500,
            )
        )  # fmt: skip
    return figures


def _long_and_short(bench: Bench, long_id: str) -> Figure:
    loads: dict[str, list[Measured]] = {"long": [], "short": []}

    def handle(name: str, queue_id: str) -> float:
        talks = works.lock_and_handle(bench, queue_id, handled_max=HANDLED_EACH)
        loads[name].append(bench.converse(talks, secs=30))
        return 1 / loads[name][-1].rate

    def short() -> float:
        queue_id = bench.storage("request-queues")
        adders = works.add_batches(bench, queue_id, connections=8, calls_max=SHORT // 25 // 8)
        bench.converse(adders, secs=30)
        return handle("short", queue_id)

    found = take_turns({"short": short, "long": lambda: handle("long", long_id)}, ROUNDS + 2)
    times = ratio(found, "long", "short")
    cpu = {name: statistics.median(one.cpu_micros for one in several) for name, several in loads.items()}
    return Figure(
        name=f"queue of {LONG:,}: time to lock and handle, times one of {SHORT:,}", value=times, unit="x",
        against=f"server {cpu['long']:.0f} and {cpu['short']:.0f} us of CPU each", goal="<= 1.3 x", met=times <= 1.3,
    )  # fmt: skip


def _long_queue(bench: Bench) -> str:
    """A queue of a million requests: the first through the API, the others as copies of its row while the server is
    down, as adding them 25 at a time would take longer than all the measurements."""
    queue_id = bench.storage("request-queues")
    [first] = requests("long-0", 1)
    status, answer = bench.server.api("POST", f"/v2/request-queues/{queue_id}/requests", first)
    assert status == 201, answer
    bench.server.stop()
    multiply(bench.server.folder / "data" / "actorium.db", queue_id, first["uniqueKey"], count=LONG - 1)
    bench.server.start()
    bench.settle()
    status, answer = bench.server.api("GET", f"/v2/request-queues/{queue_id}")
    assert answer["data"]["totalRequestCount"] == LONG, answer
    return queue_id


def multiply(database: Path, queue_id: str, unique_key: str, *, count: int) -> None:
    """Copies of a queue's only row, each with a key, an id and a place of its own; the queue's counters follow."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA cache_size = -500000")
    connection.execute("PRAGMA synchronous = OFF")  # of this connection alone
    [row] = connection.execute("SELECT * FROM queue_requests WHERE queue_id = ?", [queue_id]).fetchall()
    template = dict(row)
    insert = f"INSERT INTO queue_requests ({', '.join(template)}) VALUES ({', '.join(':' + name for name in template)})"
    for start in range(0, count, ROWS_PER_COMMIT):
        number = min(ROWS_PER_COMMIT, count - start)
        connection.execute("BEGIN")
        connection.executemany(insert, _copies(template, unique_key, start + 1, number))
        connection.execute("COMMIT")
    connection.execute(
        "UPDATE request_queues SET total_count = total_count + :count, last_position = last_position + :count,"
        " byte_count = byte_count + :count * :size WHERE id = :id",
        {"count": count, "size": template["byte_count"], "id": queue_id},
    )
    connection.close()


def _copies(template: dict[str, Any], unique_key: str, start: int, count: int) -> Iterator[dict[str, Any]]:
    old_id = template["id"]
    texts = {name: value for name, value in template.items() if isinstance(value, str) and unique_key in value}
    for number in range(start, start + count):
        key = f"{unique_key[:-8]}{number:08}"
        new_id = request_id(key)
        changed = {name: value.replace(unique_key, key).replace(old_id, new_id) for name, value in texts.items()}
        yield template | changed | {"id": new_id, "order_no": template["order_no"] + number}
