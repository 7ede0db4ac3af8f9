"""What the survey of blobs must do on every pairing: find what no row names, and let everything else be."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from actorium.database import Tx, installation
from actorium.kernel.ids import ALPHABET
from actorium.kernel.limits import BLOB_SURVEY_KEYS, BLOB_SUSPECT_SECS, DATASET_INLINE_BYTES_MAX, INLINE_BYTES_MAX
from actorium.storages.garbage import GarbageCollector
from actorium.storages.store import discard_blob
from actorium.storages.survey import OWNER_BLOB, SURVEY_PERIOD_SECS, BlobSurvey
from actorium.testing.conformance.stores import ALICE, Shelf, StoresConformance

MILLI = 0.001
BIG = b"x" * (max(INLINE_BYTES_MAX, DATASET_INLINE_BYTES_MAX) + 1)


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def around(survey: BlobSurvey) -> None:
    """Every blob was looked for once."""
    for _ in ALPHABET:
        await survey.tick()


async def remaining(shelf: Shelf) -> set[str]:
    """What is left when the garbage collector has been by."""
    await GarbageCollector(shelf.database, shelf.blobs).tick()
    return await shelf.blob_keys() - {OWNER_BLOB}


class SurveyConformance(StoresConformance):
    """Blobs that no row names."""

    @pytest.fixture
    def survey(self, shelf: Shelf) -> BlobSurvey:
        return BlobSurvey(shelf.database, shelf.blobs, clock=shelf.clock, ids=shelf.ids)

    @pytest.fixture
    async def named(self, shelf: Shelf) -> set[str]:
        """Blobs of each table that names some."""
        store, _ = await shelf.stores.get_or_create(ALICE, None)
        dataset, _ = await shelf.datasets.get_or_create(ALICE, None)
        await shelf.stores.put(ALICE, store.id, "big", pieces(BIG), content_type="text/plain")
        await shelf.datasets.push(ALICE, dataset.id, b'{"big":"%b"}' % BIG)
        keys = await shelf.blob_keys()
        assert len(keys) == 2
        return keys

    async def test_orphans_go_after_the_grace(self, shelf: Shelf, survey: BlobSurvey, named: set[str]) -> None:
        orphans = {f"{first}{shelf.ids.new()}" for first in ALPHABET}
        for key in orphans:
            await shelf.blobs.put(key, b"left by a crash")
        await around(survey)
        await shelf.clock.advance(BLOB_SUSPECT_SECS - MILLI)
        await survey.tick()
        assert await remaining(shelf) == named | orphans
        await shelf.clock.advance(MILLI)
        await survey.tick()
        assert await remaining(shelf) == named
        assert await shelf.rows("SELECT key FROM blob_suspects") == []
        await shelf.clock.advance(10 * BLOB_SUSPECT_SECS)
        await around(survey)
        await shelf.clock.advance(10 * BLOB_SUSPECT_SECS)
        await around(survey)
        assert await remaining(shelf) == named

    async def test_a_row_that_comes_late_keeps_its_blob(self, shelf: Shelf, survey: BlobSurvey) -> None:
        store, _ = await shelf.stores.get_or_create(ALICE, None)
        payload = await shelf.stores.prepare(BIG)
        await around(survey)
        assert len(await shelf.rows("SELECT key FROM blob_suspects")) == 1
        await shelf.clock.advance(BLOB_SUSPECT_SECS - MILLI)

        def work(tx: Tx) -> None:
            shelf.stores.put_in(
                tx, store_id=store.id, key="late", payload=payload, content_type="text/plain", now=shelf.clock.now()
            )

        await shelf.database.write(work)
        await shelf.clock.advance(MILLI)
        await survey.tick()
        assert await remaining(shelf) == {payload.blob_key}
        assert await shelf.rows("SELECT key FROM blob_suspects") == []

    async def test_an_upload_that_goes_on_is_no_blob_yet(self, shelf: Shelf, survey: BlobSurvey) -> None:
        async def slow() -> AsyncIterator[bytes]:
            yield BIG
            await around(survey)
            await shelf.clock.advance(10 * BLOB_SUSPECT_SECS)
            await around(survey)
            yield BIG

        store, _ = await shelf.stores.get_or_create(ALICE, None)
        await shelf.stores.put(ALICE, store.id, "slow", slow(), content_type="text/plain")
        assert len(await remaining(shelf)) == 1
        assert await shelf.rows("SELECT key FROM blob_suspects") == []

    async def test_the_first_sight_counts(self, shelf: Shelf, survey: BlobSurvey) -> None:
        await shelf.blobs.put("orphan", b"")
        await around(survey)
        await shelf.clock.advance(BLOB_SUSPECT_SECS / 2)
        await around(survey)
        await shelf.clock.advance(BLOB_SUSPECT_SECS / 2)
        await survey.tick()
        assert await remaining(shelf) == set()

    async def test_garbage_is_no_suspect(self, shelf: Shelf, survey: BlobSurvey) -> None:
        await shelf.blobs.put("garbage", b"")
        await shelf.database.write(lambda tx: discard_blob(tx, "garbage", shelf.clock.now()))
        await around(survey)
        assert await shelf.rows("SELECT key FROM blob_suspects") == []

    async def test_many_orphans(self, shelf: Shelf, survey: BlobSurvey, named: set[str]) -> None:
        for number in range(2 * BLOB_SURVEY_KEYS + 1):
            await shelf.blobs.put(f"a-{number}", b"")
        await around(survey)
        await shelf.clock.advance(BLOB_SUSPECT_SECS)
        await survey.tick()
        assert await remaining(shelf) == named

    async def test_a_store_of_another_installation_is_left_alone(self, shelf: Shelf, survey: BlobSurvey) -> None:
        await shelf.blobs.put(OWNER_BLOB, b"another installation's id")
        await shelf.blobs.put("theirs", b"")
        for _ in range(2):
            await around(survey)
            await shelf.clock.advance(BLOB_SUSPECT_SECS)
        assert await remaining(shelf) == {"theirs"}

    async def test_the_first_to_come_owns_the_store(self, shelf: Shelf, survey: BlobSurvey) -> None:
        await survey.tick()
        owner = await installation.secret(shelf.database, "id", ids=shelf.ids)
        assert await shelf.blobs.get(OWNER_BLOB) == owner.encode()
        await around(survey)
        await shelf.clock.advance(BLOB_SUSPECT_SECS)
        await around(survey)
        assert OWNER_BLOB in await shelf.blob_keys()

    def test_a_day_is_enough(self) -> None:
        assert len(ALPHABET) * SURVEY_PERIOD_SECS == pytest.approx(24 * 3600)
