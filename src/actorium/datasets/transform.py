"""What the items parameters do to items. Pure functions of one item at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Item = dict[str, Any]

SIMPLIFIED_FIELDS = ("url", "pageFunctionResult", "errorInfo")
SIMPLIFIED_UNWIND = ("pageFunctionResult",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """Skip failed pages, unwind, flatten, omit, pick and rename, hide, skip what is empty: in this order."""

    fields: tuple[str, ...] = ()
    output_fields: tuple[str, ...] = ()
    """New names of ``fields``, by position."""
    omit: frozenset[str] = frozenset()
    unwind: tuple[str, ...] = ()
    flatten: tuple[str, ...] = ()
    skip_hidden: bool = False
    skip_empty: bool = False
    skip_failed_pages: bool = False

    @property
    def changes_nothing(self) -> bool:
        return self == NOTHING

    def apply(self, item: Item) -> Iterator[Item]:
        """What comes out for one item: none, one, or many."""
        if self.skip_failed_pages and item.get("errorInfo"):
            return
        for unwound in _unwound(item, self.unwind):
            result = self._shaped(unwound)
            if result or not self.skip_empty:
                yield result

    def _shaped(self, item: Item) -> Item:
        for field in self.flatten:
            item = _flattened(item, field)
        if self.omit:
            item = {key: value for key, value in item.items() if key not in self.omit}
        if self.fields:
            names = self.output_fields or self.fields
            item = {name: item[field] for field, name in zip(self.fields, names, strict=True) if field in item}
        if self.skip_hidden:
            item = {key: value for key, value in item.items() if not key.startswith("#")}
        return item


NOTHING = Transform()


def _unwound(item: Item, fields: Iterable[str]) -> Iterable[Item]:
    items: Iterable[Item] = (item,)
    for field in fields:
        items = [part for whole in items for part in _unwind_one(whole, field)]
    return items


def _unwind_one(item: Item, field: str) -> Iterator[Item]:
    value = item.get(field)
    if not isinstance(value, dict | list):
        yield item
        return
    rest = {key: other for key, other in item.items() if key != field}
    for element in value if isinstance(value, list) else (value,):
        yield {**rest, **element} if isinstance(element, dict) else {**rest, field: element}


def _flattened(item: Item, field: str) -> Item:
    if not isinstance(item.get(field), dict):
        return item
    flat: Item = {}
    for key, value in item.items():
        if key == field:
            flat.update(spread({field: value}, separator=".", lists=False))
        else:
            flat[key] = value
    return flat


def spread(item: Item, *, separator: str, lists: bool) -> Item:
    """Nested values as top-level keys: ``a.b``, or ``a/0/b`` with ``lists``. What is empty inside leaves no key."""
    flat: Item = {}
    waiting: list[tuple[str, Any]] = list(reversed(item.items()))
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend((f"{key}{separator}{name}", value[name]) for name in reversed(value))
        elif lists and isinstance(value, list):
            waiting.extend((f"{key}{separator}{at}", value[at]) for at in reversed(range(len(value))))
        else:
            flat[key] = value
    return flat
