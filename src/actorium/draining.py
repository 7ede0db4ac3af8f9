"""Emptying this machine of runs before it is stopped: each Actor is told, persists, and goes on elsewhere or later."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from actorium.app import open_database
from actorium.data_folder import DataFolder
from actorium.kernel.clock import Clock
from actorium.kernel.errors import Unavailable
from actorium.kernel.ids import Ids
from actorium.runs import nodes
from actorium.settings import Settings

LOOK_SECS = 0.5  # how often it is looked whether runs are left


async def drain(
    settings: Settings, *, clock: Clock, ids: Ids, tell: Callable[[str], None], is_over: bool = False
) -> None:
    """Let this machine's runs leave it and wait until the last has; ``is_over``: let runs start here again.

    Beside a running server, which does it. Raises Unavailable when none runs, and when it was started anew in between:
    a start ends a draining.
    """
    folder = DataFolder(settings.data)
    if not is_over and not folder.is_served():
        raise Unavailable(f"No server runs on {folder.root} that could let runs leave; start it with 'actorium serve'.")
    database = await open_database(settings, folder)
    node = folder.node(ids)
    try:
        if not await database.write(partial(nodes.drain, node=node, is_draining=not is_over)):
            raise Unavailable(f"No server has run on {folder.root} yet; start it with 'actorium serve'.")
        if is_over:
            tell("Runs start on this machine again.")
            return
        before = -1
        while (left := await database.read(partial(nodes.runs_left, node=node))) > 0:
            if left != before:
                tell(f"{left} {'run is' if left == 1 else 'runs are'} still on this machine.")
            before = left
            state = (await database.read(nodes.known))[node]
            if not state.is_draining:
                raise Unavailable("The draining was ended, by 'actorium drain --over' or by a start of the server.")
            await clock.sleep(LOOK_SECS)
        tell("No run is left on this machine. What was here goes on elsewhere, or here when the server starts again.")
    finally:
        await database.close()
