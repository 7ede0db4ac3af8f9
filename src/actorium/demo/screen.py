"""What the demo shows: a heading for each step, live logs, tables, how long it took."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from actorium.caller.failure import Failed
from actorium.kernel.clock import Clock

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d\.\d{3})Z ?")


class Screen:
    """A terminal, or a file that is read later."""

    def __init__(self, clock: Clock, console: Console | None = None) -> None:
        self._clock = clock
        self._console = console or Console(highlight=False)
        self._begun_at = clock.monotonic()
        self._step_at: float | None = None
        self._step = 0

    def begin(self, title: str, explanation: str) -> None:
        """A heading; the time of the step before is told first."""
        self._tell_time()
        self._step += 1
        self._step_at = self._clock.monotonic()
        self._console.print()
        self._console.print(Text(f"{self._step}. {title}", style="bold"))
        self._console.print(Text(explanation, style="dim"))

    def say(self, text: str) -> None:
        self._console.print(Text(f"   {text}"))

    def log_line(self, line: str) -> None:
        """One line of a log, cut to the width of the terminal."""
        line = _COLOURS.sub("", line)
        stamp = _STAMP.match(line)
        shown = Text("   ")
        if stamp:
            shown.append(f"{stamp[1]} ", style="cyan dim")
        shown.append(line[stamp.end() :] if stamp else line, style="dim")
        self._console.print(shown, no_wrap=True, overflow="ellipsis")

    def rows(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table."""
        table = Table(title=title, title_justify="left", title_style="", header_style="dim", expand=False)
        for column in columns:
            number = bool(rows) and isinstance(rows[0][columns.index(column)], int | float)
            table.add_column(column, justify="right" if number else "left", overflow="ellipsis", no_wrap=True)
        for row in rows:
            table.add_row(*(Text(f"{cell:g}" if isinstance(cell, float) else str(cell)) for cell in row))
        self._console.print(table)

    def facts(self, facts: Mapping[str, object]) -> None:
        """Names and values below each other."""
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 3))
        for name, value in facts.items():
            table.add_row(Text(name, style="dim"), Text(str(value)))
        self._console.print(table)

    def end(self) -> None:
        """Everything went well."""
        self._tell_time()
        total = self._clock.monotonic() - self._begun_at
        self._console.print()
        self._console.print(
            Panel(
                Group(
                    Text(f"Everything went as it should, in {total:.0f} s. The demo's server is stopped."),
                    Text("Next: make up, then open http://127.0.0.1:8010/ in a browser; it says how to get the token."),
                    Text("The API is at http://127.0.0.1:8010/v2"),
                ),
                expand=False,
            )
        )

    def fail(self, failure: Failed) -> None:
        """It did not."""
        self._tell_time()
        parts = [Text(failure.message, style="bold"), Text(failure.hint)]
        if failure.server_log:
            parts += [Text("\nThe end of the server's log:", style="dim"), Text(failure.server_log, style="dim")]
        self._console.print()
        self._console.print(Panel(Group(*parts), title="The demo failed", title_align="left", border_style="red"))

    def _tell_time(self) -> None:
        if self._step_at is not None:
            self._console.print(Text(f"   {self._clock.monotonic() - self._step_at:.1f} s", style="green"))
            self._step_at = None
