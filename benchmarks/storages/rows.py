"""Items in and out: pushes of one and of a thousand, reads of 100,000."""

from __future__ import annotations

import statistics

from benchmarks.figure import Figure
from benchmarks.storages import works
from benchmarks.storages.bench import (
    CONNECTIONS,
    MEGABYTE,
    Bench,
    Measured,
    body_of,
    ratio,
    raw_appends,
    shown,
    take_turns,
)
from benchmarks.storages.download import Download, download
from benchmarks.storages.items import items

ROUNDS = 5
SECS = 1.0
PEER_SECS = 0.5
READ_ITEMS = 100_000
READ_ITEMS_OF_PEERS = 300
READ_SECS_MAX = 30.0


def measure(bench: Bench) -> list[Figure]:
    """Every figure about rows."""
    dataset_id = bench.storage("datasets")
    return [*_push_one(bench, dataset_id), *_push_many(bench), *_reads(bench), _read_singles(bench, dataset_id)]


def _push_one(bench: Bench, dataset_id: str) -> list[Figure]:
    talks = works.push_one(bench, dataset_id)
    bench.converse(talks, secs=0.3)
    loads: list[Measured] = []

    def ours() -> float:
        loads.append(bench.converse(talks, secs=SECS))
        return loads[-1].rate

    group = [body_of(item) for item in items(CONNECTIONS)]
    found = take_turns(
        {
            "ours": ours,
            f"disk, {CONNECTIONS} appended a sync": lambda: raw_appends(
                bench.folder / "raw", group, worth=CONNECTIONS, secs=PEER_SECS
            ),
            "hello world on this server": lambda: bench.hello(PEER_SECS),
            **bench.peers.contenders(work="push", secs=PEER_SECS, batch=1, concurrency=CONNECTIONS),
        },
        ROUNDS,
    )
    rate = statistics.median(found["ours"])
    figures = [
        Figure(
            name=f"push 1 item a call, {CONNECTIONS} connections, synced", value=rate, unit="items/s",
            against=f"{bench.costs(loads)}; {shown(found)}", goal=">= 2,000 items/s", met=rate >= 2000,
        )
    ]  # fmt: skip
    if "Crawlee file" in found:
        times = ratio(found, "ours", "Crawlee file")
        figures.append(
            Figure(
                name="push 1 item a call, times Crawlee's file client", value=times, unit="x",
                against="it does not sync, nor go through HTTP", goal=">= 4 x", met=times >= 4,
            )
        )  # fmt: skip
    return figures


def _push_many(bench: Bench) -> list[Figure]:
    talks = works.push_many(bench)
    bench.converse(talks, secs=0.5)
    loads: list[Measured] = []

    def ours() -> float:
        loads.append(bench.converse(talks, secs=SECS))
        return loads[-1].rate

    group = [body_of(items(works.MANY))] * works.MANY_CONNECTIONS
    limit = f"disk, {works.MANY_CONNECTIONS} appended a sync"
    found = take_turns(
        {
            "ours": ours,
            limit: lambda: raw_appends(
                bench.folder / "raw", group, worth=works.MANY_CONNECTIONS * works.MANY, secs=PEER_SECS
            ),
        },
        ROUNDS,
    )
    peers = take_turns(bench.peers.contenders(work="push", secs=PEER_SECS, batch=works.MANY, concurrency=1), 1)
    rate, part = statistics.median(found["ours"]), ratio(found, "ours", limit)
    size = len(group[0])
    return [
        Figure(
            name=f"push {works.MANY:,} items ({size // 1000} kB) a call, {works.MANY_CONNECTIONS} connections, synced",
            value=rate, unit="items/s", against=f"{bench.costs(loads)}; {shown(found | peers)}",
            goal=">= 50,000 items/s", met=rate >= 50_000,
        ),
        Figure(
            name=f"push {works.MANY:,} items a call, part of the disk's limit", value=part, unit="x",
            against=f"{rate * size / works.MANY / MEGABYTE:,.0f} MB/s here,"
            f" {statistics.median(found[limit]) * size / works.MANY / MEGABYTE:,.0f} MB/s appended and synced by hand",
            goal=">= 1/3", met=part >= 1 / 3,
        ),
    ]  # fmt: skip


def _reads(bench: Bench) -> list[Figure]:
    dataset_id = bench.storage("datasets")
    calls = READ_ITEMS // works.MANY // works.MANY_CONNECTIONS + 1
    bench.converse(works.push_many(bench, dataset_id, calls_max=calls), secs=READ_SECS_MAX)
    bench.settle()  # what it does with the pushed items is not part of reading them
    peers = bench.peers.contenders(work="read", count=READ_ITEMS_OF_PEERS)
    theirs = shown(take_turns(peers, 1), unit=" items/s")
    return [
        *_jsonl(bench, dataset_id, theirs),
        _rate_of(bench, dataset_id, "csv", goal=80_000, rounds=3),
        _rate_of(bench, dataset_id, "xlsx", goal=25_000, rounds=2),
    ]


def _jsonl(bench: Bench, dataset_id: str, theirs: str) -> list[Figure]:
    loads = [_read(bench, dataset_id, "jsonl") for _ in range(2 * ROUNDS + 1)][1:]
    # one read costs a few hundredths of a second and the kernel counts in such: the sum is exact enough
    cpu = sum(cpu for _, cpu in loads)
    per_core = sum(one.size for one, _ in loads) / cpu / MEGABYTE
    rate = statistics.median(one.size / one.secs / MEGABYTE for one, _ in loads)
    return [
        Figure(
            name=f"read {READ_ITEMS:,} items as jsonl, for each second of the server's CPU", value=per_core,
            unit="MB/s", against=f"{rate:,.0f} MB/s by the clock; {theirs}", goal=">= 200 MB/s per core",
            met=per_core >= 200,
        )
    ]  # fmt: skip


def _read_singles(bench: Bench, dataset_id: str) -> Figure:
    """What was pushed item by item is stored in as many pieces, until the server merges them."""
    status, answer = bench.server.api("GET", f"/v2/datasets/{dataset_id}")
    assert status == 200, answer
    count = answer["data"]["itemCount"]
    path = f"/v2/datasets/{dataset_id}/items?format=jsonl"
    before = bench.cpu_secs()
    loads = [
        bench.load.call(download, bench.port, bench.request("GET", path), READ_SECS_MAX, 0.0) for _ in range(ROUNDS)
    ]
    cpu = bench.cpu_secs() - before
    return Figure(
        name=f"read {count:,} items that were pushed one by one as jsonl, for each second of the server's CPU",
        value=sum(one.size for one in loads) / cpu / MEGABYTE, unit="MB/s",
        against=f"{statistics.median(one.size / one.secs for one in loads) / MEGABYTE:,.0f} MB/s by the clock",
        goal="none",
    )  # fmt: skip


def _rate_of(bench: Bench, dataset_id: str, format: str, *, goal: int, rounds: int) -> Figure:
    loads = [_read(bench, dataset_id, format) for _ in range(rounds)]
    name = f"read {READ_ITEMS:,} items as {format}"
    shown_goal = f">= {goal:,} items/s"
    if refused := loads[0][0].refused:
        return Figure(name=name, value=0, unit="items/s", against=refused, goal=shown_goal, met=False)
    rate = statistics.median(READ_ITEMS / one.secs for one, _ in loads)
    cpu = statistics.median(cpu for _, cpu in loads) / READ_ITEMS * 1e6
    size = loads[0][0].size / MEGABYTE
    against = f"server {cpu:.1f} us of CPU an item, {size:,.0f} MB, first byte {loads[-1][0].first_secs * 1000:.0f} ms"
    return Figure(name=name, value=rate, unit="items/s", against=against, goal=shown_goal, met=rate >= goal)


def _read(bench: Bench, dataset_id: str, format: str) -> tuple[Download, float]:
    """A whole read, and the server's CPU time for it."""
    path = f"/v2/datasets/{dataset_id}/items?format={format}&limit={READ_ITEMS}"
    before = bench.cpu_secs()
    found = bench.load.call(download, bench.port, bench.request("GET", path), READ_SECS_MAX, 0.0)
    lines = {"jsonl": (READ_ITEMS - 1, READ_ITEMS), "csv": (READ_ITEMS, READ_ITEMS + 1)}.get(format)
    assert found.refused or (found.whole and (lines is None or found.lines in lines)), found
    return found, bench.cpu_secs() - before
