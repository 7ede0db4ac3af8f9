"""A tree of path segments: finds a template in one dictionary look-up per segment, whatever the number of paths."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote

from actorium.http.errors import InvalidParameter

T = TypeVar("T")


@dataclass(slots=True)
class _Node(Generic[T]):
    static: dict[str, _Node[T]] = field(default_factory=dict)
    param: _Node[T] | None = None
    leaf: T | None = None
    tail: T | None = None
    """What answers everything below: the template ends in ``{name*}``."""

    def copy(self) -> _Node[T]:
        static = {segment: child.copy() for segment, child in self.static.items()}
        return _Node(static, self.param and self.param.copy(), self.leaf, self.tail)

    def adopt(self, other: _Node[T]) -> None:
        """Take over what the other node has and this one lacks, at every depth."""
        self.leaf = other.leaf if self.leaf is None else self.leaf
        self.tail = other.tail if self.tail is None else self.tail
        for segment, child in other.static.items():
            if segment in self.static:
                self.static[segment].adopt(child)
            else:
                self.static[segment] = child.copy()
        if other.param is None:
            return
        if self.param is None:
            self.param = other.param.copy()
        else:
            self.param.adopt(other.param)

    def settle(self) -> None:
        """Let static segments answer what only the parameter beside them knows, so that a search never turns back."""
        for child in self.static.values():
            if self.param is not None:
                child.adopt(self.param)
            child.settle()
        if self.param is not None:
            self.param.settle()


class Trie(Generic[T]):
    """Path templates and what answers them. Static segments win over parameters.

    ``builds/default`` beside ``builds/{buildId}/openapi.json``: the path ``builds/default/openapi.json`` is found too.
    """

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def put(self, template: str, leaf: T) -> None:
        """Add a template that is not there yet; call ``settle`` after the last one."""
        node = self._root
        for segment in split_template(template):
            if segment.endswith("*}"):
                node.tail = leaf
                return
            if segment.startswith("{"):
                node.param = node.param or _Node()
                node = node.param
            else:
                node = node.static.setdefault(segment, _Node())
        assert node.leaf is None, f"two leaves for {template}"
        node.leaf = leaf

    def settle(self) -> None:
        self._root.settle()

    def find(self, segments: list[str]) -> T | None:
        """What answers the path, or None."""
        node, tail = self._root, None
        for segment in segments:
            tail = node.tail or tail
            child = node.static.get(segment)
            if child is None:
                if node.param is None or not segment:
                    return tail
                child = node.param
            node = child
        return node.leaf or node.tail or tail


def split_template(template: str) -> list[str]:
    """Segments of a path template, parameters still in braces."""
    return [segment for segment in template.split("/") if segment]


def param_places(template: str) -> tuple[tuple[str, int], ...]:
    """Names of a template's parameters with the place of their segment."""
    segments = split_template(template)
    places = [(s[1:-1].rstrip("*"), at) for at, s in enumerate(segments) if s.startswith("{")]
    if len({name for name, _ in places}) < len(places):
        raise ValueError(f"a parameter occurs twice in {template}")
    return tuple(places)


def split_path(raw_path: bytes) -> list[str]:
    """Decoded segments of a request path; an encoded slash stays inside its segment. Raises InvalidParameter."""
    try:
        path = raw_path.decode("utf-8")
        segments = path[1:].split("/")
        if "%" in path:
            segments = [unquote(segment, errors="strict") for segment in segments]
    except UnicodeDecodeError:
        raise InvalidParameter("The path of the URL is not valid UTF-8 after percent-decoding.") from None
    if "%00" in path or "\0" in path:
        raise InvalidParameter("The path of the URL contains a zero character.")
    if not segments[-1]:
        segments.pop()
    return segments
