"""File work off the event loop, in a few threads of the builder's own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_POOL = ThreadPoolExecutor(4, thread_name_prefix="builder")  # apart from the pool that databases and others use


class Stopped(Exception):
    """The work's caller was cancelled: nobody waits for it any more."""


class StopMark:
    """What long work looks at between two pieces. One serves a whole build, whose steps follow each other."""

    def __init__(self) -> None:
        self.is_set = False

    def look(self) -> None:
        """Raises ``Stopped`` once the caller is cancelled."""
        if self.is_set:
            raise Stopped


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call it in a thread. A cancelled caller still waits for its end, so that nothing is written behind its back."""
    return await _ended(_begun(work, *args, **kwargs), None)


async def until_stopped(mark: StopMark, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The same for work that looks at the mark, so that a cancelled caller waits for one piece of it only."""
    return await _ended(_begun(work, *args, **kwargs), mark)


def _begun(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
    return asyncio.get_running_loop().run_in_executor(_POOL, partial(work, *args, **kwargs))


async def _ended(future: asyncio.Future[T], mark: StopMark | None) -> T:
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if mark is not None:
            mark.is_set = True
        while not future.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([future])
        if not future.cancelled():
            future.exception()  # seen: nobody is told of it
        raise
