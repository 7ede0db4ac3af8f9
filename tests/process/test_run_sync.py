"""Synchronous runs on real processes, over HTTP as a program without any client writes it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from live_runs import Runs, built_on

pytestmark = pytest.mark.process

SECS_MAX = 60


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with built_on(tmp_path_factory.mktemp("sync")) as made:
        yield made


def sent(runs: Runs, rest: str, **wanted: object) -> socket.socket:
    """A connection on which a synchronous call was made."""
    address = urlsplit(runs.server.url)
    assert address.hostname is not None
    connection = socket.create_connection((address.hostname, address.port or 80), timeout=SECS_MAX)
    body = json.dumps(wanted).encode()
    head = (
        f"POST /v2/acts/{runs.actor}/{rest} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n"
        f"Authorization: Bearer {runs.server.token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


def read(connection: socket.socket) -> tuple[int, str, bytes]:
    """Status, head and body of the one reply."""
    with connection, connection.makefile("rb") as stream:
        head, _, body = stream.read().partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode("latin-1").lower(), body


def test_the_output_and_the_items_of_a_process(runs: Runs) -> None:
    status, head, body = read(sent(runs, "run-sync?memory=256", does="answers", output={"a": 1}))
    assert (status, json.loads(body)) == (201, {"a": 1})
    assert "content-type: application/json" in head
    query = "run-sync-get-dataset-items?memory=256&format=csv&bom=0"
    status, head, body = read(sent(runs, query, does="answers", output={"a": 1}))
    assert (status, body.split()) == (201, [b"a", b"1"])
    assert "x-apify-pagination-total: 1" in head
    status, _, body = read(sent(runs, "run-sync?memory=256", does="leaves", code=3))
    assert (status, json.loads(body)["error"]["type"]) == (400, "run-failed")


def test_a_client_that_leaves_does_not_stop_the_run(runs: Runs) -> None:
    before = {run["id"] for run in runs.server.api("GET", "/v2/actor-runs")[1]["data"]["items"]}
    connection = sent(runs, "run-sync?memory=256", does="answers", output={"a": 1}, secs=1)
    found: set[str] = set()
    while not found:
        found = {run["id"] for run in runs.server.api("GET", "/v2/actor-runs")[1]["data"]["items"]} - before
    connection.close()
    [run] = found
    assert runs.ended(run)["status"] == "SUCCEEDED"
