"""Path patterns of ``.dockerignore`` and of COPY sources, matched in linear time whatever the pattern."""

from __future__ import annotations

import contextlib
import posixpath
import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache

from actorium.builders import BuildFailed
from actorium.builders.process.threads import StopMark
from actorium.kernel.limits import (
    IGNORE_CHARS_MAX,
    IGNORE_LOOKS_MAX,
    IGNORE_PATTERNS_MAX,
    IGNORE_TOGETHER,
    SOURCE_TREE_ENTRIES_MAX,
)

PATH_BYTES_MAX, NAME_BYTES_MAX = 4000, 255  # the kernel's own, less what lies above the source


class PatternError(ValueError):
    """A pattern cannot be read."""


def matches(pattern: str, path: str) -> bool:
    """Whether a COPY source pattern names this path; ``*`` and ``?`` stay within one folder."""
    return _compiled("/".join(_part(part) for part in pattern.split("/"))).fullmatch(path) is not None


def part_matcher(part: str) -> Callable[[str], bool]:
    """Whether a name without slashes fits one part of a COPY source pattern. Raises ``PatternError``."""
    fits = _compiled(_part(part)).fullmatch
    return lambda name: fits(name) is not None


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
        if sum(len(line) for line in rules) > IGNORE_CHARS_MAX:
            raise PatternError(f"its lines have more than {IGNORE_CHARS_MAX} characters in all")
        self._groups: list[_Group] = []
        """Rules that follow each other and say the same, the last ones first."""
        self.wildcards = 0
        for line in reversed(rules):
            keep = line.startswith("!")
            pattern = posixpath.normpath("/" + line.removeprefix("!").strip()).lstrip("/")
            if not pattern:
                continue
            if not self._groups or self._groups[-1].keep != keep:
                self._groups.append(_Group(keep))
            self.wildcards += self._groups[-1].add(pattern)

    def __call__(self, path: str) -> bool:
        """Whether the path is left out."""
        for group in self._groups:
            if group.matches(path):
                return not group.keep
        return False

    def kept(self, paths: Collection[str], mark: StopMark) -> list[str]:
        """The paths that are not left out, sorted. Raises ``PatternError``."""
        if sum(path.count("/") + 1 for path in paths) * self.wildcards > IGNORE_LOOKS_MAX:
            raise PatternError(
                f"{self.wildcards} patterns for {len(paths)} names are more than can be looked at: write names without "
                "* where they are known, or have fewer files in the source"
            )
        kept = []
        for path in sorted(paths):
            mark.look()
            if not self(path):
                kept.append(path)
        return kept


class _Group:
    def __init__(self, keep: bool) -> None:
        self.keep = keep
        self._names: set[str] = set()
        self._lengths: list[int] = []
        self._expressions: list[str] = []
        self._compiled: list[re.Pattern[str]] = []

    def add(self, pattern: str) -> bool:
        """Whether it is more than a plain name. Raises ``PatternError``."""
        if not has_wildcard(pattern) and "\\" not in pattern:
            self._names.add(pattern)
            self._lengths = sorted({len(name) for name in self._names})
            return False
        self._expressions.append(_tree(pattern))
        return True

    def matches(self, path: str) -> bool:
        for length in self._lengths:
            if path[length : length + 1] in ("", "/") and path[:length] in self._names:
                return True
        for at in range(0, len(self._expressions), IGNORE_TOGETHER):
            if at // IGNORE_TOGETHER == len(self._compiled):
                some = self._expressions[at : at + IGNORE_TOGETHER]
                self._compiled.append(re.compile("|".join(f"(?:{each})" for each in some), re.DOTALL))
            if self._compiled[at // IGNORE_TOGETHER].match(path) is not None:
                return True
        return False


def context_files(files: Mapping[str, bytes], dockerfile: str, mark: StopMark | None = None) -> dict[str, bytes]:
    """The source files that COPY can see, in order of their paths. Raises ``BuildFailed``."""
    return {path: files[path] for path in _kept(files, files, dockerfile, mark)}


def context_folders(
    folders: Collection[str],
    files: Mapping[str, bytes],
    kept: Collection[str],
    dockerfile: str,
    mark: StopMark | None = None,
) -> tuple[str, ...]:
    """The same of folders without files, or without any that is ``kept``. Raises ``BuildFailed``."""
    mark = mark or StopMark()
    found = set(_kept(folders, files, dockerfile, mark))
    with _rules(files, dockerfile) as ignore:
        if ignore is not None:
            found |= _emptied(sorted(files.keys() - set(kept)), sorted(kept), ignore, mark)
    return tuple(sorted(found))


def _emptied(left_out: list[str], kept: list[str], ignore: Ignore, mark: StopMark) -> set[str]:
    """The folders that stay though all their files are left out; of more than a source may have, the first ones."""
    gone, there, looks = set[str](), set[str](), 0
    emptied = set[str]()
    for path in left_out:
        mark.look()
        at = path.find("/")
        while at >= 0 and (folder := path[:at]) not in gone:
            at = path.find("/", at + 1)
            if folder in there:
                continue
            looks += (folder.count("/") + 1) * (1 + ignore.wildcards)
            if looks > IGNORE_LOOKS_MAX or len(there) > SOURCE_TREE_ENTRIES_MAX:
                return emptied
            if ignore(folder):
                gone.add(folder)
                break
            there.add(folder)
            place = bisect_left(kept, f"{folder}/")
            if place == len(kept) or not kept[place].startswith(f"{folder}/"):
                emptied.add(folder)
    return emptied


def _kept(paths: Collection[str], files: Mapping[str, bytes], dockerfile: str, mark: StopMark | None) -> list[str]:
    with _rules(files, dockerfile) as ignore:
        return ignore.kept(paths, mark or StopMark()) if ignore is not None else sorted(paths)


@contextlib.contextmanager
def _rules(files: Mapping[str, bytes], dockerfile: str) -> Iterator[Ignore | None]:
    """Those of the source, if it has some; what is wrong with them is told by their file's name."""
    name = next((each for each in (f"{dockerfile}.dockerignore", ".dockerignore") if each in files), None)
    try:
        yield Ignore(files[name].decode("utf-8", "replace")) if name is not None else None
    except PatternError as error:
        raise BuildFailed(f"{name}: {error}") from error


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
