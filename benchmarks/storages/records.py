"""Records: many small ones, and a large one that the server must not hold in memory."""

from __future__ import annotations

import statistics

from benchmarks.figure import Figure
from benchmarks.storages import works
from benchmarks.storages.bench import CONNECTIONS, MEGABYTE, Bench, shown, take_turns
from benchmarks.storages.download import download, upload
from benchmarks.storages.items import record
from benchmarks.storages.load import AGENT, converse, request
from benchmarks.storages.talks import PutAndGet

ROUNDS = 5
SECS = 1.0
PEER_SECS = 0.5
LARGE_PIECE = 1_000_000
LARGE_PIECES = 100
LARGE_TURNS = 3
SECS_MAX = 60.0


def measure(bench: Bench) -> list[Figure]:
    """Every figure about records."""
    return [_small(bench), *_large(bench)]


def _small(bench: Bench) -> Figure:
    store_id = bench.storage("key-value-stores")
    loads = [bench.converse(works.put_and_get(bench, store_id), secs=SECS) for _ in range(ROUNDS + 1)][1:]
    contenders = bench.peers.contenders(work="records", secs=PEER_SECS, concurrency=CONNECTIONS)
    if bench.peers.s3_port is not None:
        _make_bucket(bench, bench.peers.s3_port)
        contenders["moto's S3 server"] = lambda: _s3(bench)
    contenders["hello world on this server (calls)"] = lambda: bench.hello(PEER_SECS)
    peers = take_turns(contenders, 1)
    rate = statistics.median(one.rate for one in loads)
    return Figure(
        name=f"record of 10 kB: put + get, {CONNECTIONS} connections, synced", value=rate, unit="pairs/s",
        against=f"{bench.costs(loads)}; {shown(peers)}", goal=">= 2,500 pairs/s", met=rate >= 2500,
    )  # fmt: skip


def _make_bucket(bench: Bench, port: int) -> None:
    made = bench.load.call(download, port, request("PUT", "/bench", body=b""), SECS_MAX, 0.0)
    assert not made.refused, made


def _s3(bench: Bench) -> float:
    content = record(works.RECORD_BYTES)
    talks = [PutAndGet(path=f"/bench/{number}-", token="any", content=content) for number in range(CONNECTIONS)]
    assert bench.peers.s3_port is not None
    return bench.load.call(converse, bench.peers.s3_port, talks, PEER_SECS).rate


def _large(bench: Bench) -> list[Figure]:
    """On a fresh server that has done the same with a small record."""
    store_id = bench.storage("key-value-stores")
    bench.restart()
    bench.converse(works.put_and_get(bench, store_id)[:1], secs=0.2)
    path = f"/v2/key-value-stores/{store_id}/records/large"
    size = LARGE_PIECE * LARGE_PIECES
    head = (
        f"PUT {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: {AGENT}\r\nauthorization: Bearer {bench.token}\r\n"
        f"content-type: application/octet-stream\r\ncontent-length: {size}\r\n\r\n"
    ).encode()
    piece = record(LARGE_PIECE)
    puts, gets = [], []
    with bench.growth() as growth:
        for _ in range(LARGE_TURNS):
            put = bench.load.call(upload, bench.port, head, piece, LARGE_PIECES)
            assert put.status == 201, put
            got = bench.load.call(download, bench.port, bench.request("GET", path), SECS_MAX, 0.0)
            assert got.whole, got
            assert got.size == size, got
            puts.append(size / put.secs / MEGABYTE)
            gets.append(size / got.secs / MEGABYTE)
    return [
        Figure(
            name=f"record of {size // MEGABYTE} MB: memory of the server, more than before",
            value=growth.grown / MEGABYTE, unit="MB",
            against=f"put {statistics.median(puts):,.0f} MB/s, get {statistics.median(gets):,.0f} MB/s,"
            f" {LARGE_TURNS} times",
            goal="<= 16 MB", met=growth.grown <= 16 * MEGABYTE,
        )
    ]  # fmt: skip
