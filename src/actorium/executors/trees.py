"""Folder trees of any depth, walked and deleted by descriptors.

What builds and runs leave is theirs to shape. A tree may be deeper than this process may call itself or hold
descriptors, and its paths longer than the kernel takes; ``os.walk`` and ``shutil.rmtree`` end there with an error.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FLAGS = struct.Struct("l")
_GET_FLAGS, _SET_FLAGS, _TOP_FOLDER = 0x80086601, 0x40086602, 0x20000  # linux/fs.h: FS_IOC_*FLAGS, FS_TOPDIR_FL
_HELD = 64
"""So many levels keep their descriptor during a walk; the way back from deeper ones is ``..``."""
_COUNTS = 3


class TreeMoved(OSError):
    """A folder was moved away while it was walked."""


def walk(root: Path) -> Iterator[tuple[int, list[str], list[str]]]:
    """Each folder of a tree, those above first: its descriptor, open until the next one, its folders, its files.

    What disappears meanwhile or may not be read is left out, links are files. Raises ``TreeMoved``.
    """
    try:
        here = os.open(root, _FOLDER)
    except OSError:
        return
    way: list[_Level] = []
    try:
        folders, files = _listed(here)
        yield here, list(folders), files
        way.append(_Level(here, folders))
        while way:
            if not way[-1].todo:
                here = _up(way, here)
                continue
            try:
                below = os.open(way[-1].todo.pop(), _FOLDER, dir_fd=here)
            except OSError:
                continue
            if not way[-1].is_held:
                os.close(here)
            here = below
            folders, files = _listed(here)
            yield here, list(folders), files
            way.append(_Level(here, folders, is_held=len(way) < _HELD))
    finally:
        for level in way:
            if level.is_held and level.descriptor != here:
                os.close(level.descriptor)
        with contextlib.suppress(OSError):
            os.close(here)


class _Level:
    """A folder on the way down, and what of it is still to be walked."""

    def __init__(self, descriptor: int, todo: list[str], *, is_held: bool = True) -> None:
        self.descriptor, self.todo, self.is_held = descriptor, todo, is_held
        self.seen = os.fstat(descriptor)


def _up(way: list[_Level], here: int) -> int:
    """Leave the last folder of the way. Returns the descriptor of the one above, which stays ``here`` at the root."""
    way.pop()
    if not way:
        return here
    above = way[-1]
    if above.is_held:
        os.close(here)
        return above.descriptor
    parent = os.open("..", _FOLDER, dir_fd=here)
    if not os.path.samestat(os.fstat(parent), above.seen):
        os.close(parent)
        raise TreeMoved(errno.ESTALE, "a folder was moved away while it was walked")
    os.close(here)
    return parent


def delete_tree(root: Path) -> None:
    """Delete a folder and everything below it, also what its owner may not open; links are not followed.

    What resists is left behind without an error, as ``shutil.rmtree`` does it with ``ignore_errors``. Nobody else may
    write to the tree meanwhile.
    """
    with contextlib.suppress(OSError):
        here = _opened(root)
        try:
            _emptied(here)
        finally:
            os.close(here)
        root.rmdir()


def _emptied(root: int) -> None:
    """Folder by folder down and up again; what lies deeper than descriptors are held is moved up to the root first."""
    way = [_Deleted(root, "")]
    count = 0
    try:
        while way[0].todo or len(way) > 1:
            here = way[-1]
            if not here.todo:
                os.close(way.pop().descriptor)
                with contextlib.suppress(OSError):
                    os.rmdir(here.name, dir_fd=way[-1].descriptor)
                continue
            name = here.todo.pop()
            with contextlib.suppress(OSError):
                if len(way) < _HELD:
                    way.append(_Deleted(_opened(name, here.descriptor), name))
                else:
                    count = _raised(name, here.descriptor, way[0], count)
    finally:
        for level in way[1:]:
            os.close(level.descriptor)


class _Deleted:
    """A folder whose files are gone, and the folders that are still in it."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.descriptor, self.name = descriptor, name
        self.todo, files = _listed(descriptor)
        for file in files:
            with contextlib.suppress(OSError):
                os.unlink(file, dir_fd=descriptor)


def _raised(folder: str, parent: int, root: _Deleted, count: int) -> int:
    """Move a folder up to the root, under a name that nothing else has there. Returns how many names were used."""
    if os.geteuid() != 0:  # its own ".." changes
        os.close(_opened(folder, parent))
    while True:
        count += 1
        name = f".deleted-{os.getpid()}-{count}"
        try:
            os.rename(folder, name, src_dir_fd=parent, dst_dir_fd=root.descriptor)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                return count
        else:
            root.todo.append(name)
            return count


def _opened(name: str | Path, parent: int | None = None) -> int:
    """A folder's descriptor. Others than root get the right to read and empty it first. Raises OSError."""
    if os.geteuid() != 0:
        place = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            os.chmod(f"/proc/self/fd/{place}", 0o700)  # noqa: PTH101 - the one that is open, whatever its name means now
        finally:
            os.close(place)
    return os.open(name, _FOLDER, dir_fd=parent)


def _listed(folder: int) -> tuple[list[str], list[str]]:
    folders: list[str] = []
    files: list[str] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
    return folders, files


def blocks_below(root: Path, *, since_ns: int = 0) -> int:
    """Bytes of disk that the files and folders of a tree take, those left out that did not change since then. A file
    with several names counts once.

    A tree whose deep folders are moved about again and again hides from being counted: more than any disk has.
    """
    for _ in range(_COUNTS):
        with contextlib.suppress(TreeMoved):
            return _blocks_below(root, since_ns)
    return 1 << 62


def _blocks_below(root: Path, since_ns: int) -> int:
    total = 0
    seen: set[tuple[int, int]] = set()  # no more of them than the disk has blocks
    for descriptor, _, files in walk(root):
        total += _blocks(os.fstat(descriptor), since_ns)
        for name in files:
            with contextlib.suppress(OSError):
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                taken = _blocks(found, since_ns)
                if taken and found.st_nlink > 1:
                    taken = 0 if (found.st_dev, found.st_ino) in seen else taken
                    seen.add((found.st_dev, found.st_ino))
                total += taken
    return total


def _blocks(found: os.stat_result, since_ns: int) -> int:
    return found.st_blocks * 512 if found.st_ctime_ns >= since_ns else 0


def keep_apart(folder: Path) -> None:
    """Let the disk put each tree that is begun in this folder somewhere else, where it has a mark for that.

    ext4 makes a file near its folder. Without a journal it first walks past every file that was deleted there within
    the last minutes, so that what one tree left behind makes files of the next ten times as slow.
    """
    with contextlib.suppress(OSError):
        here = os.open(folder, _FOLDER)
        try:
            flags = _flags(here)
            if not flags & _TOP_FOLDER:
                fcntl.ioctl(here, _SET_FLAGS, _FLAGS.pack(flags | _TOP_FOLDER))
        finally:
            os.close(here)


def are_apart(folder: Path) -> bool:
    """Whether trees in this folder are kept apart."""
    with contextlib.suppress(OSError):
        here = os.open(folder, _FOLDER)
        try:
            return bool(_flags(here) & _TOP_FOLDER)
        finally:
            os.close(here)
    return False


def _flags(folder: int) -> int:
    flags: int = _FLAGS.unpack(fcntl.ioctl(folder, _GET_FLAGS, bytes(_FLAGS.size)))[0]
    return flags
