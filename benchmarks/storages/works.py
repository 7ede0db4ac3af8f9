"""The works of the load, ready to be said: one talk for each connection."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from benchmarks.storages.bench import CONNECTIONS, Bench, body_of
from benchmarks.storages.items import items, record
from benchmarks.storages.load import Talk
from benchmarks.storages.talks import AddBatches, LockAndHandle, PutAndGet, Repeat

MANY = 1000  # items of one call
MANY_CONNECTIONS = 8  # calls of 500 kB under way
RECORD_BYTES = 10_000
QUEUE_FILL_SECS = 4.0
READ_FILL_SECS = 30.0
_numbers = count()


def push_one(bench: Bench, dataset_id: str = "") -> list[Talk]:
    """An item a call to one dataset."""
    path = f"/v2/datasets/{dataset_id or bench.storage('datasets')}/items"
    pushes = [bench.request("POST", path, body_of(item)) for item in items(CONNECTIONS)]
    return [Repeat(requests=pushes[at:] + pushes[:at]) for at in range(CONNECTIONS)]


def push_many(bench: Bench, dataset_id: str = "", *, calls_max: int | None = None) -> list[Talk]:
    """A thousand items a call to one dataset."""
    path = f"/v2/datasets/{dataset_id or bench.storage('datasets')}/items"
    push = bench.request("POST", path, body_of(items(MANY)))
    return [Repeat(requests=[push], worth=MANY, calls_max=calls_max) for _ in range(MANY_CONNECTIONS)]


def add_batches(
    bench: Bench, queue_id: str = "", *, connections: int = CONNECTIONS, calls_max: int | None = None
) -> list[Talk]:
    """Batches of 25 new requests to one queue."""
    queue_id = queue_id or bench.storage("request-queues")
    return [
        AddBatches(queue_id=queue_id, token=bench.token, prefix=f"{next(_numbers)}", calls_max=calls_max)
        for _ in range(connections)
    ]


def lock_and_handle(
    bench: Bench, queue_id: str = "", *, head: int = 25, handled_max: int | None = None
) -> Sequence[Talk]:
    """Lock the head of one queue, as many clients as connections, and mark what they got as handled."""
    if not queue_id:
        queue_id = bench.storage("request-queues")
        bench.converse(add_batches(bench, queue_id), secs=QUEUE_FILL_SECS)
    return [
        LockAndHandle(
            queue_id=queue_id,
            token=bench.token,
            client_key=f"client-{next(_numbers)}",
            head=head,
            handled_max=handled_max,
        )
        for _ in range(CONNECTIONS)
    ]


def put_and_get(bench: Bench, store_id: str = "") -> list[Talk]:
    """Records of 10 kB, put and got back."""
    store_id = store_id or bench.storage("key-value-stores")
    path = f"/v2/key-value-stores/{store_id}/records/"
    return [
        PutAndGet(path=f"{path}{next(_numbers)}-", token=bench.token, content=record(RECORD_BYTES))
        for _ in range(CONNECTIONS)
    ]


def read(bench: Bench, format: str) -> list[Talk]:
    """One reader of all the items of a dataset; an operation is one item."""
    dataset_id = bench.storage("datasets")
    bench.converse(push_many(bench, dataset_id, calls_max=2), secs=READ_FILL_SECS)
    path = f"/v2/datasets/{dataset_id}/items?format={format}"
    return [Repeat(requests=[bench.request("GET", path)], worth=2 * MANY * MANY_CONNECTIONS)]
