"""A peer: one of Crawlee's storage clients for Python, in a process of its own.

    python crawlee_peer.py file|SQL|memory VALUES

Takes jobs as lines of JSON and answers each with ``done`` and ``secs``. Runs in the peers' environment and imports
nothing of this project; what is stored comes from the file VALUES. Its storages are below the working folder.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import sys
import time
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from crawlee import Request
from crawlee.configuration import Configuration
from crawlee.storage_clients import FileSystemStorageClient, MemoryStorageClient, SqlStorageClient, StorageClient

Answer = dict[str, float]
BATCH = 25
numbers = itertools.count()


class Works:
    """The jobs. Each opens a new storage, works until the time is over, and counts acknowledged operations."""

    def __init__(self, kind: str, values: dict[str, Any]) -> None:
        kinds = {"file": FileSystemStorageClient, "SQL": SqlStorageClient, "memory": MemoryStorageClient}
        self.client: StorageClient = kinds[kind]()
        self.values = values
        self.configuration = Configuration(storage_dir=str(Path.cwd() / "storage"))

    def opening(self) -> dict[str, Any]:
        return {"name": f"bench-{next(numbers)}", "configuration": self.configuration}

    async def push(self, *, secs: float, batch: int, concurrency: int) -> Answer:
        dataset = await self.client.create_dataset_client(**self.opening())
        items = self.values["items"]

        async def one(turn: int) -> int:
            await dataset.push_data(items[turn % len(items)] if batch == 1 else items[:batch])
            return batch

        return await measured(one, secs=secs, concurrency=concurrency)

    async def read(self, *, count: int) -> Answer:
        dataset = await self.client.create_dataset_client(**self.opening())
        await dataset.push_data(self.values["items"][:count])
        begun = time.perf_counter()
        page = await dataset.get_data()
        return {"done": len(page.items), "secs": time.perf_counter() - begun}

    async def add(self, *, secs: float, concurrency: int) -> Answer:
        queue = await self.client.create_rq_client(**self.opening())

        async def one(turn: int) -> int:
            await queue.add_batch_of_requests(requests(f"{turn}", BATCH))
            return BATCH

        return await measured(one, secs=secs, concurrency=concurrency)

    async def handle(self, *, secs: float, concurrency: int, size: int) -> Answer:
        queue = await self.client.create_rq_client(**self.opening())
        for number in range(0, size, BATCH):
            await queue.add_batch_of_requests(requests(f"{number}", BATCH))

        async def one(_: int) -> int:
            request = await queue.fetch_next_request()
            if request is None:
                return -1
            await queue.mark_request_as_handled(request)
            return 1

        return await measured(one, secs=secs, concurrency=concurrency)

    async def records(self, *, secs: float, concurrency: int) -> Answer:
        store = await self.client.create_kvs_client(**self.opening())
        record = self.values["record"]

        async def one(turn: int) -> int:
            await store.set_value(key=f"key-{turn % 1000}", value=record)
            found = await store.get_value(key=f"key-{turn % 1000}")
            assert found is not None
            assert found.value == record
            return 1

        return await measured(one, secs=secs, concurrency=concurrency)


async def measured(one: Callable[[int], Awaitable[int]], *, secs: float, concurrency: int) -> Answer:
    """Callers that do one operation after the other until the time is over, or there is nothing left (-1)."""
    turns = itertools.count()
    done = 0
    begun = time.perf_counter()

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() - begun < secs:
            number = await one(next(turns))
            if number < 0:
                return
            done += number

    await asyncio.gather(*(caller() for _ in range(concurrency)))
    return {"done": done, "secs": time.perf_counter() - begun}


def requests(prefix: str, count: int) -> list[Request]:
    return [Request.from_url(f"https://shop.example.com/catalogue/{prefix}/{number:08}") for number in range(count)]


async def main() -> None:
    works = Works(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))
    for line in sys.stdin:
        job = json.loads(line)
        answer = await getattr(works, job.pop("work"))(**job)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    asyncio.run(main())
