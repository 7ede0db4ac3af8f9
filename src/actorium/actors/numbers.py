"""Version and build numbers as integers that sort as the numbers do."""

from __future__ import annotations


def number_int(version: str) -> int:
    """A version MAJOR.MINOR as builds count it: major times 10^7 plus minor times 10^5; a build adds its own number."""
    major, minor = version.split(".")
    return int(major) * 10_000_000 + int(minor) * 100_000
