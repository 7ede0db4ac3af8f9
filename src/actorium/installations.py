"""What is done to an installation as a whole, beside its server or without one: moving it, and finding its bytes."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from actorium import app
from actorium.data_folder import DataFolder
from actorium.database.migrate import migrate, pending
from actorium.kernel.clock import SystemClock
from actorium.kernel.errors import Unavailable
from actorium.settings import Settings, is_private
from actorium.upkeep.copying import Copy, Place, Proof, Tell
from actorium.upkeep.folders import disk_bytes
from actorium.upkeep.usage import Usage
from actorium.upkeep.usage import usage as look

LOGS = ("-wal", "-shm")
"""How the names of the files beside an SQLite database end."""


async def copy(source: Settings, target: Settings, *, only_compare: bool, tell: Tell) -> Proof:
    """Move an installation, or only compare what was moved. Raises Unavailable if one of them is in use."""
    moves_rows, moves_blobs = database_of(source) != database_of(target), blobs_of(source) != blobs_of(target)
    if not moves_rows and not moves_blobs:
        raise Unavailable("Source and target are the same. Name the other one by --from or --to.")
    async with AsyncExitStack() as stack:
        for folder in sorted(_data_folders(source) | _data_folders(target)):
            stack.enter_context(DataFolder(folder).locked())
        _must_be_there(source)
        if only_compare:
            _must_be_there(target)
        for settings in (source, target):
            await _must_be_unused(settings)
        here = await _open(stack, source, only_reading=True)
        there = await _open(stack, target, only_reading=only_compare)
        if await pending(here.database):
            raise Unavailable(
                "The source has the schema of an older release: bring it up to date with 'actorium migrate'."
            )
        if not only_compare:
            await migrate(there.database, now=SystemClock().now())
        work = Copy(here, there, moves_rows=moves_rows, moves_blobs=moves_blobs, tell=tell)
        return await (work.compare() if only_compare else work.run())


async def usage(settings: Settings, *, largest: int) -> Usage:
    """Where the bytes are. A server may be running beside it. Raises Unavailable if there is no installation."""
    _must_be_there(settings)
    async with AsyncExitStack() as stack:
        place = await _open(stack, settings, only_reading=True)
        files = await asyncio.to_thread(_files, settings)
        return await look(place.database, place.blobs, files=files, largest=largest)


def _files(settings: Settings) -> dict[str, int]:
    """What lies in the data folder beside the database and the blobs, if these are there at all."""
    folder, database, blobs = DataFolder(settings.data), database_of(settings), blobs_of(settings)
    files = {"builds": disk_bytes(folder.builds), "containers": disk_bytes(folder.containers)}
    counted = {folder.builds, folder.containers}
    if isinstance(database, Path):
        logs = [Path(f"{database}{end}") for end in LOGS]
        files["log of the database"] = sum(map(disk_bytes, logs))
        counted |= {database, *logs}
    if isinstance(blobs, Path):
        files["uploads going on"] = disk_bytes(blobs / "incoming")
        counted.add(blobs)
    names = {path.name for path in counted if path.parent == folder.root}
    files["other files"] = disk_bytes(folder.root, leaving_out=names)
    return files


def database_of(settings: Settings) -> Path | str:
    """The file, or the address."""
    kind, _, rest = settings.database.partition(":")
    if kind != "sqlite":
        return settings.database
    return Path(rest).resolve() if rest else DataFolder(settings.data).database


def blobs_of(settings: Settings) -> Path | str:
    """The folder, or the address."""
    kind, _, rest = settings.blobs.partition(":")
    if kind != "file":
        return settings.blobs
    return Path(rest).resolve() if rest else DataFolder(settings.data).blobs


async def _open(stack: AsyncExitStack, settings: Settings, *, only_reading: bool) -> Place:
    folder = DataFolder(settings.data)
    database = await app.open_engine(settings, folder)
    stack.push_async_callback(database.close)
    blobs = await app.open_blobs(settings, folder, only_reading=only_reading)
    stack.push_async_callback(blobs.close)
    return Place(database=database, blobs=blobs)


def _data_folders(settings: Settings) -> set[Path]:
    """The data folders that hold a part of an installation: a server locks them."""
    own = DataFolder(settings.data).root
    parents = {place.parent for place in (database_of(settings), blobs_of(settings)) if isinstance(place, Path)}
    return {parent for parent in parents if parent == own or (parent / "lock").exists()}


def _must_be_there(settings: Settings) -> None:
    for place in (database_of(settings), blobs_of(settings)):
        if isinstance(place, Path) and not place.exists():
            raise Unavailable(f"There is no {place}: correct the address, or set ACTORIUM_DATA as for the server.")


async def _must_be_unused(settings: Settings) -> None:
    if await app.is_used(settings, DataFolder(settings.data)):
        place = "the database" if is_private("database", settings.database) else settings.database
        raise Unavailable(f"A server, or another program, uses {place}. Stop it, then copy.")
