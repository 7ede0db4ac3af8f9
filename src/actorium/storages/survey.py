"""Finds blobs that no row names. A crash between a blob and its row leaves one; nothing else would ever delete it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import structlog

from actorium.blobs import Blobs
from actorium.database import Database, installation
from actorium.kernel.clock import Clock
from actorium.kernel.ids import ALPHABET, Ids
from actorium.kernel.limits import BLOB_SURVEY_KEYS, BLOB_SURVEY_SECS, BLOB_SUSPECT_SECS
from actorium.storages.store import judge_blobs, suspect_blobs, suspected_blobs, unnamed_blobs

log = structlog.get_logger()

SURVEY_PERIOD_SECS = BLOB_SURVEY_SECS / len(ALPHABET)
"""A tick looks at the blobs whose keys begin with one character."""
OWNER_BLOB = "actorium-installation"
"""The blob that says whose the others are."""
_OWNER = "id"


class BlobSurvey:
    """One tick: suspect what no row names, and judge what has been suspected for long.

    A suspect's upload is over: a blob is in the list only when it is whole. Its row may still be on its way, so hours
    pass before it is looked for once more and, if no row names it even then, handed to the garbage collector. In a
    blob store that another installation has begun to use, nothing is judged: its rows are elsewhere.
    """

    def __init__(self, database: Database, blobs: Blobs, *, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._ids = ids
        self._turn = int(ids.jitter() * len(ALPHABET))  # servers that live for hours begin somewhere else each time

    async def tick(self) -> None:
        """The next part of the blobs."""
        if not await self._is_ours():
            return
        await self._judge()
        prefix = ALPHABET[self._turn % len(ALPHABET)]
        async for keys in _pieces(self._blobs.keys(prefix)):
            unnamed = await self._database.read(partial(unnamed_blobs, keys=keys))
            suspects = [key for key in unnamed if key != OWNER_BLOB]
            if suspects:
                await self._database.write(partial(suspect_blobs, keys=suspects, now=self._clock.now()))
        self._turn += 1

    async def _judge(self) -> None:
        before = self._clock.now().plus(secs=-BLOB_SUSPECT_SECS)
        find = partial(suspected_blobs, before=before, limit=BLOB_SURVEY_KEYS)
        while keys := await self._database.read(find):
            discarded = await self._database.write(partial(judge_blobs, keys=keys, now=self._clock.now()))
            if discarded:
                log.info("blobs.orphans_discarded", count=discarded)

    async def _is_ours(self) -> bool:
        """Whether this installation was the first in the blob store; if nobody was, it is from now on."""
        mine = (await installation.secret(self._database, _OWNER, ids=self._ids)).encode()
        try:
            owner = await self._blobs.get(OWNER_BLOB)
        except KeyError:
            await self._blobs.put(OWNER_BLOB, mine)
            return True
        if owner != mine:
            log.warning(
                "blobs.of_another_installation",
                hint="ACTORIUM_BLOBS names a store that another database's blobs are in; orphans are not looked for",
            )
        return owner == mine


async def _pieces(keys: AsyncIterator[str]) -> AsyncIterator[list[str]]:
    piece: list[str] = []
    async for key in keys:
        piece.append(key)
        if len(piece) == BLOB_SURVEY_KEYS:
            yield piece
            piece = []
    if piece:
        yield piece
