"""What a draft-07 schema is made of, found by looking: how much work it can make, and how AJV would read it.

Nothing here compiles or checks anything, so nothing here can be made to take long: each part is visited once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from actorium.kernel.limits import SCHEMA_DEPTH_MAX, SCHEMA_PARTS_MAX, SCHEMA_PATTERNS_MAX, SCHEMA_STATES_MAX

Path = tuple[str | int, ...]

_ONE = ("additionalItems", "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then")
_LISTS = ("allOf", "anyOf", "items", "oneOf")
_MAPS = ("$defs", "definitions", "dependencies", "patternProperties", "properties")
_IDLE = ("$defs", "definitions")
"""Only references lead there."""
_ANNOTATIONS = ("contentEncoding", "contentMediaType")
"""AJV lets anything pass them."""
_COUNTED = re.compile(r"(\)?)\{(\d+)?(?:,(\d+)?)?\}")
_PATTERN_WEIGHT_MAX = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Weight:
    """How much work a schema makes: for each value up to ``parts`` checks, for each byte up to ``patterns`` steps."""

    parts: int
    patterns: int


def subschemas(schema: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """The schemas right below one, and where they are."""
    for keyword in _ONE:
        if isinstance(schema.get(keyword), dict):
            yield (keyword,), schema[keyword]
    for keyword in _LISTS:
        if isinstance(schema.get(keyword), list):
            for at, each in enumerate(schema[keyword]):
                yield (keyword, at), each
    for keyword in _MAPS:
        if isinstance(schema.get(keyword), dict):
            for name, each in schema[keyword].items():
                yield (keyword, name), each


def depth_of(value: Any) -> int:
    """How many levels of lists and objects there are, counted up to one more than a schema may have."""
    level, depth = [value], 0
    while depth <= SCHEMA_DEPTH_MAX:
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return depth
        depth += 1
    return depth


def readied(schema: Any) -> Any:
    """A copy in which ``nullable`` is spelled as a type, as AJV reads it, and what AJV takes for a remark is gone.

    The schema is no deeper than SCHEMA_DEPTH_MAX.
    """
    if not isinstance(schema, dict):
        return schema
    copy = {name: value for name, value in schema.items() if name not in _ANNOTATIONS}
    if schema.get("nullable") is True and "type" in schema:
        own = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        copy["type"] = own if "null" in own else [*own, "null"]
    for path, each in subschemas(copy):
        if len(path) == 1:
            copy[path[0]] = readied(each)
            continue
        keyword, at = path
        if copy[keyword] is schema[keyword]:
            copy[keyword] = schema[keyword].copy()
        copy[keyword][at] = readied(each)
    return copy


def weigh(schema: Mapping[str, Any]) -> Weight | None:
    """How much work a schema makes; None for one that looking is not enough for: it goes in circles, is too large, or
    has references and names that only a library follows."""
    scale = _Scale(schema)
    try:
        scale.count(schema)
        parts, patterns = scale.follow(schema)
    except _Beyond:
        return None
    return Weight(parts, patterns)


class _Beyond(Exception):
    """Looking is not enough."""


class _Scale:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._visited = self._patterns = self._states = 0
        self._known: dict[str, tuple[int, int]] = {}
        self._open: set[str] = set()

    def count(self, schema: Any) -> None:
        """Visit every part, those that nothing refers to as well: they are compiled, too."""
        self._visited += 1
        if self._visited > SCHEMA_PARTS_MAX:
            raise _Beyond
        if not isinstance(schema, dict):
            return
        if schema.get("format") == "regex" or ("$id" in schema and schema is not self._root):
            raise _Beyond
        for pattern in _patterns(schema):
            self._patterns += 1
            self._states += _pattern_weight(pattern)
        if self._patterns > SCHEMA_PATTERNS_MAX or self._states > SCHEMA_STATES_MAX:
            raise _Beyond
        for _, each in subschemas(schema):
            self.count(each)

    def follow(self, schema: Any) -> tuple[int, int]:
        """Parts and weight of patterns, references put in place of what they refer to."""
        if not isinstance(schema, dict):
            return 1, 0
        if "$ref" in schema:
            return self._referred(schema["$ref"])
        parts = 1 + sum(len(value) for value in schema.values() if isinstance(value, list))
        patterns = sum(map(_pattern_weight, _patterns(schema)))
        for path, each in subschemas(schema):
            if path[0] not in _IDLE:
                more_parts, more_patterns = self.follow(each)
                parts += more_parts
                patterns += more_patterns
        if parts > SCHEMA_PARTS_MAX:
            raise _Beyond
        return parts, patterns

    def _referred(self, reference: Any) -> tuple[int, int]:
        if not isinstance(reference, str) or reference in self._open:
            raise _Beyond
        if reference not in self._known:
            self._open.add(reference)
            self._known[reference] = self.follow(self._target(reference))
            self._open.remove(reference)
        return self._known[reference]

    def _target(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            raise _Beyond
        found = at(self._root, unescaped(reference))
        if not isinstance(found, dict | bool):
            raise _Beyond
        return found


def at(schema: Any, path: Path) -> Any:
    """What a schema has at a place; None where there is nothing."""
    for step in path:
        try:
            schema = schema[int(step) if isinstance(schema, list) else step]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return schema


def steps_of(pointer: str) -> Path:
    """The steps of a JSON pointer."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


def unescaped(pointer: str) -> Path:
    """The steps of a JSON pointer in a fragment, where characters may be encoded as in URLs."""
    return steps_of(unquote(pointer))


def _patterns(schema: Mapping[str, Any]) -> Iterator[str]:
    """The patterns of one part of a schema."""
    if isinstance(schema.get("pattern"), str):
        yield schema["pattern"]
    if isinstance(schema.get("patternProperties"), dict):
        yield from schema["patternProperties"]


def _pattern_weight(pattern: str) -> int:
    """About how many states a pattern has: counted repetitions are written out when it is compiled."""
    single, groups = 0, 1
    for closing, least, most in _COUNTED.findall(pattern):
        count = int((most or least or "1")[:6])
        if closing:
            groups = min(groups * max(count, 1), _PATTERN_WEIGHT_MAX)
        else:
            single += count
    return min(_PATTERN_WEIGHT_MAX, math.prod((len(pattern) + single, groups)))
