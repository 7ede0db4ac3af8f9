"""Migrations: each once, whole, in order, also with two servers, and never on a database from the future."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from actorium.database import StatementRefused
from actorium.database.inline import Inline
from actorium.database.migrate import Engine, Migration, SchemaMismatch, migrate, packaged, pending
from actorium.database.sqlite import SQLite
from actorium.kernel.instant import Instant

pytestmark = pytest.mark.anyio
NOW = Instant(1_700_000_000_000)
ONE = Migration.parse("0001_one.sql", "CREATE TABLE one (id TEXT);\n-- a comment;\nCREATE INDEX one_id ON one (id);\n")
TWO = Migration.parse("0002_two.sql", "CREATE TABLE two (id TEXT DEFAULT 'a;b');\nINSERT INTO one VALUES ('x');")


async def tables(database: Engine) -> set[str]:
    sql = "SELECT name FROM sqlite_schema WHERE type = 'table'"
    return {row["name"] for row in await database.read(lambda tx: tx.all(sql))} - {"schema_migrations"}


def test_a_file_is_cut_at_the_ends_of_lines() -> None:
    assert ONE.statements == ("CREATE TABLE one (id TEXT)", "CREATE INDEX one_id ON one (id)")
    assert (ONE.number, ONE.name) == (1, "0001_one")
    assert TWO.statements[0] == "CREATE TABLE two (id TEXT DEFAULT 'a;b')"
    with pytest.raises(ValueError, match="is named NNNN_name"):
        Migration.parse("1_one.sql", "")


def test_the_packaged_files_have_numbers_of_their_own() -> None:
    found = packaged()
    assert found[0].name == "0001_start"
    assert len({migration.number for migration in found}) == len(found)
    assert all(migration.statements for migration in found)


async def test_each_file_is_applied_once() -> None:
    database = await Inline.open()
    assert [step.name for step in await pending(database, migrations=[ONE, TWO])] == ["0001_one", "0002_two"]
    assert await migrate(database, NOW, migrations=[ONE]) == ["0001_one"]
    assert await migrate(database, NOW, migrations=[ONE, TWO]) == ["0002_two"]
    assert await migrate(database, NOW, migrations=[ONE, TWO]) == []
    assert await tables(database) == {"one", "two"}
    rows = await database.read(lambda tx: tx.all("SELECT number, applied_at FROM schema_migrations ORDER BY number"))
    assert [tuple(row) for row in rows] == [(1, NOW), (2, NOW)]
    await database.close()


async def test_a_file_that_fails_leaves_nothing_and_can_be_mended() -> None:
    database = await Inline.open()
    broken = Migration.parse("0002_two.sql", "CREATE TABLE two (id TEXT);\nCREATE TABEL oops (id TEXT);")
    with pytest.raises(StatementRefused, match="TABEL"):
        await migrate(database, NOW, migrations=[ONE, broken])
    assert await tables(database) == {"one"}
    assert await migrate(database, NOW, migrations=[ONE, TWO]) == ["0002_two"]
    await database.close()


async def test_two_servers_that_start_at_once(tmp_path: Path) -> None:
    servers = [await SQLite.open(tmp_path / "a.db") for _ in range(3)]
    applied = await asyncio.gather(*(migrate(server, NOW) for server in servers))
    assert sorted(name for names in applied for name in names) == [step.name for step in packaged()]
    await asyncio.gather(*(server.close() for server in servers))


async def test_a_newer_database_is_left_alone() -> None:
    database = await Inline.open()
    await migrate(database, NOW, migrations=[ONE, TWO])
    with pytest.raises(SchemaMismatch, match=r"0002_two, which this one does not know. Start that release or a newer"):
        await migrate(database, NOW, migrations=[ONE])
    await database.close()


async def test_a_file_changed_after_it_was_applied_is_noticed() -> None:
    database = await Inline.open()
    await migrate(database, NOW, migrations=[ONE])
    other = Migration.parse("0001_one.sql", "CREATE TABLE other (id TEXT);")
    with pytest.raises(SchemaMismatch, match="another text of the migration 0001_one"):
        await migrate(database, NOW, migrations=[other, TWO])
    assert await tables(database) == {"one"}
    commented = Migration.parse(
        "0001_one.sql", "-- new comment\nCREATE TABLE one (id TEXT);\nCREATE INDEX one_id ON one (id);"
    )
    assert await migrate(database, NOW, migrations=[commented]) == []
    await database.close()
