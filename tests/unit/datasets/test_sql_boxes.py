"""What the server makes of a box that is not one of ours: nothing it says is taken on trust."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from actorium.datasets.sql import boxes as boxes_module
from actorium.datasets.sql.boxes import Bounds, Boxes, Question
from actorium.datasets.sql.errors import SqlEngineFailed, SqlRefused, SqlTimedOut
from actorium.kernel.errors import ActoriumError

pytestmark = pytest.mark.anyio

PREAMBLE = """
import os, struct, sys
def say(kind, payload=b"", length=None):
    os.write(1, struct.pack(">cI", kind, len(payload) if length is None else length) + payload)
"""
READY = 'say(b"R", b"{}")\n'
ANSWER = 'say(b"A", b\'{"rows": 1, "truncated": false}\')\n'


async def items() -> AsyncGenerator[bytes, None]:
    for _ in range(100):
        yield b'{"n":1}\n' * 1000


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        ("sys.exit(3)", SqlEngineFailed, "log says why"),
        ("no such name", SqlEngineFailed, "log says why"),
        ('say(b"D", b"x")', SqlEngineFailed, "log says why"),
        ('say(b"R", b"no json")', SqlEngineFailed, "log says why"),
        ('say(b"R", length=2**31)', SqlEngineFailed, "log says why"),
        (READY, SqlRefused, "code 0"),
        (READY + "os.kill(os.getpid(), 9)", SqlRefused, "code -9"),
        (READY + "os.kill(os.getpid(), 24)", SqlTimedOut, "60 seconds"),
        (READY + "os.kill(os.getpid(), 14)", SqlTimedOut, "60 seconds"),
        (READY + 'say(b"A", length=2**32 - 1); sys.stdin.read()', SqlRefused, "protocol"),
        (READY + 'say(b"A", b"[]"); sys.stdin.read()', SqlRefused, "protocol"),
        (READY + 'say(b"A", b\'{"rows": "many"}\')', SqlRefused, "protocol"),
        (READY + 'say(b"!", b"")', SqlRefused, "protocol"),
        (READY + 'say(b"X", b"no json")', SqlRefused, "protocol"),
        (READY + ANSWER + 'say(b"A", b"{}")', SqlRefused, "protocol"),
        (READY + ANSWER + 'say(b"D", b"x", length=5)', SqlRefused, "code 0"),
        (READY + 'say(b"X", b\'{"kind": "sql", "message": "no"}\')', SqlRefused, "^no$"),
    ],
)
async def test_garbage_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, error: type[ActoriumError], words: str
) -> None:
    boxes = boxes_of(tmp_path, monkeypatch, script)
    with pytest.raises(error, match=words):
        await boxes.ask("alice", Question(tables={"dataset": items()}, sql="SELECT 1", format="json"))
    assert boxes.in_use == 0


async def test_a_box_that_takes_nothing_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = READY + "import signal; signal.pause()"
    boxes = boxes_of(tmp_path, monkeypatch, stuck, Bounds(secs=0.5))
    with pytest.raises(SqlTimedOut, match=r"0\.5 seconds"):
        await boxes.ask("alice", Question(tables={"dataset": items()}, sql="SELECT 1", format="json"))
    assert boxes.in_use == 0


async def test_a_question_that_is_given_up_ends_its_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "running"
    os_mark = f'open({str(mark)!r}, "w").write(str(os.getpid()))\n'
    boxes = boxes_of(tmp_path, monkeypatch, READY + os_mark + "import signal; signal.pause()")
    asking = asyncio.ensure_future(
        boxes.ask("alice", Question(tables={"dataset": items()}, sql="SELECT 1", format="json"))
    )
    while not (mark.exists() and mark.read_text()):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert boxes.in_use == 0
    assert not Path(f"/proc/{mark.read_text()}").exists()


async def test_an_answer_may_be_closed_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = READY + ANSWER + 'while True: say(b"D", b"x" * 1000)'
    boxes = boxes_of(tmp_path, monkeypatch, endless)
    for read in (0, 1, 5):
        answer = await boxes.ask("alice", Question(tables={}, sql="SELECT 1", format="json"))
        assert (answer.whole, answer.told.rows, boxes.in_use) == (None, 1, 1)
        for _ in range(read):
            assert await anext(answer) == b"x" * 1000
        await answer.aclose()
        await answer.aclose()
        assert boxes.in_use == 0


def boxes_of(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str, bounds: Bounds | None = None) -> Boxes:
    """Boxes that run a script in place of the box."""
    path = folder / "box.py"
    path.write_text(PREAMBLE + script + "\n")
    monkeypatch.setattr(boxes_module, "_MAIN", path)
    return Boxes(bounds)
