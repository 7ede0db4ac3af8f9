"""Blocks of stored items to batches of transformed ones. However much comes out of an item, little is held at once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import msgspec

from actorium.datasets.formats import Item
from actorium.datasets.transform import Transform, unwound
from actorium.kernel.errors import InvalidInput
from actorium.kernel.limits import DATASET_BLOCK_BYTES, UNWOUND_MAX

_decode_lines = msgspec.json.Decoder().decode_lines
_decode = msgspec.json.Decoder().decode
_RECORD_BYTES = 64  # what one record takes at least while it is held


def batches(block: bytes, transform: Transform, *, size: int) -> Iterator[list[Item]]:
    """The results of a block's items, up to ``size`` in a list. Lists may be empty where nothing comes for long."""
    items = decoded(block)
    if transform.unwind:
        yield from _unwound(block, items, transform, size=size)
        return
    items = transform.unfailed(items)
    for first in range(0, len(items), size):
        part = items if len(items) <= size else items[first : first + size]
        yield transform.shaped(part)


def decoded(block: bytes) -> list[Item]:
    """The items of a block."""
    try:
        return _decode_lines(block)
    except msgspec.DecodeError:
        return [_decoded_line(line) for line in block.split(b"\n")]


def _unwound(block: bytes, items: list[Item], transform: Transform, *, size: int) -> Iterator[list[Item]]:
    batch: list[Item] = []
    weight = 0
    for line, item in zip(block.split(b"\n"), items, strict=True):
        if not transform.unfailed([item]):
            continue
        for count, record in enumerate(unwound(item, transform.unwind), start=1):
            if count > UNWOUND_MAX:
                raise InvalidInput(
                    f"unwind makes more than {UNWOUND_MAX} records of one item: unwind fewer fields, or omit the item "
                    "with offset and limit."
                )
            weight += _RECORD_BYTES
            if record is not None:
                batch.append(record)
                weight += len(line)  # no record is much larger than the item it is from
            if weight >= DATASET_BLOCK_BYTES or len(batch) >= size:
                yield transform.shaped(batch)
                batch, weight = [], 0
    yield transform.shaped(batch)


def _decoded_line(line: bytes) -> Item:
    """An item that may hold what the fast reader refuses: numbers too large for it, halves of surrogate pairs."""
    try:
        item: Item = _decode(line)
    except msgspec.DecodeError:
        item = _mended(json.loads(line, parse_int=_integer))
    return item


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # thousands of digits
        return float(digits)


def _mended(value: Any) -> Any:
    """A value that every format can hold. Items are stored with a bounded depth, so this may recurse."""
    if isinstance(value, dict):
        return {_mended(key): _mended(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_mended(inner) for inner in value]
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, float) and not math.isfinite(value):
        return None  # as JSON writes it
    return value
