"""What the items parameters ask for: which items, what is done to them, and as what they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from actorium.datasets.errors import NoSchema, NoSuchView
from actorium.datasets.formats import Writer
from actorium.datasets.formats.delimited import Csv
from actorium.datasets.formats.json_texts import JsonArray, JsonLines
from actorium.datasets.formats.markup import Rss, Xml
from actorium.datasets.formats.page import Html
from actorium.datasets.formats.xlsx import Xlsx
from actorium.datasets.model import Format, ItemsQuery
from actorium.datasets.sql.parquet import Parquet
from actorium.datasets.transform import SIMPLIFIED_FIELDS, SIMPLIFIED_UNWIND, Transform
from actorium.kernel.errors import InvalidInput, InvalidValue
from actorium.kernel.limits import DATASET_LIMIT_NONE, FIELDS_MAX, XLSX_ROWS_MAX
from actorium.storages.model import Stored

_LISTS = ("fields", "unwind", "flatten", "omit")
_FROM_VIEW = (*_LISTS, "desc", "limit")


@dataclass(frozen=True, slots=True)
class Range:
    """Which stored items a reading covers: indexes [start, end) of ``total``."""

    total: int
    offset: int
    limit: int
    """As the API prints it: a very large number when none was given."""
    desc: bool
    start: int
    end: int

    @property
    def count(self) -> int:
        return self.end - self.start


def range_of(query: ItemsQuery, total: int) -> Range:
    """The range for offset, limit and desc. An offset beyond the end is an empty range."""
    limit = query.limit or DATASET_LIMIT_NONE
    skipped = min(query.offset, total)
    count = min(limit, total - skipped)
    start = total - skipped - count if query.desc else skipped
    return Range(total, query.offset, limit, query.desc, start, start + count)


def viewed(query: ItemsQuery, schema: dict[str, Any] | None) -> ItemsQuery:
    """The query with what its view of the dataset's schema adds; what the query says itself stays.

    Raises NoSchema, NoSuchView.
    """
    if query.view is None:
        return query
    transformation = _view(query.view, schema).get("transformation")
    if not isinstance(transformation, dict):
        return query
    added = {name: transformation[name] for name in _FROM_VIEW if transformation.get(name) is not None}
    for name in _LISTS:
        if isinstance(added.get(name), str):  # older schemas name one field without a list
            added[name] = [added[name]]
    chosen = {name: value for name, value in added.items() if not getattr(query, name)}
    try:
        checked = msgspec.convert(chosen, ItemsQuery)
    except msgspec.ValidationError as error:
        raise NoSuchView(f"The view {query.view[:80]!r} of the dataset's schema cannot be used: {error}.") from None
    return msgspec.structs.replace(query, **{name: getattr(checked, name) for name in chosen})


def labels_of(query: ItemsQuery, schema: dict[str, Any] | None) -> Mapping[str, str]:
    """What the query's view shows above the columns of fields instead of their names."""
    if query.view is None:
        return {}
    display = _view(query.view, schema).get("display")
    properties = display.get("properties") if isinstance(display, dict) else None
    if not isinstance(properties, dict):
        return {}
    labels = {field: shown.get("label") for field, shown in properties.items() if isinstance(shown, dict)}
    return {field: label for field, label in labels.items() if isinstance(label, str) and label}


def _view(name: str, schema: dict[str, Any] | None) -> dict[str, Any]:
    if schema is None:
        raise NoSchema("The dataset has no schema, so there is no view of it: read it without view.")
    views = schema.get("views")
    view = views.get(name) if isinstance(views, dict) else None
    if not isinstance(view, dict):
        raise NoSuchView(f"The dataset's schema has no view named {name[:80]!r}.")
    return view


def transform_of(query: ItemsQuery) -> Transform:
    """What is done to each item. Raises InvalidValue for parameters that contradict each other."""
    fields, unwind = query.fields or [], query.unwind or []
    if query.simplified:
        fields, unwind = fields or list(SIMPLIFIED_FIELDS), unwind or list(SIMPLIFIED_UNWIND)
    output = query.output_fields or []
    if output and len(output) != len(fields):
        raise InvalidValue(
            f"outputFields renames the fields by position: it names {len(output)} and fields names {len(fields)}; "
            "name as many in both."
        )
    if output and len({*fields}) + len({*output}) != 2 * len(output):
        raise InvalidValue("With outputFields each field is named once in fields, and each new name once.")
    omit, flatten = query.omit or [], query.flatten or []
    if max(len(fields), len(unwind), len(omit), len(flatten)) > FIELDS_MAX:
        raise InvalidValue(f"Name up to {FIELDS_MAX} fields in one parameter.")
    return Transform(
        fields=tuple(dict.fromkeys(fields)),
        output_fields=tuple(output),
        omit=frozenset(omit),
        unwind=tuple(unwind),
        flatten=tuple(flatten),
        skip_hidden=query.clean or query.skip_hidden,
        skip_empty=query.clean or query.skip_empty,
        skip_failed_pages=query.skip_failed_pages,
    )


def check_rows(query: ItemsQuery, rows: int) -> None:
    """Whether so many rows fit the format. Raises InvalidInput."""
    if query.format is Format.XLSX and rows >= XLSX_ROWS_MAX:
        raise InvalidInput(
            f"These are {rows} rows, and a sheet of Excel has room for {XLSX_ROWS_MAX - 1} below its header: choose a "
            "part with offset and limit, or use format=csv."
        )


def check_query(query: ItemsQuery) -> None:
    """Whether the parameters are right in themselves, before it is known what they are about. Raises InvalidValue."""
    transform_of(query)
    if query.format is not Format.RSS:
        _WRITERS[query.format](query)


def writer_of(query: ItemsQuery, stored: Stored) -> Writer:
    """What writes the items. Raises InvalidValue for a parameter of its format."""
    return _rss(query, stored) if query.format is Format.RSS else _WRITERS[query.format](query)


def _rss(query: ItemsQuery, stored: Stored) -> Writer:
    label = stored.profile.title or stored.name or stored.id
    return Rss(
        title=query.feed_title or f"Dataset {label}",
        description=query.feed_description or f'Items in dataset with id "{stored.id}".',
        bom=bool(query.bom),
    )


def _csv(query: ItemsQuery) -> Writer:
    return Csv(bom=query.bom is not False, delimiter=query.delimiter, header=not query.skip_header_row)


_WRITERS: dict[Format, Callable[[ItemsQuery], Writer]] = {
    Format.JSON: lambda query: JsonArray(bom=bool(query.bom)),
    Format.JSONL: lambda query: JsonLines(bom=bool(query.bom)),
    Format.CSV: _csv,
    Format.XML: lambda query: Xml(root=query.xml_root, row=query.xml_row, bom=bool(query.bom)),
    Format.HTML: lambda query: Html(bom=bool(query.bom)),
    Format.XLSX: lambda _: Xlsx(),
    Format.PARQUET: lambda _: Parquet(),
}
"""Those that need to know nothing of the dataset."""
