"""Chunks grow together while others read, push, delete and crash: no item is lost, doubled or moved."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorium.database import Tx
from actorium.datasets.chunks import DatasetCutShort
from actorium.kernel.errors import BackendUnavailable, NotFound
from actorium.kernel.limits import MERGE_LEASE_SECS
from actorium.testing.conformance.stores import ALICE
from dataset_world import SMALL, DatasetWorld, Item, drive, limits


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    with limits(**SMALL):
        yield


def items(*sizes: int, first: int = 0) -> list[Item]:
    return [{"n": first + at, "text": "x" * size} for at, size in enumerate(sizes)]


def fill(world: DatasetWorld, pushes: int = 9) -> None:
    """Small and large pushes: some inline, some in several rows, some in blobs."""
    for push in range(pushes):
        sizes = ([3], [5, 1, 8], [40, 40, 40], [90, 90, 90], [300])[push % 5]
        world.push(items(*sizes, first=len(world.items)))


def fill_tiny(world: DatasetWorld) -> None:
    """Pushes of one item, of which most were merged once and are to be merged again."""
    for _ in range(4):
        push_tiny(world, 4)
        drive(world.merger().tick())
    push_tiny(world, 4)


def push_tiny(world: DatasetWorld, pushes: int) -> None:
    for _ in range(pushes):
        world.push([{"n": len(world.items), "text": "x" * 25}])


FILLS = pytest.mark.parametrize("fills", [fill, fill_tiny], ids=["mixed", "tiny"])


def test_many_small_pushes_become_few_chunks() -> None:
    world = DatasetWorld()
    for n in range(40):
        world.push([{"n": n}])
    assert len(world.chunks()) == 40
    drive(world.merger().tick())
    chunks = world.chunks()
    assert len(chunks) <= 12
    assert {row["column_names"] for row in chunks} <= {'["n"]', None}
    assert world.read() == world.items
    world.check_rows()


def test_what_was_merged_once_is_merged_again() -> None:
    world = DatasetWorld()
    fill_tiny(world)
    before = world.chunks()
    assert [row["level"] for row in before] == [1] * 4 + [0] * 4
    assert all(row["blob_key"] for row in before[:4])
    drive(world.merger().tick())
    [finished] = world.chunks()
    assert (finished["level"], finished["column_names"]) == (2, '["n","text"]')
    world.collect_garbage()
    assert set(world.blobs._blobs) == {finished["blob_key"]}
    assert world.read() == world.items


def test_every_range_is_the_slice() -> None:
    world = DatasetWorld()
    world.push(items(*[3] * 12))
    fill_tiny(world)
    drive(world.merger().tick())
    fill(world, 3)
    world.push(items(*[5] * 12, first=len(world.items)))
    world.check_rows()
    count = len(world.items)
    strides = {int.from_bytes(row["places"][:4], "little") for row in world.chunks() if row["places"]}
    assert max(strides) > 2
    for start in range(count + 1):
        for end in range(start, count + 1):
            expected = world.items[start:end]
            assert world.read(start, end) == expected
            assert world.read(start, end, desc=True) == expected[::-1]


@pytest.mark.parametrize("desc", [False, True])
def test_a_reader_finds_items_again_whose_blob_is_gone(desc: bool) -> None:
    turns, ended = 0, False
    while not ended:
        world = DatasetWorld()
        fill_tiny(world)
        reading = world.reading(1, len(world.items), desc=desc)
        try:
            for _ in range(turns):
                reading.send(None)
        except StopIteration:
            ended = True
        drive(world.merger().tick())
        world.collect_garbage()
        if not ended:
            found = drive(reading)
            assert found == (world.items[:0:-1] if desc else world.items[1:])
        turns += 1
    assert turns > 5


def test_large_pushes_are_not_written_again() -> None:
    world = DatasetWorld()
    for n in range(5):
        world.push(items(200, 200, first=2 * n))
    before = [row["blob_key"] for row in world.chunks()]
    places = [row["places"] for row in world.chunks()]
    drive(world.merger().tick())
    assert [row["blob_key"] for row in world.chunks()] == before
    assert [row["places"] for row in world.chunks()] == places
    assert [row["level"] for row in world.chunks()[:3]] == [2, 2, 2]
    assert world.rows("SELECT key FROM blob_garbage") == []
    world.check_rows()


def test_nothing_is_due_when_all_is_merged() -> None:
    world = DatasetWorld()
    fill(world, 30)
    assert world.rows("SELECT dataset_id FROM dataset_merges") != []
    drive(world.merger().tick())
    assert world.rows("SELECT dataset_id FROM dataset_merges") == []
    fill(world, 30)
    drive(world.merger().tick())
    world.check_rows()
    world.collect_garbage()
    world.check_blobs()
    assert world.read() == world.items


STEP = st.one_of(
    st.tuples(st.just("push"), st.lists(st.integers(0, 120), min_size=1, max_size=6)),
    st.tuples(st.just("merge"), st.integers(1, 30)),
    st.tuples(st.just("read"), st.tuples(st.integers(0, 60), st.integers(0, 60), st.booleans())),
    st.tuples(st.just("garbage"), st.none()),
)


@settings(deadline=None, max_examples=30)
@given(steps=st.lists(STEP, min_size=4, max_size=25))
def test_any_range_is_the_slice_while_chunks_grow_together(steps: list[tuple[str, Any]]) -> None:
    """Reads begin, and go on by turns while merges go on, blobs vanish and items are added."""
    with limits(**SMALL):
        world = DatasetWorld()
        tasks: list[tuple[Coroutine[Any, Any, Any], list[Item] | None]] = []
        for kind, given_ in steps:
            if kind == "push":
                world.push(items(*given_, first=len(world.items)))
            elif kind == "merge":
                tasks.append((world.merger().tick(), None))
                turn(tasks, given_)
            elif kind == "read":
                start, length, desc = given_
                expected = world.items[start : start + length]
                end = start + len(expected)
                tasks.append((world.reading(start, end, desc=desc), expected[::-1] if desc else expected))
                turn(tasks, 2)
            else:
                world.collect_garbage()
            world.check_rows()
        turn(tasks, 100_000)
        assert tasks == []
        world.check_rows()
        assert world.read() == world.items
        assert world.read(desc=True) == world.items[::-1]


def turn(tasks: list[tuple[Coroutine[Any, Any, Any], list[Item] | None]], count: int) -> None:
    """Give each task so many turns, one after the other."""
    for _ in range(count):
        if not tasks:
            return
        for task in [*tasks]:
            try:
                task[0].send(None)
            except StopIteration as end:
                tasks.remove(task)
                assert task[1] is None or end.value == task[1]


class Killed(BaseException):
    """What nobody catches: the process is gone."""


@FILLS
@pytest.mark.parametrize("crash", [Killed(), BackendUnavailable()], ids=["killed", "unavailable"])
def test_a_merge_may_end_anywhere(crash: BaseException, fills: Callable[[DatasetWorld], None]) -> None:
    turns = 0
    ended = False
    while not ended:
        world = DatasetWorld()
        fills(world)
        work = world.merger().tick()
        ended = interrupted(work, turns, crash)
        world.check_rows()
        assert world.read() == world.items
        fill(world, 3)
        recover(world)
        turns += 1
    assert turns > 15


def interrupted(work: Coroutine[Any, Any, None], turns: int, crash: BaseException) -> bool:
    """Run so many turns, then end it; whether it had ended by itself."""
    try:
        for _ in range(turns):
            work.send(None)
        with suppress(BackendUnavailable, Killed):
            work.throw(crash)
            drive(work)
    except StopIteration:
        return True
    return False


def recover(world: DatasetWorld) -> None:
    """Another server takes over when the lease is over, and nothing is left behind."""
    drive(world.clock.advance(MERGE_LEASE_SECS + 1))
    drive(world.merger().tick())
    assert world.rows("SELECT dataset_id FROM dataset_merges") == []
    world.check_rows()
    world.check_blobs()
    world.collect_garbage()
    world.check_rows()
    assert world.read() == world.items


def test_a_failed_merger_begins_again_without_waiting() -> None:
    world = DatasetWorld()
    fill(world, 9)
    merger = world.merger()
    assert not interrupted(merger.tick(), 12, BackendUnavailable())
    assert world.rows("SELECT claim FROM dataset_merges WHERE claim <> ''") != []
    drive(merger.tick())
    assert world.rows("SELECT dataset_id FROM dataset_merges") == []
    world.check_rows()


def test_a_claim_of_another_server_is_respected() -> None:
    world = DatasetWorld()
    fill(world, 9)
    other = world.merger().tick()
    for _ in range(8):
        other.send(None)
    claims = [row["claim"] for row in world.rows("SELECT claim FROM dataset_merges")]
    drive(world.merger().tick())
    assert [row["claim"] for row in world.rows("SELECT claim FROM dataset_merges")] == claims
    drive(other)
    assert world.read() == world.items
    world.check_rows()


@FILLS
def test_who_comes_too_late_takes_its_blob_back(fills: Callable[[DatasetWorld], None]) -> None:
    ended, turns = False, 0
    while not ended:
        world = DatasetWorld()
        fills(world)
        late = world.merger().tick()
        ended = False
        try:
            for _ in range(turns):
                late.send(None)
        except StopIteration:
            ended = True
        drive(world.clock.advance(MERGE_LEASE_SECS + 1))
        drive(world.merger().tick())
        world.collect_garbage()
        if not ended:
            drive(late)
        world.check_rows()
        world.check_blobs()
        assert world.read() == world.items
        turns += 1
    assert turns > 15


@FILLS
def test_a_dataset_deleted_meanwhile_leaves_nothing(fills: Callable[[DatasetWorld], None]) -> None:
    ended, turns = False, 0
    while not ended:
        world = DatasetWorld()
        fills(world)
        work = world.merger().tick()
        try:
            for _ in range(turns):
                work.send(None)
        except StopIteration:
            ended = True
        drive(world.shelf.datasets.delete(ALICE, world.id))
        world.sweep()
        world.collect_garbage()
        if not ended:
            drive(work)
        drive(world.clock.advance(MERGE_LEASE_SECS + 1))
        drive(world.merger().tick())
        world.collect_garbage()
        assert world.chunks() == []
        assert world.rows("SELECT dataset_id FROM dataset_merges") == []
        assert world.blobs._blobs == {}
        turns += 1
    assert turns > 15


@pytest.mark.parametrize("desc", [False, True])
def test_a_reader_of_a_deleted_dataset_is_told(desc: bool) -> None:
    world = DatasetWorld()
    fill(world, 20)
    reading = world.reading(0, len(world.items), desc=desc)
    for _ in range(6):
        reading.send(None)
    drive(world.shelf.datasets.delete(ALICE, world.id))
    world.sweep()
    world.collect_garbage()
    with pytest.raises(DatasetCutShort):
        drive(reading)
    with pytest.raises(NotFound):
        drive(world.shelf.datasets.get(ALICE, world.id))


@pytest.mark.parametrize("gone", ["first_index < 5", "first_index BETWEEN 4 AND 8"])
def test_a_half_cleared_dataset_gives_no_wrong_items(gone: str) -> None:
    world = DatasetWorld()
    fill(world, 20)

    def step(tx: Tx) -> None:
        tx.run(f"DELETE FROM dataset_chunks WHERE {gone}")

    drive(world.database.write(step))
    for desc in (False, True):
        with pytest.raises(DatasetCutShort):
            world.read(2, 12, desc=desc)
    with pytest.raises(DatasetCutShort):
        drive(columns(world, 2, 12))


async def columns(world: DatasetWorld, start: int, end: int) -> list[Any]:
    return [one async for one in world.reader.columns(world.id, start=start, end=end)]


def test_a_dataset_that_becomes_due_while_it_is_looked_at_stays_due() -> None:
    world = DatasetWorld()

    def due(tx: Tx) -> None:
        tx.run("INSERT INTO dataset_merges (dataset_id) VALUES (:id)", id=world.id)

    drive(world.database.write(due))
    work = world.merger().tick()
    while world.rows("SELECT claim FROM dataset_merges")[0]["claim"] == "":
        work.send(None)
    push_tiny(world, 4)
    drive(work)
    assert world.rows("SELECT claim FROM dataset_merges")[0]["claim"] == ""
    drive(world.merger().tick())
    assert sum(row["level"] == 0 for row in world.chunks()) < 4
    world.check_rows()


def test_a_missing_blob_is_told_and_holds_up_no_other_dataset() -> None:
    world = DatasetWorld()
    fill(world, 9)
    key = next(row["blob_key"] for row in world.chunks() if row["blob_key"])
    drive(world.blobs.delete(key))
    other = drive(world.shelf.datasets.get_or_create(ALICE, None))[0].id
    for _ in range(8):
        drive(world.shelf.datasets.push(ALICE, other, b'{"a":1}'))
    with pytest.raises(DatasetCutShort):
        world.read()
    drive(world.merger().tick())
    due = [row["dataset_id"] for row in world.rows("SELECT dataset_id FROM dataset_merges")]
    assert due == [world.id]
