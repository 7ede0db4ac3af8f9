"""``--chmod``: an octal number, or changes of the mode that a file has, as chmod(1) reads them."""

from __future__ import annotations

import re

_OCTAL = re.compile(r"[0-7]{1,4}")
_CHANGES = re.compile(r"[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+(?:,[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+)*")
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXstugo]*)+)")
_CHANGE = re.compile(r"([-+=])([rwxXstugo]*)")
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1}
_NOT_MASKED = 0o755  # what a change for nobody in particular reaches, as with the usual umask
CHARS_MAX = 100


def is_mode(text: str) -> bool:
    """Whether it can be read."""
    return len(text) <= CHARS_MAX and (_OCTAL.fullmatch(text) or _CHANGES.fullmatch(text)) is not None


def changed(mode: int, text: str) -> int:
    """A file's mode, of which only the permissions count, after what ``is_mode`` accepts."""
    mode &= 0o777
    if _OCTAL.fullmatch(text):
        return int(text, 8) & 0o777
    for whom, changes in _CLAUSE.findall(text):
        shifts = {_SHIFTS[each] for each in ("ugo" if "a" in whom or not whom else whom)}
        theirs = sum(7 << shift for shift in shifts)
        for sign, what in _CHANGE.findall(changes):
            bits = sum(_bits(mode, what) << shift for shift in shifts) & (theirs if whom else _NOT_MASKED)
            if sign == "=":
                mode &= ~theirs
            mode = mode & ~bits if sign == "-" else mode | bits
    return mode


def _bits(mode: int, what: str) -> int:
    if what in _SHIFTS:
        return mode >> _SHIFTS[what] & 7
    found = 0
    for letter in what:
        found |= int(bool(mode & 0o111)) if letter == "X" else _BITS.get(letter, 0)  # s and t mean nothing here
    return found
