"""What ``actorium dev`` shows: little of its own, and the Actor's log as it is written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from actorium.caller.api import UNAUTHORIZED
from actorium.caller.failure import Failed

CHANGES_SHOWN = 3  # names of changed files
ITEMS_SHOWN = 3  # of a run's dataset
ITEM_CHARS_SHOWN = 300  # of each
RECORDS_SHOWN = 10  # of a run's key-value store
BUILD_LINES_SHOWN = 60  # of a failed build's log

_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d\.\d{3})Z ?")
_UNSHOWN = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]")


class Screen:
    """A terminal, or a file that is read later."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)

    def say(self, text: str) -> None:
        self._print(Text(text, style="cyan"))

    def warn(self, text: str) -> None:
        self._print(Text(text, style="yellow"))

    def changed(self, names: Sequence[str]) -> None:
        more = len(names) - CHANGES_SHOWN
        shown = ", ".join(names[:CHANGES_SHOWN]) + (f" and {more} more" if more > 0 else "")
        self._console.print()
        self.say(f"Changed: {shown}")

    @contextmanager
    def building(self) -> Iterator[Callable[[str], None]]:
        """While the block runs, the line that it was given last; nothing where no terminal could replace it."""
        if not self._console.is_terminal:
            yield lambda _: None
            return
        with self._console.status("Building") as status:
            yield lambda line: status.update(Text("Building: ") + _log_text(line)[: self._console.width - 20])

    def log_line(self, line: str) -> None:
        """One line of a log, its colours and nothing else of what terminals obey."""
        self._print(_log_text(line))

    def end(self, run: dict[str, Any]) -> None:
        """How a run ended."""
        is_well = run["status"] == "SUCCEEDED"
        secs = run["stats"]["runTimeSecs"]
        code = "" if run.get("exitCode") is None else f", exit code {run['exitCode']}"
        said = f": {run['statusMessage']}" if run.get("statusMessage") else ""
        self._print(
            Text(f"{run['status']} after {secs:.1f} s{code}{said}", style="bold green" if is_well else "bold red")
        )

    def items(self, items: Iterable[Any], *, total: int, where: str) -> None:
        """How many items there are, and the first of them."""
        self.say(f"{total} {'item' if total == 1 else 'items'}: {where}")
        for item in items:
            text = json.dumps(item, ensure_ascii=False)
            cut = "…" if len(text) > ITEM_CHARS_SHOWN else ""
            self._print(Text(f"  {_UNSHOWN.sub('', text[:ITEM_CHARS_SHOWN])}{cut}"))

    def records(self, keys: Sequence[str], *, is_all: bool, where: str) -> None:
        self.say(f"Records {', '.join(keys)}{'' if is_all else ', …'}: {where}")

    def wait(self, folder: Path) -> None:
        self._print(Text(f"Waiting for changes in {folder.resolve()}. Ctrl+C ends.", style="dim"))

    def fail(self, failure: Failed) -> None:
        self._print(Text(failure.message, style="bold red"))
        if failure.hint and failure.status in (0, UNAUTHORIZED):  # any other answer says itself what to do
            self._print(Text(failure.hint))
        if failure.server_log:
            self._print(Text(f"The end of the server's log:\n{failure.server_log}", style="dim"))

    def _print(self, text: Text) -> None:
        """Whole, whatever the width: a terminal breaks lines so that they can still be copied."""
        self._console.print(text, soft_wrap=True)


def _log_text(line: str) -> Text:
    stamp = _STAMP.match(line)
    said = Text.from_ansi(_UNSHOWN.sub("", line[stamp.end() :] if stamp else line))
    return Text(f"{stamp[1]} ", style="dim") + said if stamp else said
