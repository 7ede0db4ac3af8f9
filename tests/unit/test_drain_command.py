"""``actorium drain`` without a server that could let runs leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from actorium.app import open_database
from actorium.data_folder import DataFolder
from actorium.database.migrate import migrate
from actorium.draining import drain
from actorium.kernel.clock import SystemClock
from actorium.kernel.errors import Unavailable
from actorium.kernel.ids import RandomIds
from actorium.runs import nodes
from actorium.settings import Settings

pytestmark = pytest.mark.anyio


async def run_drain(settings: Settings) -> list[str]:
    said: list[str] = []
    await drain(settings, clock=SystemClock(), ids=RandomIds(), tell=said.append)
    return said


async def test_nobody_waits_for_a_server_that_is_not_there(tmp_path: Path) -> None:
    settings, folder, clock = Settings(data=tmp_path), DataFolder(tmp_path), SystemClock()
    database = await open_database(settings, folder)
    await migrate(database, clock.now())
    node = folder.node(RandomIds())
    await database.write(lambda tx: nodes.seen(tx, node, clock.now()))
    with pytest.raises(Unavailable, match="No server runs"):
        await run_drain(settings)
    assert not (await database.read(nodes.known))[node].is_draining
    with folder.locked():
        assert await run_drain(settings) == [
            "No run is left on this machine. What was here goes on elsewhere, or here when the server starts again."
        ]
    assert (await database.read(nodes.known))[node].is_draining
    await database.close()
