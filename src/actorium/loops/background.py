"""Tasks that nobody awaits: named, logged when they fail, ended together. The only file that creates tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger()


class Background:
    """Owns tasks until they end or the server does."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine on its own. What it raises is logged with its name."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task.failed", task=task.get_name(), exc_info=error)

    async def close(self) -> None:
        """Cancel what is left and wait until it has ended."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def outlived(name: str, work: Coroutine[Any, Any, None]) -> bool:
    """Do a piece of work that will be tried again anyway; False when it failed, which is logged with its name."""
    try:
        await work
    except Exception as error:  # one container's trouble is not another's, and not the loop's
        log.error("task.failed", task=name, exc_info=error)
        return False
    return True


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do a piece of work whole: who is cancelled meanwhile learns of it when the work has ended."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def first(*works: Coroutine[Any, Any, None]) -> None:
    """Run works beside each other until the first ends, then cancel the others. What that one raises is raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
