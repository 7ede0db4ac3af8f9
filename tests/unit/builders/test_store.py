"""The builder's folder: publishing, forgetting, and locks."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from actorium.builders.process.store import Entry, Store
from actorium.executors.process.image import ProcessImage, save
from actorium.executors.trees import are_apart, keep_apart
from actorium.kernel.clock import SystemClock
from actorium.kernel.limits import BUILD_LAYER_KEPT_SECS

pytestmark = pytest.mark.anyio
CLOCK = SystemClock()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "state")
    for owner in (1, 2):
        made.prepare(owner, "actor", None)
    return made


def layer(store: Store, owner: int, name: str) -> Path:
    upper = store.work(owner, "b") / name
    upper.mkdir(parents=True)
    (upper / "file").touch()
    store.publish(owner, f"key-{name}", Entry(layer=name, size_bytes=1), upper)
    return store.layer(owner, name)


def image(store: Store, reference: str, *layers: Path) -> None:
    save(store.image(reference), ProcessImage(layers=tuple(str(each) for each in layers)))


def test_published_layers_are_found_by_their_owner_only(store: Store) -> None:
    path = layer(store, 1, "a")
    assert path.joinpath("file").exists()
    assert store.lookup(1, "key-a") == Entry(layer="a", size_bytes=1)
    assert store.lookup(2, "key-a") is None
    path.rename(path.with_name("gone"))
    assert store.lookup(1, "key-a") is None


def test_publishing_twice_keeps_the_first(store: Store) -> None:
    first = layer(store, 1, "a")
    (first / "mark").touch()
    assert layer(store, 1, "a").joinpath("mark").exists()


def test_remove_keeps_what_others_need(store: Store) -> None:
    shared, own, other = layer(store, 1, "shared"), layer(store, 1, "own"), layer(store, 1, "other")
    image(store, "one", shared, own)
    image(store, "two", shared, other)
    store.remove("one")
    store.remove("one")
    store.remove("never-there")
    assert (shared.exists(), own.exists(), other.exists()) == (True, False, True)
    assert not store.image("one").exists()


async def test_nothing_is_deleted_below_a_running_build(store: Store) -> None:
    own = layer(store, 1, "own")
    image(store, "one", own)
    async with store.owner_in_use(1, CLOCK), store.owner_in_use(1, CLOCK):
        store.remove("one")
        assert own.exists()
        store.prune(CLOCK.now() / 1000 + 2 * BUILD_LAYER_KEPT_SECS)
        assert own.exists()
    store.prune(CLOCK.now() / 1000)
    assert own.exists()
    store.prune(CLOCK.now() / 1000 + 2 * BUILD_LAYER_KEPT_SECS)
    assert not own.exists()


def test_prune_forgets_keys_that_lead_nowhere_and_steps_that_no_build_used_for_long(store: Store) -> None:
    own, gone = layer(store, 1, "own"), layer(store, 1, "gone")
    image(store, "one", own)
    gone.rename(gone.with_name("elsewhere"))
    store.publish(1, "key-nothing", Entry(layer="", size_bytes=0), None)
    index = store.root / "index" / "1"
    (index / "key-broken").write_text("{")
    store.prune(CLOCK.now() / 1000)
    assert sorted(path.name for path in index.iterdir()) == ["key-nothing", "key-own"]
    store.prune(CLOCK.now() / 1000 + 2 * BUILD_LAYER_KEPT_SECS)
    assert [path.name for path in index.iterdir()] == ["key-own"]


async def test_the_lock_of_a_step_that_fails_is_gone_and_the_next_in_line_is_told_of_the_wait(store: Store) -> None:
    waits = []
    with pytest.raises(RuntimeError):
        async with store.only_one(1, "key", CLOCK, on_wait=lambda: waits.append(1)):
            waiting = asyncio.ensure_future(_taken(store, waits))
            await asyncio.wait([waiting], timeout=0.01)
            raise RuntimeError
    await waiting
    assert waits == [2]
    assert not list((store.root / "locks").glob("*key*"))


async def _taken(store: Store, waits: list[int]) -> None:
    async with store.only_one(1, "key", CLOCK, on_wait=lambda: waits.append(2)):
        pass


def test_prune_empties_a_package_cache_that_has_grown_too_large(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actorium.builders.process.store.BUILD_CACHE_BYTES_MAX", 100_000)
    for owner, size in ((1, 200_000), (2, 50_000)):
        (store.cache(owner, "actor") / "uv").mkdir()
        (store.cache(owner, "actor") / "uv/wheel").write_bytes(b"x" * size)
        (store.cache(owner, "actor") / "uv/link").symlink_to("/")
    mode = store.cache(1, "actor").stat().st_mode
    store.prune(0)
    assert list(store.cache(1, "actor").iterdir()) == []
    assert store.cache(1, "actor").stat().st_mode == mode
    assert (store.cache(2, "actor") / "uv/wheel").exists()
    assert sorted(path.name for path in store.cache(1, "actor").parents[1].iterdir()) == ["1", "2"]


async def test_prune_removes_the_locks_of_killed_builds_only(store: Store) -> None:
    left = store.root / "locks/1-left"
    left.touch()
    async with store.only_one(1, "held", CLOCK):
        store.prune(0)
        assert (store.root / "locks/1-held").exists()
        assert not left.exists()


def test_prune_removes_what_killed_builds_left(store: Store) -> None:
    left = store.work(1, "killed")
    (left / "1/usr").mkdir(parents=True)
    store.prune(0)
    assert not left.exists()


def test_prune_removes_package_caches_that_no_build_used_for_long(store: Store) -> None:
    assert store.cache(1, "actor").is_dir()
    assert store.cache(1, "actor") != store.cache(1, "other")
    store.prune(CLOCK.now() / 1000)
    assert store.cache(1, "actor").exists()
    store.prune(CLOCK.now() / 1000 + 2 * BUILD_LAYER_KEPT_SECS)
    assert not store.cache(1, "actor").exists()


async def test_only_one_at_a_time(store: Store) -> None:
    inside, most, order = 0, 0, []

    async def work(number: int) -> None:
        nonlocal inside, most
        async with store.only_one(1, "key", CLOCK):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            order.append(number)
            inside -= 1

    await asyncio.gather(*(work(number) for number in range(5)))
    assert (most, sorted(order)) == (1, list(range(5)))
    assert not list((store.root / "locks").glob("*key*"))


async def test_a_lock_is_free_after_a_cancelled_wait(store: Store) -> None:
    async with store.only_one(1, "key", CLOCK):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), store.only_one(1, "key", CLOCK):
                pass
    async with asyncio.timeout(5), store.only_one(1, "key", CLOCK):
        pass


def test_the_folder_is_private(store: Store) -> None:
    assert store.root.stat().st_mode & 0o077 == 0


def test_each_build_gets_a_place_of_its_own_on_the_disk(store: Store) -> None:
    keep_apart(store.root)
    if not are_apart(store.root):
        pytest.skip("this file system has no mark for folders whose trees have nothing to do with each other")
    work = store.work(1, "build")
    work.mkdir()
    assert are_apart(work.parent)
    assert not are_apart(work), "the layers of one build belong together"


def test_pruning_takes_away_what_is_deeper_than_any_path(store: Store) -> None:
    root = store.work(1, "killed")
    root.mkdir()
    here = os.open(root, os.O_RDONLY)
    for _ in range(sys.getrecursionlimit() + 50):
        os.mkdir("folder", dir_fd=here)
        below = os.open("folder", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    half = store.layer(1, ".half-deleted")
    half.mkdir()
    store.prune(CLOCK.now() / 1000 + 2 * BUILD_LAYER_KEPT_SECS)
    assert not root.exists()
    assert not half.exists()


def test_what_fails_for_one_owner_keeps_no_other_from_being_pruned(store: Store) -> None:
    own, lost = layer(store, 2, "own"), store.root / "locks" / "1-lost"
    lost.touch()
    broken = store.root / "index" / "1" / "key"
    broken.mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        store.prune(CLOCK.now() / 1000 + 2 * BUILD_LAYER_KEPT_SECS)
    assert caught.value.__notes__ == ["while pruning builds of owner 1"]
    assert not own.exists()
    assert not lost.exists()
