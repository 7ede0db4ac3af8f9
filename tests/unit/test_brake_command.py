"""``actorium brake``: what it writes, what it prints, and what it says to names that are wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from actorium.app import users_of
from actorium.cli import app
from actorium.settings import Settings


async def alice(settings: Settings) -> None:
    async with users_of(settings) as users:
        await users.create("alice")


def test_a_brake_is_set_listed_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACTORIUM_DATA", str(tmp_path))
    asyncio.run(alice(Settings(data=tmp_path)))

    def say(*words: str) -> str:
        app(["brake", *words], result_action="return_value")
        return capsys.readouterr().out.strip()

    assert say("set", "user", "Alice", "5") == "Set: the brake of 5 USD a day on user alice (set by the operator)."
    assert say("set", "user", "alice", "0.25").startswith("Set: the brake of 0.25 USD")
    assert say("list") == "user  alice  0.2500  0.0000  0.0000  0.2500  operator"
    assert say("remove", "user", "alice") == "Lifted."
    assert say("list") == ""
    for words, told in (
        (("set", "user", "carol", "1"), "user 'carol'"),
        (("set", "actor", "alice/x", "1"), "actor 'alice/x'"),
        (("set", "planet", "earth", "1"), "'planet'"),
        (("set", "user", "alice", "--usd=-1"), "limitUsdPerDay"),
        (("remove", "user", "alice"), "actorium brake list"),
    ):
        with pytest.raises(SystemExit):
            app(["brake", *words])
        assert told in capsys.readouterr().err
