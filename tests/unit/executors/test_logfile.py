"""The log a shim writes and the server reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.executors.process.keeper import clock, logfile
from actorium.executors.process.keeper.logfile import LogFile, parse
from actorium.kernel.limits import LOG_STAMP_BYTES


def written(path: Path, *pieces: bytes, bytes_max: int = 1_000_000) -> list[bytes]:
    log = LogFile(str(path), bytes_max)
    for piece in pieces:
        log.feed(piece)
    log.close()
    return [line for _, line in parse(path.read_bytes())[0]]


def test_pieces_become_lines(tmp_path: Path) -> None:
    assert written(tmp_path / "log", b"on", b"e\ntwo\n\nthr", b"ee") == [b"one", b"two", b"", b"three"]


def test_lines_have_the_time_of_their_arrival(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = LogFile(str(tmp_path / "log"), 1000)
    for moment in (5, 70):
        monkeypatch.setattr(clock, "now_ms", lambda moment=moment: moment)
        log.feed(b"a\nb\n")
    assert parse((tmp_path / "log").read_bytes())[0] == [(5, b"a"), (5, b"b"), (70, b"a"), (70, b"b")]


def test_the_cap_is_said_once(tmp_path: Path) -> None:
    found = written(tmp_path / "log", b"12345\n" * 10, b"6\n" * 10, bytes_max=65)
    assert found[:-1] == [b"12345", b"12345"]
    assert found[-1].startswith(logfile.NOTE)


def test_empty_lines_count_with_the_time_that_the_api_shows(tmp_path: Path) -> None:
    """A megabyte of nothing but ends of lines would be one of 26 megabytes for whoever reads it."""
    found = written(tmp_path / "log", b"\n" * 1_000_000, bytes_max=26_000)
    assert found[:-1] == [b""] * 1000
    assert len(b"2026-11-30T05:29:16.170Z ") == LOG_STAMP_BYTES


@given(st.binary(max_size=300), st.integers(1, 300))
def test_a_reader_sees_whole_lines_only(data: bytes, end: int) -> None:
    stamped = b"".join(b"7 %s\n" % line for line in data.split(b"\n"))
    lines, used = parse(stamped[:end])
    assert stamped[:used] == b"".join(b"7 %s\n" % line for _, line in lines)
    assert b"\n" not in stamped[used:end]
