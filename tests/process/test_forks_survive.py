"""Copies of storages are whole or not there, whenever the process that makes them is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actorium.database.migrate import migrate
from actorium.kernel.instant import Instant
from actorium.kernel.limits import DATASET_INLINE_BYTES_MAX, INLINE_BYTES_MAX
from actorium.testing.conformance.stores_copies import OWNER, Copier, Held
from forking_child import close, copier_of

pytestmark = [pytest.mark.anyio, pytest.mark.process]

BIG = b"x" * (INLINE_BYTES_MAX + 1)
ITEM = b'{"a":"%b"}' % (b"x" * DATASET_INLINE_BYTES_MAX)
CHILD = Path(__file__).resolve().parents[1] / "forking_child.py"


def live_until_killed(folder: Path, held: Held, copies: int) -> None:
    """Let a process copy for a while and kill it in the middle of what it does."""
    command = [sys.executable, str(CHILD), str(folder), held.dataset, held.store, held.queue]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(CHILD.parent)}
    ) as child:
        assert child.stdout is not None
        for _ in range(copies):
            assert child.stdout.readline() == b"copied\n"
        child.send_signal(signal.SIGKILL)


async def check(copier: Copier) -> int:
    """Everything that is there is whole; how many storages there are of each kind."""
    shelf = copier.shelf
    rows = await shelf.rows("SELECT id, item_count FROM datasets")
    for row in rows:
        assert await copier.items(row["id"]) == [ITEM], row["id"]
    for row in await shelf.rows("SELECT id FROM key_value_stores"):
        records = await copier.records(row["id"])
        assert records in ({"big": BIG, "small": b"s"}, {"small": b"s"}), [*records]
    for row in await shelf.rows("SELECT id, total_count FROM request_queues"):
        assert len(await copier.handled(row["id"])) == row["total_count"]
    counts = [len(await shelf.rows(f"SELECT id FROM {kind}")) for kind in ("key_value_stores", "request_queues")]
    assert counts == [len(rows)] * 2, "a copy is of all three, or not there"
    return len(rows)


async def test_copies_are_whole_after_a_kill(tmp_path: Path) -> None:
    copier = await copier_of(tmp_path)
    await migrate(copier.shelf.database, Instant(1))  # type: ignore[arg-type]
    held = await copier.made()
    await copier.shelf.datasets.push(OWNER, held.dataset, ITEM)
    for key, content in (("big", BIG), ("small", b"s")):
        await copier.shelf.stores.put(OWNER, held.store, key, content, content_type="text/plain")
    await close(copier)
    for copies in (1, 12):
        live_until_killed(tmp_path, held, copies)
        copier = await copier_of(tmp_path)
        assert await check(copier) > 1
        await copier.clean()
        await check(copier)
        assert len(await copier.shelf.blob_keys()) == 2
        await close(copier)
    copier = await copier_of(tmp_path)
    for row in await copier.shelf.rows("SELECT id FROM datasets"):
        await copier.shelf.datasets.delete(OWNER, row["id"])
    for row in await copier.shelf.rows("SELECT id FROM key_value_stores"):
        await copier.shelf.stores.delete(OWNER, row["id"])
    await copier.clean()
    assert await copier.shelf.blob_keys() == set()
    await close(copier)
