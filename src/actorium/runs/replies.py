"""Replies about finished runs, encoded once and sent again while nothing is committed: what clients ask for most."""

from __future__ import annotations

from actorium.database import Database
from actorium.database.unchanged import Unchanged
from actorium.kernel.limits import REPLIES_KNOWN_MAX
from actorium.kernel.principal import Principal
from actorium.kernel.structs import encode
from actorium.runs.lifecycle import TERMINAL
from actorium.runs.model import RunView


class FinishedReplies:
    """Bytes of ``{"data": run}`` by caller and run. A running one changes with the clock and is never kept."""

    def __init__(self, database: Database) -> None:
        self._known: Unchanged[tuple[str, str], bytes] = Unchanged(database, entries_max=REPLIES_KNOWN_MAX)

    def known(self, principal: Principal, run_id: str) -> bytes | None:
        """The reply that this caller got before, if it would be the same now. What a scope lets see is asked anew."""
        return None if principal.scope is not None else self._known.get((principal.user_id, run_id))

    @property
    def seen(self) -> int | None:
        """What ``made`` needs to know: taken right behind ``known``."""
        return self._known.seen

    def made(self, principal: Principal, view: RunView, seen: int | None) -> bytes:
        """The reply about a run that was looked at since, kept if the run has finished."""
        content = b'{"data":%b}' % encode(view)
        if view.status in TERMINAL and principal.scope is None:
            self._known.put((principal.user_id, view.id), content, seen)
        return content
