"""A box that was started and never met: nothing is told of its end before the engine has ended it."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actorium.executors.container.keeper.api import EngineError
from actorium.executors.container.keeper.box import Box
from actorium.executors.process.keeper.plan import Plan
from actorium.executors.process.keeper.sandbox import SandboxFailed


class Refusing:
    """An engine that lost its way after the start, and answers again at the third call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def call(self, method: str, target: str, body: Any = None) -> Any:
        self.calls.append((method, target))
        if len(self.calls) < 3:
            raise EngineError(0, "it does not answer")


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    told = Plan(name="a-1", argv=("x",), env={}, uid=0, memory_mbytes=128, engine={"socket": "/none", "name": "n"})
    made = Box(told, tmp_path, tmp_path)
    yield made
    made.channel.close()
    made._inner.close()
    if made.stream is not None:
        made.stream.close()
    if made.pidfd >= 0:
        os.close(made.pidfd)


def test_what_was_started_and_not_met_is_ended(box: Box) -> None:
    engine = Refusing()
    box._api = engine  # type: ignore[assignment]
    box._id = "abc"
    box.kill()
    assert engine.calls == [("DELETE", "/containers/abc?force=true&v=true")] * 3


class Quick:
    """An engine whose image has no shell, and whose container is done at once."""

    def __init__(self, error: str) -> None:
        self.state = {"Pid": 0, "Running": False, "ExitCode": 3, "Error": error}

    def call(self, method: str, target: str, body: Any = None) -> Any:
        if method == "HEAD":
            raise EngineError(404, "no such file")
        return {"Id": "abc", "State": self.state}

    def attach(self, container: str) -> tuple[socket.socket, bytes]:
        return socket.socket(), b""


def test_a_program_that_was_quicker_than_its_keeper_has_ended(box: Box) -> None:
    """It was taken for one that could not be started."""
    box._api = Quick("")  # type: ignore[assignment]
    box.plan = replace(box.plan, network=False)
    box._engine["create"] = {}
    box.start(1)
    assert select.select([box.pidfd], [], [], 0)[0]
    assert (box.settled() or {})["ExitCode"] == 3
    box.kill()


def test_a_program_that_the_engine_could_not_start_has_not(box: Box) -> None:
    box._api = Quick("no such file")  # type: ignore[assignment]
    box.plan = replace(box.plan, network=False)
    box._engine["create"] = {}
    with pytest.raises(SandboxFailed, match="no such file"):
        box.start(1)


def test_what_was_never_made_is_not_asked_for(box: Box) -> None:
    engine = Refusing()
    box._api = engine  # type: ignore[assignment]
    box.kill()
    assert engine.calls == []
