"""What the items parameters do to items. Pure functions, a batch of items at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from actorium.kernel.errors import InvalidInput
from actorium.kernel.limits import FLATTENED_CHARS_MAX

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

    @property
    def keeps_columns(self) -> bool:
        """Whether the columns of the result follow from those of the items as they are stored."""
        nested = any("." in name for name in self.omit)
        return not (self.unwind or self.flatten or self.skip_failed_pages or nested)

    @property
    def names(self) -> tuple[str, ...]:
        """What the picked fields are called in the result."""
        return self.output_fields or self.fields

    def kept(self, top: str) -> str | None:
        """What a stored field is called in the result, or None if it is left out; where ``keeps_columns``."""
        if top in self.omit or (self.fields and top not in self.fields):
            return None
        name = self.names[self.fields.index(top)] if self.fields else top
        return None if self.skip_hidden and name.startswith("#") else name

    def unfailed(self, items: list[Item]) -> list[Item]:
        """Items without those of failed pages, if these are to be skipped."""
        return [item for item in items if not item.get("errorInfo")] if self.skip_failed_pages else items

    def shaped(self, items: list[Item]) -> list[Item]:
        """Everything that follows unwinding. The items given stay as they are."""
        for field in self.flatten:
            items = [_flattened(item, field) for item in items]
        if self.omit:
            items = self._omitted(items)
        if self.fields:
            pairs = list(zip(self.fields, self.names, strict=True))
            items = [{name: item[field] for field, name in pairs if field in item} for item in items]
        if self.skip_hidden:
            items = [{key: value for key, value in item.items() if key[:1] != "#"} for item in items]
        return [item for item in items if item] if self.skip_empty else items

    def _omitted(self, items: list[Item]) -> list[Item]:
        omit = self.omit
        paths = [name for name in omit if "." in name]
        if paths:
            items = [_without_paths(item, paths) for item in items]
        return [{key: value for key, value in item.items() if key not in omit} for item in items]


NOTHING = Transform()


def unwound(item: Item, fields: Sequence[str]) -> Iterator[Item | None]:
    """The records that one item gives, made one by one: there may be very many.

    A None now and then stands for no record, so that the caller can pause where none comes for long.
    """
    waiting: list[Iterator[Item | None]] = [iter((item,))]
    while waiting:
        for part in waiting[-1]:
            if part is None or len(waiting) > len(fields):
                yield part
            else:
                waiting.append(_unwind_one(part, fields[len(waiting) - 1]))
                break
        else:
            waiting.pop()


def _unwind_one(item: Item, field: str) -> Iterator[Item | None]:
    value = item.get(field)
    if not isinstance(value, dict | list):
        yield item
        return
    rest = {key: other for key, other in item.items() if key != field}
    if isinstance(value, dict):
        yield {**rest, **value}
    elif not value:
        yield None
    else:
        for element in value:
            yield {**rest, **element} if isinstance(element, dict) else {**rest, field: element}


def _flattened(item: Item, field: str) -> Item:
    if not isinstance(item.get(field), dict):
        return item
    flat: Item = {}
    for key, value in item.items():
        if key == field:
            _spread(flat, field, value)
        else:
            flat[key] = value
    return flat


def _spread(flat: Item, field: str, value: Item) -> None:
    """Put the values inside an object under dotted names. What is empty inside leaves no name."""
    room = FLATTENED_CHARS_MAX
    waiting: list[Iterator[tuple[str, Any]]] = [_named(f"{field}.", value)]
    while waiting:
        for name, inner in waiting[-1]:
            room -= len(name)
            if room < 0:
                raise InvalidInput(
                    f"Flattening {field[:80]!r} of one item gives names of more than {FLATTENED_CHARS_MAX} characters "
                    "in all: leave it out of flatten."
                )
            if isinstance(inner, dict):
                waiting.append(_named(f"{name}.", inner))
                break
            flat[name] = inner
        else:
            waiting.pop()


def _named(prefix: str, value: Item) -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        yield prefix + key, inner


def _without_paths(item: Item, paths: Iterable[str]) -> Item:
    """An item without nested values such as ``a.b``, unless that is a key of its own, which is meant then."""
    for path in paths:
        if path not in item:
            item = _without(item, path)
    return item


def _without(value: Item, path: str) -> Item:
    if path in value:
        return {key: other for key, other in value.items() if key != path}
    head, _, rest = path.partition(".")
    inner = value.get(head)
    if not rest or not isinstance(inner, dict):
        return value
    smaller = _without(inner, rest)
    return value if smaller is inner else {**value, head: smaller}
