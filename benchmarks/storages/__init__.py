"""Storages through real HTTP, side by side with what people use today and with what the disk and the server allow."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from tests.live_server import LiveServer

from benchmarks.figure import Figure
from benchmarks.storages import exports, queues, records, rows, works
from benchmarks.storages.bench import Bench
from benchmarks.storages.hello import Hello
from benchmarks.storages.items import items, record
from benchmarks.storages.load import Loader, Refused
from benchmarks.storages.peers import Peers, PeersMissing

PARTS = {"rows": rows, "records": records, "queues": queues, "exports": exports}


def measure(folder: Path, *, parts: Sequence[str] = tuple(PARTS), full: bool = False) -> list[Figure]:
    """The figures of some parts about storages. ``full`` takes a dataset of 10,000,000 items instead of 1,100,000.

    Nothing is deleted in between: the server would sweep it away while something else is measured.
    """
    if "exports" in parts:
        print(
            f"storages: exports of {'10,000,000' if full else '1,100,000 (10,000,000 with --full)'} items", flush=True
        )
    values = folder / "values.json"
    values.write_text(json.dumps({"items": items(works.MANY), "record": json.loads(record(works.RECORD_BYTES))}))
    figures: list[Figure] = []
    with (
        Peers(folder / "peers", values=values, wanted=set(parts) != {"exports"}) as peers,
        LiveServer(folder / "server", ACTORIUM_LOG_LEVEL="info") as server,
        Hello() as hello,
        Loader() as load,
    ):
        if peers.missing:
            print(f"Without peers: {peers.missing}", flush=True)
        bench = Bench(folder=folder, server=server, load=load, peers=peers, hello_port=hello.port, full=full)
        for name in parts:
            begun = time.monotonic()
            bench.settle()
            try:
                figures += PARTS[name].measure(bench)
            except (Refused, PeersMissing, AssertionError) as error:
                print(f"{error}\n{server.tail(3000)}", flush=True)
                figures.append(_broken(name, error))
            print(f"storages: {name} took {time.monotonic() - begun:.0f} s", flush=True)
    return figures


def _broken(name: str, error: Exception) -> Figure:
    """A part that broke off does not cost the figures of the others."""
    return Figure(
        name=f"{name}: broke off", value=0, unit="figures", goal="all", met=False,
        against=f"{type(error).__name__}: {error}"[:500],
    )  # fmt: skip
