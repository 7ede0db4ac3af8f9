"""Path patterns of ``.dockerignore`` and of COPY sources, matched in linear time whatever the pattern."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from actorium.builders import BuildFailed
from actorium.kernel.limits import IGNORE_PATTERNS_MAX

PATH_BYTES_MAX, NAME_BYTES_MAX = 4000, 255  # the kernel's own, less what lies above the source


class PatternError(ValueError):
    """A pattern cannot be read."""


def matches(pattern: str, path: str) -> bool:
    """Whether a COPY source pattern names this path; ``*`` and ``?`` stay within one folder."""
    return _compiled("/".join(_part(part) for part in pattern.split("/"))).fullmatch(path) is not None


def has_wildcard(pattern: str) -> bool:
    return any(mark in pattern for mark in "*?[")


class Ignore:
    """The rules of a ``.dockerignore``: the last one that matches a path or a folder above it decides."""

    def __init__(self, text: str) -> None:
        """Read the rules. Raises ``PatternError``."""
        lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines()]
        rules = [line for line in lines if line and not line.startswith("#")]
        if len(rules) > IGNORE_PATTERNS_MAX:
            raise PatternError(f"it has more than {IGNORE_PATTERNS_MAX} lines")
        self._rules = [rule for line in rules if (rule := _rule(line)) is not None]

    def __call__(self, path: str) -> bool:
        """Whether the path is left out."""
        ignored = False
        for keep, rule in self._rules:
            if ignored == keep and rule.match(path):
                ignored = not keep
        return ignored


def context_files(files: Mapping[str, bytes], dockerfile: str) -> dict[str, bytes]:
    """The source files that COPY can see, in order of their paths. Raises ``BuildFailed``."""
    ignore = _ignore(files, dockerfile)
    return {path: files[path] for path in sorted(files) if not ignore(path)}


def context_folders(folders: Iterable[str], files: Mapping[str, bytes], dockerfile: str) -> tuple[str, ...]:
    """The same of folders without files. Raises ``BuildFailed``."""
    ignore = _ignore(files, dockerfile)
    return tuple(path for path in sorted(folders) if not ignore(path))


def _ignore(files: Mapping[str, bytes], dockerfile: str) -> Ignore:
    for name in (f"{dockerfile}.dockerignore", ".dockerignore"):
        if name in files:
            try:
                return Ignore(files[name].decode("utf-8", "replace"))
            except PatternError as error:
                raise BuildFailed(f"{name}: {error}") from error
    return Ignore("")


def _rule(line: str) -> tuple[bool, re.Pattern[str]] | None:
    keep = line.startswith("!")
    pattern = posixpath.normpath("/" + line.removeprefix("!").strip()).lstrip("/")
    return (keep, _compiled(_tree(pattern))) if pattern else None


def _tree(pattern: str) -> str:
    """A regular expression of a path or of anything below it; ``**`` stands for any number of folders.

    The leftmost place where the parts after a ``**`` fit is as good as any later one, so each is an atomic group.
    """
    segments: list[list[str]] = [[]]
    for part in pattern.split("/"):
        if part.startswith("**"):
            segments.append([])
        if part.strip("*") or not part.startswith("**"):
            segments[-1].append(_part(part))
    first, *others = segments
    out = "/".join(first) + ("/" if first and others else "")
    for index, segment in enumerate(others):
        if segment:
            joint = "/" if index < len(others) - 1 else ""
            out += rf"(?>(?:[^/]*/)*?{'/'.join(segment)}(?=/|\Z)){joint}"
        elif index == len(others) - 1:
            out += ".+"
    return rf"{out}(?=/|\Z)"


def _part(part: str) -> str:
    """One folder's or file's name. Between two stars the leftmost fit is enough, as in ``fnmatch``."""
    pieces = _pieces(part)
    if len(pieces) == 1:
        return pieces[0]
    middle = "".join(rf"(?>[^/]*?{piece})" for piece in pieces[1:-1] if piece)
    return rf"{pieces[0]}{middle}[^/]*{pieces[-1]}(?=/|\Z)"


def _pieces(part: str) -> list[str]:
    pieces, at = [""], 0
    while at < len(part):
        char = part[at]
        at += 1
        if char == "*":
            if pieces[-1] or len(pieces) == 1:  # ** within a name is *
                pieces.append("")
        elif char == "?":
            pieces[-1] += "[^/]"
        elif char == "[":
            at, chosen = _choice(part, at)
            pieces[-1] += chosen
        elif char == "\\" and at < len(part):
            pieces[-1] += re.escape(part[at])
            at += 1
        else:
            pieces[-1] += re.escape(char)
    return pieces


def _choice(part: str, at: int) -> tuple[int, str]:
    end = part.find("]", at + (2 if part[at : at + 1] in ("^", "!") else 1))
    if end < 0:
        raise PatternError(f"the [ in {part[:60]} is never closed")
    inside = part[at:end]
    negated = inside[:1] in ("^", "!")
    ranges = _ranges(inside[1:] if negated else inside)
    return end + 1, (rf"(?!/)[^{ranges}]" if negated else f"[{ranges}]")


def _ranges(inside: str) -> str:
    out: list[str] = []
    for match in re.finditer(r"(.)-(.)|(.)", inside, re.DOTALL):
        low, high, single = match.groups()
        if single is None and low > high:
            raise PatternError(f"the range {low}-{high} runs backwards")
        out.append(re.escape(single) if single is not None else f"{re.escape(low)}-{re.escape(high)}")
    return "".join(out)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)


def checked_names(names: Iterable[str]) -> None:
    """Defence in depth: source names stay within the build. Raises ``BuildFailed``."""
    for name in names:
        parts = name.split("/")
        if not name or "\0" in name or "\\" in name or name.startswith("/") or {"", ".", ".."} & set(parts):
            raise BuildFailed(f"the source file name {name[:200]!r} is not a plain path within the source")
        if _bytes(name) > PATH_BYTES_MAX or any(_bytes(part) > NAME_BYTES_MAX for part in parts):
            raise BuildFailed(f"the source file name {name[:80]!r}... is too long")


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
