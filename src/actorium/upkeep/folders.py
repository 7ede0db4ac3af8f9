"""How much disk files and folders take."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

BLOCK_BYTES = 512  # what the kernel counts blocks in, whatever the file system's are


def disk_bytes(path: Path, *, leaving_out: Collection[str] = ()) -> int:
    """What a file or everything below a folder takes, a file with several names once; 0 if it is not there.

    ``leaving_out`` are names directly in the folder. Other file systems below it, and what this user may not read, are
    not counted.
    """
    try:
        top = path.lstat()
    except OSError:
        return 0
    size, folders, seen = top.st_blocks * BLOCK_BYTES, [path], set[int]()
    while folders:
        folder = folders.pop()
        for entry in _entries(folder):
            if folder == path and entry.name in leaving_out:
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # gone meanwhile
            if status.st_dev != top.st_dev or status.st_ino in seen:
                continue
            size += status.st_blocks * BLOCK_BYTES
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
            elif status.st_nlink > 1:
                seen.add(status.st_ino)
    return size


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
