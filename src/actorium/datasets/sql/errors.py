"""What can go wrong with a query: mostly the query."""

from __future__ import annotations

from actorium.kernel.errors import Invalid, InvalidInput, RateLimitExceeded, TimedOut, Unavailable
from actorium.kernel.limits import SQL_BOXES_MAX, SQL_BOXES_PER_USER_MAX


class SqlRefused(InvalidInput):
    """The SQL can't be run."""


class SqlTooMuchMemory(InvalidInput):
    """The query needs more memory than a query gets: read fewer columns, filter or aggregate earlier, or choose fewer
    items."""


class SqlInputTooLarge(InvalidInput):
    """The items are too many for one query or Parquet file."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"The items have more than {most >> 20} MB, which is what one query or Parquet file takes: "
            "choose some with fields, offset and limit, or take them as format=jsonl."
        )


class SqlTimedOut(TimedOut):
    """The query took too long."""

    type = "query-timeout"

    def __init__(self, secs: float) -> None:
        super().__init__(
            f"The query took longer than {secs:g} seconds: filter or aggregate earlier, or choose fewer items."
        )


class SqlBusy(RateLimitExceeded):
    """Too many queries at once."""

    def __init__(self) -> None:
        super().__init__(
            f"Too many queries are running: up to {SQL_BOXES_PER_USER_MAX} of a user and {SQL_BOXES_MAX} of all. "
            "Please try again when one has ended."
        )


class SqlNotInstalled(Invalid):
    """This server has no engine for SQL and Parquet: in its clone, pip install -e '.[sql]'."""

    type = "platform-feature-disabled"


class SqlEngineFailed(Unavailable):
    """The engine for SQL and Parquet could not be started; the server's log says why."""
