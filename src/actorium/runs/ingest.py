"""Taking in what containers write: from the executor's log to the run's, once, with the times of arrival."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto

import structlog

from actorium.database import Database, Tx
from actorium.executors import Executor, LogRead
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.lines import is_cut
from actorium.logs.service import Line, Logs
from actorium.loops.background import Background
from actorium.runs.lifecycle import run_of

log = structlog.get_logger()
CUT_LINES_MAX = 1000  # containers in the midst of a line longer than 64 kB


class Piece(Enum):
    """What became of a piece of a container's log."""

    TAKEN = auto()
    OUTRUN = auto()
    """Another reader was first, and may have read less: what is behind its cursor is still to be taken."""
    UNWANTED = auto()
    """The log was deleted with its run, or a later attempt writes to it: then all of this one's was taken before."""


class Ingest:
    """Reads container logs and appends them to run logs; several calls for one container are harmless."""

    def __init__(
        self, database: Database, executor: Executor, *, logs: Logs, background: Background,
        mask_in: Callable[[Tx, str, Sequence[Line]], list[Line]],
    ) -> None:  # fmt: skip
        self._database = database
        self._executor = executor
        self._logs = logs
        self._background = background
        self._mask_in = mask_in
        self._running: dict[str, bool] = {}
        self._cut: dict[str, tuple[str, Line]] = {}
        """By container: a piece that ends with a line that was cut is followed by the rest of it, behind the cursor."""

    def hint(self, container: str) -> None:
        """Something new may be in a container's log: take it in soon, one reader a container."""
        if container in self._running:
            self._running[container] = True
            return
        self._running[container] = False
        self._background.start(f"ingest {container}", self._drain(container))

    async def take(self, container: str) -> None:
        """Take in everything that is there now."""
        while await self.take_some(container):
            pass

    async def take_some(self, container: str) -> bool:
        """Take in one bounded piece; whether there is more, or may be, because another reader was first."""
        run_id, _ = run_of(container)
        after = await self._database.read(lambda tx: self._logs.cursor_in(tx, run_id, container))
        found = await self._executor.logs(container, after)
        if not found.lines:
            return False
        piece = await self._database.write(lambda tx: self.write_in(tx, container, after, found))
        if piece is Piece.TAKEN:
            self._remember(container, found)
        return piece is Piece.OUTRUN or (piece is Piece.TAKEN and found.more)

    def write_in(self, tx: Tx, container: str, after: str | None, found: LogRead) -> Piece:
        """Append a piece that was read behind the cursor, unless somebody else has been there since."""
        run_id, attempt = run_of(container)
        newest = self._logs.container_in(tx, run_id)
        if newest is None or (newest and run_of(newest)[1] > attempt):
            return Piece.UNWANTED
        if self._logs.cursor_in(tx, run_id, container) != after:
            return Piece.OUTRUN
        lines = self._masked_in(tx, container, after, found)
        self._logs.take_in(tx, run_id, container=container, cursor=found.cursor, lines=lines)
        return Piece.TAKEN

    def _masked_in(self, tx: Tx, container: str, after: str | None, found: LogRead) -> list[Line]:
        """The lines without secrets, of which one may have begun with the piece before.

        That piece is remembered in memory: after a crash between the two the rest of such a secret is not known as one.
        """
        run_id, _ = run_of(container)
        cursor, before = self._cut.get(container, (None, None))
        if before is None or cursor != after:
            return self._mask_in(tx, run_id, found.lines)
        return self._mask_in(tx, run_id, [before, *found.lines])[1:]

    def _remember(self, container: str, found: LogRead) -> None:
        self._cut.pop(container, None)
        if found.lines and is_cut(found.lines[-1][1]) and len(self._cut) < CUT_LINES_MAX:
            self._cut[container] = (found.cursor, found.lines[-1])

    async def _drain(self, container: str) -> None:
        try:
            while True:
                self._running[container] = False
                await self.take(container)
                if not self._running[container]:
                    return
        except BackendUnavailable as error:  # the supervisor's next look at logs tries again
            log.warning("run.log_unavailable", container=container, error=str(error))
        finally:
            del self._running[container]
