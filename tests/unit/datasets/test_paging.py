"""Any sequence of pushes, any page of it: the same as slicing a list."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from actorium.blobs.memory import MemoryBlobs
from actorium.database.inline import Inline
from actorium.database.migrate import migrate
from actorium.datasets.model import Format, ItemsQuery
from actorium.kernel.instant import Instant
from actorium.testing.conformance.stores import ALICE, Shelf
from dataset_world import limits

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
ITEM = st.dictionaries(st.text(max_size=4), JSON, max_size=3)
PUSHES = st.lists(st.lists(ITEM, max_size=6), max_size=6)
PLACE = st.integers(0, 8) | st.integers(0, 40)
PAGE = st.fixed_dictionaries({"offset": PLACE, "limit": PLACE, "desc": st.booleans()})


@settings(deadline=None, max_examples=30)
@given(
    pushes=PUSHES,
    pages=st.lists(PAGE, min_size=1, max_size=4),
    inline=st.sampled_from([0, 20, 65_536]),
    block=st.sampled_from([1, 30, 262_144]),
)
def test_pages_equal_slices(
    pushes: list[list[dict[str, Any]]], pages: list[dict[str, Any]], inline: int, block: int
) -> None:
    with limits(
        DATASET_INLINE_BYTES_MAX=inline,
        DATASET_ROW_BYTES=max(block // 2, 1),
        PLACE_BYTES=block,
        DATASET_BLOCK_BYTES=block,
        CHUNKS_PER_READ=2,
    ):
        asyncio.run(check(pushes, pages))


async def check(pushes: list[list[dict[str, Any]]], pages: list[dict[str, Any]]) -> None:
    database = await Inline.open()
    await migrate(database, Instant(1))
    shelf = Shelf(database, MemoryBlobs())
    dataset = (await shelf.datasets.get_or_create(ALICE, None))[0].id
    for batch in pushes:
        await shelf.datasets.push(ALICE, dataset, msgspec.json.format(msgspec.json.encode(batch), indent=2))
    everything = [item for batch in pushes for item in batch]
    for page in pages:
        limit = page["limit"] or len(everything)
        ordered = everything[::-1] if page["desc"] else everything
        expected = ordered[page["offset"] : page["offset"] + limit]
        for transforming in ({}, {"skip_hidden": False, "omit": ["\0absent"]}):
            for kind in (Format.JSON, Format.JSONL):
                items = await shelf.datasets.items(ALICE, dataset, ItemsQuery(format=kind, **page, **transforming))
                text = b"".join([piece async for piece in items.content])
                found = (
                    msgspec.json.decode(text)
                    if kind is Format.JSON
                    else [msgspec.json.decode(line) for line in text.splitlines()]
                )
                assert found == expected
                assert (items.range.count, items.range.total) == (len(expected), len(everything))
    await database.close()
