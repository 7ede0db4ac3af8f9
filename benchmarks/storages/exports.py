"""A dataset of millions: how soon an export begins, what memory it takes, and pages far behind its start."""

from __future__ import annotations

import statistics

from benchmarks.figure import Figure
from benchmarks.storages.bench import MEGABYTE, Bench, Measured, body_of
from benchmarks.storages.download import Download, download
from benchmarks.storages.items import small_items
from benchmarks.storages.load import converse
from benchmarks.storages.talks import Repeat

PUSHED = 5000  # items of one call
PUSHERS = 10
CALLS, CALLS_FULL = 22, 200  # by each pusher: 1,100,000 and 10,000,000 items
FIRST_BYTE = {"json": 0.2, "jsonl": 0.2, "xml": 0.2, "rss": 0.2, "csv": 0.5, "html": 0.5}
"""Goals in seconds."""
FIRST_BYTES = 3
WHOLE = ("jsonl", "json")  # quick enough to be read to the end in any case
EXPORT_SECS_MAX = 4.0  # the other formats are read so long, unless the run is a full one
PAUSE_SECS = 1.5
SETTLE_SECS_MAX, SETTLE_SECS_MAX_FULL = 60.0, 900.0
PAGES = 300
PAGE_ITEMS = 100
XLSX_ITEMS_MAX = 1_048_575


def measure(bench: Bench) -> list[Figure]:
    """Every figure about large datasets."""
    dataset_id, count, pushed = _build(bench)
    at_once = _export(bench, dataset_id, "csv").first_secs
    with bench.growth() as growth:
        busy = bench.settle(SETTLE_SECS_MAX_FULL if bench.full else SETTLE_SECS_MAX)
    bench.restart()
    return [
        Figure(
            name="push 5,000 small items a call, to build what is exported", value=pushed.rate, unit="items/s",
            against=f"{count:,} items; {bench.costs([pushed])}", goal="none",
        ),
        Figure(
            name=f"export of {count:,} items as csv right after they were pushed, first byte", value=at_once, unit="s",
            against=f"the server worked on them for {busy:.0f} s more, its memory grew by"
            f" {growth.grown / MEGABYTE:.0f} MB", goal="none",
        ),
        *_exports(bench, dataset_id, count),
        _xlsx(bench, dataset_id, count),
        _pages(bench, dataset_id, count),
    ]  # fmt: skip


def _build(bench: Bench) -> tuple[str, int, Measured]:
    dataset_id = bench.storage("datasets")
    push = bench.request("POST", f"/v2/datasets/{dataset_id}/items", body_of(small_items(PUSHED)))
    calls = CALLS_FULL if bench.full else CALLS
    talks = [Repeat(requests=[push], worth=PUSHED, calls_max=calls) for _ in range(PUSHERS)]
    return dataset_id, calls * PUSHERS * PUSHED, bench.converse(talks, secs=600)


def _export(bench: Bench, dataset_id: str, format: str, *, secs: float = 0.0, pause: float = 0.0) -> Download:
    path = f"/v2/datasets/{dataset_id}/items?format={format}"
    return bench.load.call(download, bench.port, bench.request("GET", path), secs, pause)


def _exports(bench: Bench, dataset_id: str, count: int) -> list[Figure]:
    firsts: dict[str, list[Download]] = {}
    peaks: dict[str, str] = {}
    with bench.growth() as all_of_them:
        for name in FIRST_BYTE:
            firsts[name] = [_export(bench, dataset_id, name) for _ in range(FIRST_BYTES)]
    most = all_of_them.grown
    before = all_of_them.before
    for name in (*FIRST_BYTE, "jsonl read with a pause"):
        with bench.growth() as grown:
            if name in FIRST_BYTE:
                secs = 3600.0 if bench.full or name in WHOLE else EXPORT_SECS_MAX
                export = _export(bench, dataset_id, name, secs=secs)
            else:
                export = _export(bench, dataset_id, "jsonl", secs=PAUSE_SECS + 0.5, pause=PAUSE_SECS)
        most = max(most, grown.most - before)
        part = f"{(grown.most - before) / MEGABYTE:.0f} MB"
        peaks[name] = part if export.whole else f"{part} (cut after {export.secs:.0f} s, {export.size // MEGABYTE} MB)"
    figures = [
        _first_byte(name, [one.first_secs for one in firsts[name]], firsts[name][0].refused, count)
        for name in FIRST_BYTE
    ]
    memory = Figure(
        name=f"memory of the server over exports of {count:,} items, more than after its start",
        value=most / MEGABYTE, unit="MB", against=", ".join(f"{name} {peak}" for name, peak in peaks.items()),
        goal="<= 64 MB", met=most <= 64 * MEGABYTE,
    )  # fmt: skip
    return [*figures, memory]


def _first_byte(format: str, found: list[float], refused: str, count: int) -> Figure:
    goal = FIRST_BYTE[format]
    worst = max(found)
    return Figure(
        name=f"export of {count:,} items as {format}, first byte, worst of {len(found)}", value=worst * 1000,
        unit="ms", against=refused or f"median {statistics.median(found) * 1000:.0f} ms",
        goal=f"<= {goal * 1000:.0f} ms", met=not refused and worst <= goal,
    )  # fmt: skip


def _xlsx(bench: Bench, dataset_id: str, count: int) -> Figure:
    """More rows than the format has: the answer is an error that says so, before any content."""
    assert count > XLSX_ITEMS_MAX
    found = _export(bench, dataset_id, "xlsx", secs=EXPORT_SECS_MAX)
    told = found.status == 400 and any(str(limit).encode() in found.start for limit in (1048575, 1048576, "1,048,57"))
    return Figure(
        name=f"export of {count:,} items as xlsx, status of the refusal", value=found.status, unit="",
        against=found.refused or "not refused", goal="400, naming the row limit", met=told,
    )  # fmt: skip


def _pages(bench: Bench, dataset_id: str, count: int) -> Figure:
    """One page here, one there, on one connection: whatever else the machine does hits both alike."""
    far = count - PAGE_ITEMS
    path = f"/v2/datasets/{dataset_id}/items?limit={PAGE_ITEMS}&offset="
    pages = [bench.request("GET", f"{path}{offset}") for offset in (10, far)]
    waits = bench.load.call(converse, bench.port, [Repeat(requests=pages, calls_max=2 * PAGES)], 60.0).waits
    near_secs, far_secs = statistics.median(waits[::2]), statistics.median(waits[1::2])
    return Figure(
        name=f"items page of {PAGE_ITEMS} at offset {far:,}, times offset 10", value=far_secs / near_secs, unit="x",
        against=f"medians {far_secs * 1000:.2f} ms and {near_secs * 1000:.2f} ms, {len(waits) // 2} pages each",
        goal="<= 1.5 x", met=far_secs <= 1.5 * near_secs,
    )  # fmt: skip
