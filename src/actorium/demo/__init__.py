"""The demo: a server of its own, the example Actor, three runs; every outcome is checked."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from actorium.caller.failure import Failed
from actorium.caller.own_server import end_at_signals, serving
from actorium.demo.folder import SERVER_LOG, environment, fresh_folder
from actorium.demo.screen import Screen
from actorium.demo.story import Story, example_folder
from actorium.kernel.clock import SystemClock

INTERRUPTED = 130  # what shells report for a program that was ended by Ctrl+C


def main() -> int:
    """Run the demo in ``.actorium/demo`` below the current folder. 0: everything went as it should."""
    clock = SystemClock()
    screen = Screen(clock)
    try:
        asyncio.run(_tell(screen, clock))
    except Failed as failure:
        screen.fail(failure)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        screen.say("Interrupted; the server was stopped.")
        return INTERRUPTED
    return 0


async def _tell(screen: Screen, clock: SystemClock) -> None:
    end_at_signals()
    folder = fresh_folder(Path.cwd() / ".actorium")
    screen.begin("Starting a server of its own", f"{Path(sys.executable).name} -m actorium serve, data in {folder}")
    async with serving(
        folder, environment=environment(os.environ, folder), log=folder / SERVER_LOG, clock=clock
    ) as server:
        screen.say(f"It answers at {server.url}")
        async with Story.of(server, screen=screen, source=example_folder()) as story:
            await story.tell()
    screen.end()
