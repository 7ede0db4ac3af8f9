"""The names of a source, sorted, so that what a COPY names is found without a look at all others."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable

from actorium.builders import BuildFailed
from actorium.builders.process.patterns import Ignore, PatternError, has_wildcard, part_matcher
from actorium.builders.process.threads import StopMark
from actorium.kernel.limits import COPY_NAMES_MAX


class Looks:
    """How many names the sources of a build's COPY and ADD have led to; each costs time and nothing else bounds it."""

    def __init__(self, mark: StopMark | None = None, *, most: int = COPY_NAMES_MAX) -> None:
        self.mark = mark or StopMark()
        self._left = self._most = most

    def at(self, names: int) -> None:
        """Raises ``BuildFailed`` when that is too many."""
        self.mark.look()
        self._left -= names
        if self._left < 0:
            raise BuildFailed(
                f"the sources of COPY and ADD lead to more than {self._most} names of files in all: copy whole folders "
                "instead of patterns, copy them fewer times, or leave files out by a .dockerignore"
            )


class Names:
    """Paths within a source."""

    def __init__(self, paths: Collection[str], looks: Looks) -> None:
        self._all = frozenset(paths)
        self._sorted = sorted(paths)
        self._looks = looks
        self._listed: dict[str, list[tuple[str, bool]]] = {}

    def below(self, folder: str) -> list[str]:
        """Every path below a folder, empty for all of them."""
        low, high = self._range(f"{folder}/" if folder else "")
        self._looks.at(high - low)
        return self._sorted[low:high]

    def anywhere(self, pattern: str) -> list[str]:
        """The paths that fit a pattern with ``**``, or lie in a folder that does. Raises ``BuildFailed``."""
        self._looks.at(len(self._sorted) * (1 + pattern.count("*")))
        try:
            fits = Ignore(pattern)
        except PatternError as error:
            raise BuildFailed(f"COPY source {pattern}: {error}") from error
        return [path for path in self._sorted if fits(path)]

    def matching(self, pattern: str) -> dict[str, str]:
        """The paths that fit a pattern or lie in a folder that does: path → path below that. Raises ``BuildFailed``."""
        *above, last = _parts(pattern)
        found = [""]
        for part in above:
            found = [f"{prefix}{name}/" for prefix in found for name in self._fitting(prefix, part, folders=True)]
        out: dict[str, str] = {}
        for prefix in found:
            for name in self._fitting(prefix, last, folders=False):
                if prefix + name in self._all:
                    out[prefix + name] = ""
                start = len(prefix) + len(name) + 1
                out |= {path: path[start:] for path in self.below(prefix + name)}
        return out

    def _fitting(self, prefix: str, part: str | Callable[[str], bool], *, folders: bool) -> Iterable[str]:
        """The names just below a folder that fit one part of a pattern. The folder ends with a slash."""
        if isinstance(part, str):
            self._looks.at(1)
            return [part]
        children = self._children(prefix)
        self._looks.at(len(children))
        fits = part
        return dict.fromkeys(name for name, is_folder in children if (is_folder or not folders) and fits(name))

    def _children(self, prefix: str) -> list[tuple[str, bool]]:
        if prefix in self._listed:
            return self._listed[prefix]
        out = []
        at, end = self._range(prefix)
        while at < end:
            name, slash, _ = self._sorted[at][len(prefix) :].partition("/")
            out.append((name, bool(slash)))
            at = self._range(f"{prefix}{name}/")[1] if slash else at + 1
        self._listed[prefix] = out
        return out

    def _range(self, prefix: str) -> tuple[int, int]:
        """Where the paths with a prefix stand; it is empty or ends with a slash, and 0 comes next after that."""
        if not prefix:
            return 0, len(self._sorted)
        return bisect_left(self._sorted, prefix), bisect_left(self._sorted, f"{prefix[:-1]}0")


def _parts(pattern: str) -> list[str | Callable[[str], bool]]:
    try:
        return [part_matcher(part) if has_wildcard(part) or "\\" in part else part for part in pattern.split("/")]
    except PatternError as error:
        raise BuildFailed(f"COPY source {pattern}: {error}") from error
