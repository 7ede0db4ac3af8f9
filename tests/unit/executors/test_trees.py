"""Trees that are deeper than this process may call itself, with paths that no call of the kernel takes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actorium.executors.trees import TreeMoved, are_apart, blocks_below, delete_tree, keep_apart, walk

DEPTH = 1050
NAME = "deep-in-the-tree"  # 18 kB of path at the end


def dig(root: Path, *, depth: int = DEPTH, content: bytes = b"") -> None:
    """Folder in folder, a file in every tenth."""
    root.mkdir()
    here = os.open(root, os.O_RDONLY)
    for level in range(depth):
        os.mkdir(NAME, dir_fd=here)
        below = os.open(NAME, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
        if level % 10:
            continue
        file = os.open("file", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=here)
        os.write(file, content)
        os.close(file)
    os.close(here)


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    assert sys.getrecursionlimit() < DEPTH
    root = tmp_path_factory.mktemp("trees") / "deep"
    dig(root, content=b"x")
    yield root
    delete_tree(root)


def test_a_deep_tree_is_walked_with_few_descriptors(deep: Path) -> None:
    before, most, files = len(os.listdir("/proc/self/fd")), 0, 0
    for _, _, names in walk(deep):
        files += len(names)
        most = max(most, len(os.listdir("/proc/self/fd")))
    assert files == DEPTH // 10
    assert most < before + 80
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_walk_sees_each_folder_once_and_follows_no_link(tmp_path: Path) -> None:
    for path in ("a/b/c", "a/d", "e"):
        (tmp_path / "t" / path).mkdir(parents=True)
    (tmp_path / "t/e/link").symlink_to(tmp_path)
    (tmp_path / "t/a/b/c/file").touch()
    found = [(sorted(folders), files) for _, folders, files in walk(tmp_path / "t")]
    assert found[0] == (["a", "e"], [])
    assert sorted(found[1:]) == [([], []), ([], ["file"]), ([], ["link"]), (["b", "d"], []), (["c"], [])]
    assert list(walk(tmp_path / "none")) == []


def test_a_walk_left_early_keeps_no_descriptor(deep: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    steps = walk(deep)
    for _ in range(200):
        next(steps)
    steps.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_folder_that_is_moved_away_leads_a_walk_nowhere_else(tmp_path: Path) -> None:
    dig(tmp_path / "t", depth=100)
    (tmp_path / "aside").mkdir()
    steps = walk(tmp_path / "t")
    for _ in range(101):
        next(steps)
    inside = tmp_path.joinpath("t", *[NAME] * 90)
    inside.rename(tmp_path / "aside" / "moved")
    with pytest.raises(TreeMoved):
        list(steps)


def test_blocks_of_a_deep_tree(deep: Path) -> None:
    assert blocks_below(deep) >= DEPTH // 10 * 512
    assert blocks_below(deep, since_ns=1 << 62) == 0


def test_folders_take_blocks_as_well(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    folders = [tmp_path, tmp_path / "a", tmp_path / "a/b"]
    assert blocks_below(tmp_path) == sum(each.stat().st_blocks * 512 for each in folders)


def test_a_deep_tree_is_deleted_whole(deep: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    delete_tree(deep)
    assert not deep.exists()
    assert len(os.listdir("/proc/self/fd")) == before


def test_deleting_follows_no_link_and_opens_what_is_closed(tmp_path: Path) -> None:
    root, other = tmp_path / "t", tmp_path / "other"
    other.mkdir()
    (other / "kept").touch()
    (root / "a/closed/below").mkdir(parents=True)
    (root / "a/closed/below/file").touch()
    (root / "a/link").symlink_to(other)
    dig(root / "deep", depth=70)
    (root / f".deleted-{os.getpid()}-1").touch()  # gone before anything is moved
    (root / f".deleted-{os.getpid()}-2/deep").mkdir(parents=True)
    (root / "a/closed/below").chmod(0o500)
    (root / "a/closed").chmod(0)
    delete_tree(root)
    assert not root.exists()
    assert (other / "kept").exists()
    (tmp_path / "link").symlink_to(other)
    delete_tree(tmp_path / "link")
    delete_tree(tmp_path / "none")
    assert (other / "kept").exists()


def test_trees_are_kept_apart_where_the_file_system_can(tmp_path: Path) -> None:
    assert not are_apart(tmp_path)
    keep_apart(tmp_path)
    if not are_apart(tmp_path):
        pytest.skip("this file system has no mark for folders whose trees have nothing to do with each other")
    keep_apart(tmp_path)
    assert are_apart(tmp_path)


@pytest.mark.parametrize("folder", ["/proc/self/fdinfo", "/nowhere", "/dev/null"])
def test_what_cannot_be_kept_apart_stays_as_it_is(folder: str) -> None:
    keep_apart(Path(folder))
    assert not are_apart(Path(folder))


def test_a_file_with_several_names_counts_once(tmp_path: Path) -> None:
    """As in the caches of pnpm and uv."""
    (tmp_path / "one").write_bytes(bytes(1 << 20))
    before = blocks_below(tmp_path)
    for name in ("two", "three"):
        (tmp_path / name).hardlink_to(tmp_path / "one")
    assert blocks_below(tmp_path) == before
