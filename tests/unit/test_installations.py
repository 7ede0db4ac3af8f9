"""Which installations can be moved, before anything is opened."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from actorium.app import open_blobs, open_database
from actorium.data_folder import DataFolder
from actorium.database import installation
from actorium.database.sqlite import connect, is_used
from actorium.installations import copy, usage
from actorium.kernel.errors import Unavailable
from actorium.settings import Settings
from actorium.upkeep.copying import Proof


@pytest.fixture
async def source(tmp_path: Path) -> Settings:
    """An installation that was used and is not running."""
    settings = Settings(data=tmp_path / "source")
    folder = DataFolder(settings.data)
    await (await open_database(settings, folder)).close()
    blobs = await open_blobs(settings, folder)
    await blobs.put("abc", b"content")
    await blobs.close()
    return settings


def elsewhere(folder: Path) -> Settings:
    return Settings(data=folder / "target")


async def move(source: Settings, target: Settings, *, only_compare: bool = False) -> Proof:
    return await copy(source, target, only_compare=only_compare, tell=lambda _: None)


@pytest.mark.anyio
async def test_an_installation_moves_to_another_folder(source: Settings, tmp_path: Path) -> None:
    assert (await move(source, elsewhere(tmp_path))).is_whole
    assert (await move(source, elsewhere(tmp_path), only_compare=True)).is_whole
    found = await usage(elsewhere(tmp_path), largest=1)
    assert found.unnamed.blob_bytes == len(b"content")
    assert found.database_bytes == (tmp_path / "target" / "actorium.db").stat().st_size


@pytest.mark.anyio
async def test_only_the_blobs_move_if_the_database_is_the_same(source: Settings, tmp_path: Path) -> None:
    proof = await move(source, replace(source, blobs=f"file:{tmp_path}/blobs"))
    assert [line.name for line in proof.lines] == ["blobs"]
    assert proof.is_whole


@pytest.mark.anyio
async def test_an_installation_is_not_copied_to_itself(source: Settings) -> None:
    with pytest.raises(Unavailable, match="the same"):
        await move(source, replace(source, database=f"sqlite:{source.data}/actorium.db"))


@pytest.mark.anyio
async def test_what_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    absent = Settings(data=tmp_path / "absent")
    for call in (move(absent, elsewhere(tmp_path)), usage(absent, largest=1)):
        with pytest.raises(Unavailable, match="There is no"):
            await call
    assert not (tmp_path / "absent" / "actorium.db").exists()


@pytest.mark.anyio
async def test_a_running_server_is_left_alone(source: Settings, tmp_path: Path) -> None:
    with DataFolder(source.data).locked(), pytest.raises(Unavailable, match="stop it"):
        await move(source, elsewhere(tmp_path))


@pytest.mark.anyio
async def test_a_database_in_another_folder_is_left_alone_too(source: Settings, tmp_path: Path) -> None:
    """The lock is in the data folder; a database outside of it is asked itself."""
    path = tmp_path / "outside.db"
    outside = replace(source, database=f"sqlite:{path}")
    server = await open_database(outside, DataFolder(source.data))
    assert is_used(path)
    with pytest.raises(Unavailable, match="uses sqlite"):
        await move(outside, elsewhere(tmp_path))
    await server.close()
    assert not is_used(path)
    assert (await move(outside, elsewhere(tmp_path))).is_whole


def test_another_process_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    connection = connect(path.as_uri())
    connection.execute("CREATE TABLE used (a BIGINT)")
    script = (
        "import pathlib, sys; from actorium.database.sqlite import is_used; print(is_used(pathlib.Path(sys.argv[1])))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    connection.close()


@pytest.mark.anyio
async def test_looking_disturbs_no_upload(source: Settings) -> None:
    """A server's unfinished upload is in the folder; opening it as a server would throw it away."""
    unfinished = source.data / "blobs" / "incoming" / "0"
    unfinished.write_bytes(b"x" * 10_000)
    found = await usage(source, largest=1)
    assert unfinished.exists()
    assert found.files["uploads going on"] >= 10_000


@pytest.mark.anyio
async def test_nothing_runs_on_an_unfinished_copy(source: Settings) -> None:
    folder = DataFolder(source.data)
    database = await open_database(source, folder)
    await database.write(installation.begin_copy)
    await database.close()
    with pytest.raises(Unavailable, match="unfinished copy"):
        await open_database(source, folder)
    assert not is_used(folder.database)
