"""``actorium approve``: what it writes, what it prints, and what it says to names that are wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from actorium.actors import store
from actorium.actors.row import ActorDocument, ActorRow
from actorium.app import open_database, users_of
from actorium.cli import app
from actorium.data_folder import DataFolder
from actorium.database import Tx
from actorium.kernel.instant import Instant
from actorium.settings import Settings


async def tool_of_bob(settings: Settings) -> tuple[str, str]:
    """The ids of a user alice and of an Actor bob/tool."""
    async with users_of(settings) as users:
        alice, bob = [(await users.create(name))[0] for name in ("alice", "bob")]
    row = ActorRow(
        id="tool",
        owner_id=bob.id,
        username="bob",
        name="tool",
        is_public=True,
        created_at=Instant(1),
        modified_at=Instant(1),
        document=ActorDocument(),
    )
    database = await open_database(settings, DataFolder(settings.data))
    await database.write(lambda tx: store.add(tx, row))
    await database.close()
    return alice.id, row.id


async def holds(settings: Settings, user_id: str, actor_id: str) -> bool:
    database = await open_database(settings, DataFolder(settings.data))

    def work(tx: Tx) -> bool:
        return store.is_approved(tx, user_id, actor_id)

    found = await database.read(work)
    await database.close()
    return found


def test_an_approval_is_given_and_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACTORIUM_DATA", str(tmp_path))
    settings = Settings(data=tmp_path)
    both = asyncio.run(tool_of_bob(settings))
    for words, expected in (
        (["alice", "bob/tool"], True),
        (["alice", "tool", "--withdraw"], False),
        (["Alice", "bob~tool"], True),
    ):
        app(["approve", *words], result_action="return_value")
        assert asyncio.run(holds(settings, *both)) is expected
    assert capsys.readouterr().out.splitlines() == [
        "bob/tool may now have full permissions when alice runs it.",
        "bob/tool may no longer have full permissions when alice runs it.",
        "bob/tool may now have full permissions when Alice runs it.",
    ]
    for words, told in ((["carol", "bob/tool"], "user 'carol'"), (["alice", "bob/x"], "Actor 'bob/x'")):
        with pytest.raises(SystemExit):
            app(["approve", *words])
        assert told in capsys.readouterr().err
