"""A box that was started and never met: nothing is told of its end before the engine has ended it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actorium.executors.container.keeper.api import EngineError
from actorium.executors.container.keeper.box import Box
from actorium.executors.process.keeper.plan import Plan


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


def test_what_was_started_and_not_met_is_ended(box: Box) -> None:
    engine = Refusing()
    box._api = engine  # type: ignore[assignment]
    box._id = "abc"
    box.kill()
    assert engine.calls == [("DELETE", "/containers/abc?force=true&v=true")] * 3


def test_what_was_never_made_is_not_asked_for(box: Box) -> None:
    engine = Refusing()
    box._api = engine  # type: ignore[assignment]
    box.kill()
    assert engine.calls == []
