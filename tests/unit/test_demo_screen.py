"""What the demo prints."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from actorium.caller.failure import Failed
from actorium.demo.screen import Screen
from actorium.kernel.clock import SystemClock


class Ticking(SystemClock):
    """Each look at the clock is a second later."""

    def __init__(self) -> None:
        self._secs: Iterator[int] = iter(range(1000))

    def monotonic(self) -> float:
        return float(next(self._secs))


@pytest.fixture
def screen() -> tuple[Screen, io.StringIO]:
    output = io.StringIO()
    return Screen(Ticking(), Console(file=output, width=60, highlight=False)), output


def test_each_step_has_a_number_and_its_time(screen: tuple[Screen, io.StringIO]) -> None:
    shown, output = screen
    shown.begin("First", "why")
    shown.begin("Second", "and why")
    shown.end()
    text = output.getvalue()
    assert text.index("1. First") < text.index("1.0 s") < text.index("2. Second") < text.rindex("1.0 s")
    assert "make up" in text
    assert "http://127.0.0.1:8010" in text


def test_log_lines_are_cut_and_hold_no_markup(screen: tuple[Screen, io.StringIO]) -> None:
    shown, output = screen
    shown.log_line("2026-11-22T17:00:01.234Z \x1b[90m[apify]\x1b[0m [red]not red[/red] " + "x" * 100)
    shown.log_line("no stamp")
    first, second = output.getvalue().splitlines()
    assert first.startswith("   17:00:01.234 [apify] [red]not red[/red] xx")
    assert len(first) == 60
    assert second.rstrip() == "   no stamp"


def test_a_failure_says_what_to_do_and_shows_the_servers_log(screen: tuple[Screen, io.StringIO]) -> None:
    shown, output = screen
    shown.begin("First", "why")
    shown.fail(Failed("It broke.", "Mend it.", server_log="[bold]last words"))
    text = output.getvalue()
    for part in ("1.0 s", "The demo failed", "It broke.", "Mend it.", "[bold]last words"):
        assert part in text


def test_tables_hold_what_items_hold(screen: tuple[Screen, io.StringIO]) -> None:
    shown, output = screen
    shown.rows("Items", ("title", "n"), [(None, 3), ("[b]", 4.5)])
    shown.facts({"memory": "5 MB"})
    text = output.getvalue()
    for part in ("Items", "None", "[b]", "4.5", "memory", "5 MB"):
        assert part in text
