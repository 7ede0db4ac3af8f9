"""A program that was done before its keeper met it, as the engine tells of it."""

from __future__ import annotations

import os
import select
import socket
from typing import Any

from actorium.executors.container.keeper.box import Box


class LateEngine:
    """Says for some calls more that a container runs which is gone."""

    def __init__(self, late: int, error: str = "") -> None:
        self.calls, self._late, self._error = 0, late, error

    def call(self, *_: object) -> dict[str, Any]:
        self.calls += 1
        return {"State": {"Running": self.calls <= self._late, "Error": self._error}}


def box(engine: LateEngine) -> Any:
    made: Any = object.__new__(Box)
    made._api, made._id, made.pidfd = engine, "c", -1
    made.channel, made._inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return made


def test_the_engine_may_notice_the_end_late() -> None:
    engine = LateEngine(late=2)
    met = box(engine)
    assert met._was_quick()
    assert engine.calls == 3
    assert select.select([met.pidfd], [], [], 0)[0] == [met.pidfd], "its end can be seen at once"
    for one in (met.channel, met._inner):
        one.close()
    os.close(met.pidfd)


def test_one_that_the_engine_could_not_start_is_no_quick_one() -> None:
    met = box(LateEngine(late=1, error="no such file"))
    assert not met._was_quick()
    for one in (met.channel, met._inner):
        one.close()
