"""How many files and sockets a process may have open: a limit that shells and services set low, mostly to 1024."""

from __future__ import annotations

import contextlib
import resource

_MANY = 1_048_576
"""Taken for a limit that is said to be none."""


def raise_limit() -> None:
    """Let this process, and those that it starts, have as many as they may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # macOS says "no limit" and means another one
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limit() -> int:
    """How many this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MANY if soft == resource.RLIM_INFINITY else soft


def share(descriptors: int, holders: int, *, at_most: int) -> int:
    """What each of so many holders may take, so that all together leave half of them to everything else."""
    return max(1, min(at_most, descriptors // 2 // holders))
