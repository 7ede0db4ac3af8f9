"""Who keeps a container: a lock that the kernel takes back when its holder dies, however it dies.

POSIX record locks are not inherited by forks and tell their holder's process id to whoever asks, without being touched.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

_FLOCK = "=hhxxxxqqixxxx"  # struct flock of 64-bit Linux: type, whence, start, length, pid


def take(path: Path) -> int | None:
    """Hold the lock from now until this process ends or closes any descriptor of the file; None: another holds it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def holder(path: Path) -> int | None:
    """The process that holds the lock; None: nobody. The asking process itself is not seen."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        question = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, question))
    finally:
        os.close(fd)
    return None if kind == fcntl.F_UNLCK else pid
