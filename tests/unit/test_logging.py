"""The server's own log."""

from __future__ import annotations

import pytest
import structlog

from actorium import logging


@pytest.mark.parametrize("format", ["text", "json"])
def test_an_actors_words_do_nothing_to_a_terminal(capsys: pytest.CaptureFixture[str], format: str) -> None:
    logging.configure(level="info", format=format)
    try:
        structlog.get_logger().info("warm.cold", reason="\x1b]0;title\x07\nforged [info] line")
    finally:
        structlog.reset_defaults()
    said = capsys.readouterr().err
    assert "title" in said
    assert said.count("\n") == 1
    assert "\x1b]" not in said
