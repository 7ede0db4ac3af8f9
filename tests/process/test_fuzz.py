"""A schema fuzzer on the server's own OpenAPI document: whatever is sent, no 5xx, and every refusal says why."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest

from actorium.app import openapi
from fuzzing import fuzz
from live_server import LiveServer

pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]

STORAGE = re.compile(r"/v2/(datasets|key-value-stores|request-queues)")
KINDS = {"datasetId": "datasets", "storeId": "key-value-stores", "queueId": "request-queues"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("fuzz")) as server:
        yield server


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncio.run(openapi())


def operations() -> list[tuple[str, str]]:
    document = asyncio.run(openapi())
    return [
        (method.upper(), path)
        for path, methods in document["paths"].items()
        if STORAGE.match(path)
        for method in methods
    ]


def refilled(server: LiveServer) -> dict[str, str]:
    """Storages with something in them; fuzzing deletes them now and then."""
    ids = {name: server.api("POST", f"/v2/{kind}")[1]["data"]["id"] for name, kind in KINDS.items()}
    server.api("POST", f"/v2/datasets/{ids['datasetId']}/items", [{"a": {"b": [1, "x"]}, "#c": None}, {}, {"a": 1}])
    server.api("PUT", f"/v2/key-value-stores/{ids['storeId']}/records/OUTPUT", {"a": 1})
    request = {"uniqueKey": "u", "url": "http://example.com/"}
    added = server.api("POST", f"/v2/request-queues/{ids['queueId']}/requests", request)[1]["data"]
    return ids | {"recordKey": "OUTPUT", "requestId": added["requestId"]}


@pytest.mark.parametrize(("method", "path"), operations(), ids=lambda one: one)
def test_no_request_is_a_5xx(server: LiveServer, document: dict[str, Any], method: str, path: str) -> None:
    fuzz(server, document, method, path, real=refilled(server), examples=8)
