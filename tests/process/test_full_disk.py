"""A full disk gives a clear 5xx and loses nothing acknowledged; the server goes on by itself when there is room."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from live_server import LiveServer

pytestmark = pytest.mark.process

DISK_BYTES = 40 * 1024 * 1024
ROOM_SECS = 20.0  # how long a server may take to notice that there is room again
TRIES = 400
ITEMS = [{"n": number, "filler": "f" * 200} for number in range(100)]
RECORD = os.urandom(300_000)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, mounted where the server keeps its data."""
    folder = tmp_path / "server" / "data"
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk needs root and the right to mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take what is left of the disk."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC
    return ballast


def refused(call: Callable[[], tuple[int, Any]]) -> tuple[int, int]:
    """Call until it is refused: how often it worked before, and the status of the refusal."""
    for done in range(TRIES):
        status, answer = call()
        if status != 201:
            assert answer["error"]["type"], answer
            assert len(answer["error"]["message"]) > 20, answer
            return done, status
    raise AssertionError("the disk did not become full")


def test_nothing_acknowledged_is_lost_and_the_server_goes_on(disk: Path) -> None:
    with LiveServer(disk.parent) as server:
        dataset, store, queue = (
            f"/v2/{kind}/{server.api('POST', f'/v2/{kind}')[1]['data']['id']}"
            for kind in ("datasets", "key-value-stores", "request-queues")
        )
        stored: dict[str, int] = {"pushes": 0, "records": 0, "requests": 0}

        def push() -> tuple[int, Any]:
            return server.api("POST", f"{dataset}/items", ITEMS)

        def put() -> tuple[int, Any]:
            path = f"{store}/records/r{stored['records']}"
            answer = server.api("PUT", path, RECORD, Content_Type="application/octet-stream")
            stored["records"] += answer[0] == 201
            return answer

        def add() -> tuple[int, Any]:
            number = stored["requests"]
            request = {"uniqueKey": str(number), "url": "http://example.com/", "userData": {"filler": "f" * 5000}}
            answer = server.api("POST", f"{queue}/requests", request)
            stored["requests"] += answer[0] == 201
            return answer

        assert [push()[0], put()[0], add()[0]] == [201, 201, 201]
        ballast = fill(disk)
        for call in (put, push, add):
            done, status = refused(call)
            assert 500 <= status < 600
            stored["pushes"] += done if call is push else 0

        check(server, dataset, store, queue, stored)  # what is there can be read meanwhile
        ballast.unlink()
        until = time.monotonic() + ROOM_SECS
        for call in (push, put, add):
            while call()[0] != 201:
                assert time.monotonic() < until, server.tail()
        stored["pushes"] += 1
        check(server, dataset, store, queue, stored)
        server.kill()
        server.start()
        check(server, dataset, store, queue, stored)


def check(server: LiveServer, dataset: str, store: str, queue: str, stored: dict[str, int]) -> None:
    """Everything acknowledged is there, whole and once."""
    items = server.api("GET", f"{dataset}/items")[1]
    pushes = 1 + stored["pushes"]
    assert items == ITEMS * pushes
    assert server.api("GET", dataset)[1]["data"]["itemCount"] == len(items)
    for number in range(stored["records"]):
        assert server.api("GET", f"{store}/records/r{number}") == (200, RECORD)
    assert len(server.api("GET", f"{store}/keys")[1]["data"]["items"]) == stored["records"]
    found = server.api("GET", queue)[1]["data"]
    assert found["totalRequestCount"] == found["pendingRequestCount"] == stored["requests"]
