"""``actorium dev``: a local Actor's folder, built and run anew whenever one of its files has changed."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from actorium.caller.actor_folder import ActorFolder
from actorium.caller.api import Api
from actorium.caller.failure import Failed
from actorium.caller.own_server import end_at_signals
from actorium.dev.given import Given
from actorium.dev.place import place
from actorium.dev.screen import Screen
from actorium.dev.session import RunOptions, Session
from actorium.dev.watching import Watch
from actorium.kernel.clock import SystemClock
from actorium.kernel.errors import ActoriumError
from actorium.loops.background import first, to_its_end
from actorium.settings import Settings

CANNOT = 2  # the exit code of what could not even begin
INTERRUPTED = 130  # what shells report for a program that was ended by Ctrl+C


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line says."""

    folder: Path
    input: str | None
    """A file, or - for standard input; None: where SDKs look for it in the folder."""
    is_once: bool
    options: RunOptions


def main(wanted: Wanted, settings: Settings) -> int:
    """Go round until Ctrl+C; once only: the exit code of the run, 1 for no run that succeeded, 2 if it cannot begin."""
    screen = Screen()
    try:
        return asyncio.run(_work(wanted, settings, screen))
    except Failed as failure:
        screen.fail(failure)
    except ActoriumError as error:
        screen.fail(Failed(error.message, ""))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED if wanted.is_once else 0
    return CANNOT


async def _work(wanted: Wanted, settings: Settings, screen: Screen) -> int:
    end_at_signals()
    clock = SystemClock()
    folder = ActorFolder(wanted.folder)
    folder.check()
    given = Given(wanted.folder, wanted.input, stdin=sys.stdin.buffer)
    async with (
        place(os.environ, settings, clock=clock, tell=screen.say) as server,
        Api.at(server.url, token=server.token) as api,
    ):
        session = Session(api, server.url, folder=folder, given=given, screen=screen, options=wanted.options)
        try:
            if wanted.is_once:
                return await _once(session, screen)
            await watched(session, Watch(lambda: {**folder.state(), **given.state()}, clock), given, screen)
        finally:
            await to_its_end(session.make_way())
    return 0


async def _once(session: Session, screen: Screen) -> int:
    try:
        return await session.round()
    except Failed as failure:
        screen.fail(failure)
        return CANNOT


async def watched(session: Session, watch: Watch, given: Given, screen: Screen) -> None:
    """Round after round, until the task is cancelled; a change ends the one that is going on. Raises Failed."""

    async def go(*, is_built: bool) -> None:
        try:
            await session.round(is_built=is_built)
        except Failed as failure:
            screen.fail(failure)
        screen.wait(session.folder.root)
        await asyncio.Event().wait()  # only a change ends it

    await first(go(is_built=False), watch.changed())
    while True:
        screen.changed(watch.changes)
        await first(go(is_built=set(watch.changes) <= {given.mark}), watch.changed())
