"""Fetching the sources of builds: which kind needs what, under one time limit, kept for the next attempt."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
import weakref
from pathlib import Path

from actorium.actors.model import SourceType
from actorium.actors.sources import decoded_files, empty_folders
from actorium.builders import BuildFailed
from actorium.builds.sources import Log, Tree, Wanted
from actorium.builds.sources.address import shown
from actorium.builds.sources.archive import unpacked
from actorium.builds.sources.git import GitRepositories
from actorium.builds.sources.reach import Reach
from actorium.builds.sources.records import Records
from actorium.builds.sources.shape import without_outer_folder
from actorium.kernel.clock import Clock
from actorium.kernel.limits import SOURCE_FETCH_SECS, SOURCE_KEPT_SECS

_INLINE = (SourceType.SOURCE_FILES, SourceType.SOURCE_CODE)
_FIELD = {
    SourceType.TARBALL: "tarballUrl",
    SourceType.GIT_REPO: "gitRepoUrl",
    SourceType.GITHUB_GIST: "gitHubGistUrl",
}


class Fetcher:
    """Fetches what versions name. Any number of fetches may go on at once."""

    def __init__(
        self, *, records: Records, reach: Reach, git: GitRepositories, scratch: Path | None, clock: Clock
    ) -> None:
        """``scratch``: a folder of this server alone, for what is being fetched; None: a temporary one."""
        self._records = records
        self._reach = reach
        self._git = git
        self._scratch = scratch
        self._is_lent = scratch is None
        self._clock = clock

    async def fetch(self, wanted: Wanted, log: Log) -> Tree:
        """The files of a version. See the port."""
        if wanted.type in _INLINE:
            return _inline(wanted)
        if not wanted.place.strip():
            raise BuildFailed(f"The version has no {_FIELD[wanted.type]}. Set it, then build again.")
        folder = self._folder(wanted.build_id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            async with asyncio.timeout(SOURCE_FETCH_SECS):
                return await self._fetched(wanted, folder, log)
        except TimeoutError as error:
            raise BuildFailed(
                f"Fetching the sources took longer than {SOURCE_FETCH_SECS} seconds. Try again later, or make them"
                " smaller."
            ) from error

    async def forget(self, build_id: str) -> None:
        """Delete what is kept for further attempts at a build."""
        if self._scratch is None or not (folder := self._scratch / build_id).exists():
            return
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if self._is_lent and not any(self._scratch.iterdir()):
            self._scratch.rmdir()
            self._scratch = None

    async def prune(self) -> None:
        """Delete what is kept for builds that have long ended."""
        if self._scratch is not None and self._scratch.exists():
            await asyncio.to_thread(_prune, self._scratch, int(self._clock.now()) / 1000 - SOURCE_KEPT_SECS)

    def _folder(self, build_id: str) -> Path:
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="actorium-sources-"))
            weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        return self._scratch / build_id

    async def _fetched(self, wanted: Wanted, folder: Path, log: Log) -> Tree:
        if wanted.type is not SourceType.TARBALL:
            return await self._git.fetch(wanted.place, folder, log)
        archive = folder / "archive"
        if archive.exists():
            log("The archive is the one that the attempt before has fetched.")
        else:
            await self._download(wanted, archive, log)
        digest, size = await asyncio.to_thread(_digest, archive)
        tree = await asyncio.to_thread(unpacked, archive, folder)
        log(f"The archive has {size} bytes, SHA-256 {digest}, and holds {len(tree.files)} files.")
        return without_outer_folder(tree, log)

    async def _download(self, wanted: Wanted, archive: Path, log: Log) -> None:
        """Whole or not at all: a part of a file that a dead server left is no archive."""
        part, url = archive.with_suffix(".part"), wanted.place.strip()
        record = self._records.path_of(url)
        if record is not None:
            log(f"Reading the archive from this server's key-value store {record[0]}, record {record[1]}.")
            await self._records.download(wanted.owner, record, part)
        else:
            from actorium.builds.sources.web import Web  # its client takes a while to import; most builds need none

            log(f"Fetching the archive {shown(url)}.")
            await Web(self._reach).download(url, part)
        part.replace(archive)


def _inline(wanted: Wanted) -> Tree:
    files = decoded_files(wanted.files)
    return Tree(files=files, folders=empty_folders(wanted.files, files))


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size


def _prune(scratch: Path, before: float) -> None:
    for folder in scratch.iterdir():
        if folder.is_dir() and folder.stat().st_mtime < before:
            shutil.rmtree(folder, ignore_errors=True)
