"""An object store that fails gives a clear 5xx and loses nothing; the server goes on by itself when it works again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import fault_proxy
from fault_proxy import FaultProxy, Mode
from live_server import LiveServer
from s3_server import Server

pytestmark = pytest.mark.services

ITEMS = [{"n": number, "filler": "f" * 1000} for number in range(300)]
RECORDS = {"large": os.urandom(300_000), "huge": os.urandom(12_000_000)}
AGAIN_SECS = 30.0


@pytest.fixture
def proxy(s3: Server) -> Iterator[FaultProxy]:
    target = urlsplit(s3.endpoint)
    with fault_proxy.running((target.hostname or "", target.port or 0)) as proxy:
        yield proxy


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.PASS])
def test_nothing_is_lost_and_the_server_goes_on(tmp_path: Path, s3: Server, proxy: FaultProxy, mode: Mode) -> None:
    blobs = s3.url.replace(s3.endpoint, f"http://127.0.0.1:{proxy.port}")
    with LiveServer(tmp_path, ACTORIUM_BLOBS=blobs, **s3.environment) as server:
        dataset, store = (
            f"/v2/{kind}/{server.api('POST', f'/v2/{kind}')[1]['data']['id']}"
            for kind in ("datasets", "key-value-stores")
        )
        push(server, dataset, 201)
        put(server, store, 201)
        proxy.mode = mode
        push(server, dataset, 503)
        put(server, store, 503, reverse=True)
        assert proxy.failures
        status, error = server.api("GET", f"{store}/records/large")
        assert status == 503
        assert "try again" in error["error"]["message"].lower()
        assert server.api("POST", f"{dataset}/items", {"small": 1})[0] == 201  # what needs no blob goes on
        proxy.mode = Mode.PASS
        until = time.monotonic() + AGAIN_SECS
        while server.api("GET", f"{store}/records/large")[0] != 200:
            assert time.monotonic() < until, server.tail()
        assert server.api("GET", f"{dataset}/items") == (200, [*ITEMS, {"small": 1}])
        for key, body in RECORDS.items():
            assert server.api("GET", f"{store}/records/{key}") == (200, body)
        push(server, dataset, 201)
        put(server, store, 201, reverse=True)
        assert server.api("GET", f"{store}/records/huge") == (200, RECORDS["huge"][::-1])


def push(server: LiveServer, dataset: str, wanted: int) -> None:
    status, answer = server.api("POST", f"{dataset}/items", ITEMS)
    assert status == wanted, (answer, server.tail())


def put(server: LiveServer, store: str, wanted: int, *, reverse: bool = False) -> None:
    for key, body in RECORDS.items():
        sent = body[::-1] if reverse else body
        status, answer = server.api("PUT", f"{store}/records/{key}", sent, Content_Type="application/octet-stream")
        assert status == wanted, (key, answer, server.tail())
