"""The columns of a reading that is a table: their union over its items, their order, what stands above each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from actorium.datasets.errors import NoColumns
from actorium.datasets.formats import Item, Table
from actorium.datasets.segments.columns import Column, Columns
from actorium.datasets.transform import Transform
from actorium.kernel.errors import InvalidInput
from actorium.kernel.limits import COLUMN_NAME_CHARS_MAX, COLUMNS_MAX

_NAMES_BYTES_MAX = 2 * COLUMNS_MAX * COLUMN_NAME_CHARS_MAX


class TableBuilder:
    """Takes in columns and items of the result of a transformation, in the order of the items."""

    def __init__(self, transform: Transform) -> None:
        self._transform = transform
        self._found: dict[str, str] = {}
        """Columns and the fields they are of."""
        self._scanned = Columns(names_bytes_max=_NAMES_BYTES_MAX)

    def derive(self, stored: Iterable[Column]) -> None:
        """Take in columns of items as they are stored; where the transformation ``keeps_columns``."""
        for top, column in stored:
            name = self._transform.kept(top)
            if name is not None:
                self._add(name, name + column[len(top) :])

    def scan(self, items: Sequence[Item]) -> None:
        """Take in transformed items. Raises InvalidInput for more columns, or longer names, than a table may have."""
        for item in items:
            self._scanned.add(item)
        columns = self._scanned.found
        if columns is None:
            raise _too_many()
        for top, column in columns:
            self._add(top, column)

    def table(self, labels: Mapping[str, str]) -> Table:
        """The table: columns as they first appeared, or in the order of the fields asked for. Raises NoColumns.

        ``labels`` stand above fields instead of their names.
        """
        if not self._found:
            raise NoColumns
        asked = {name: at for at, name in enumerate(self._transform.names)}
        columns = sorted(self._found, key=lambda column: asked.get(self._found[column], len(asked)))
        headings = [self._heading(column, labels) for column in columns]
        return Table(tuple(columns), tuple(headings))

    def _heading(self, column: str, labels: Mapping[str, str]) -> str:
        top = self._found[column]
        return labels[top] + column[len(top) :] if top in labels else column

    def _add(self, top: str, column: str) -> None:
        if column in self._found:
            return
        if len(column) > COLUMN_NAME_CHARS_MAX:
            raise InvalidInput(
                f"The column {column[:80]!r}... has a name of more than {COLUMN_NAME_CHARS_MAX} characters: "
                "leave its field out with omit, choose others with fields, or use format=json."
            )
        self._found[column] = top
        if len(self._found) > COLUMNS_MAX:
            raise _too_many()


def _too_many() -> InvalidInput:
    return InvalidInput(f"The items have more than {COLUMNS_MAX} columns: choose some with fields, or use format=json.")
