"""Where lines end, where long ones are cut, and what is left of them without terminal escapes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.kernel.limits import LOG_LINE_BYTES_MAX
from actorium.kernel.lines import Lines, cut, is_cut, split, without_escapes

TEXTS = st.lists(st.sampled_from([b"a", b"bc", b"\r", b"\n", b"\r\n", b"\x1b[", b"31m", "é".encode()])).map(b"".join)


def lines_of(*pieces: bytes) -> list[bytes]:
    lines = Lines()
    found = [line for piece in pieces for line in lines.feed(piece)]
    rest = lines.rest()
    return [*found, rest] if rest else found


@given(TEXTS, st.integers(1, 5))
def test_the_lines_are_the_same_however_the_stream_is_cut(text: bytes, size: int) -> None:
    joined = re.sub(rb"\r+\n", b"\n", text)  # the carriage returns before a newline belong to it
    wanted = [part for line in joined.split(b"\n") for part in [[p for p in line.split(b"\r") if p] or [b""]]]
    if wanted[-1] == [b""]:
        wanted.pop()  # nothing came behind the last end of a line
    flat = [part for parts in wanted for part in parts]
    assert lines_of(*(text[at : at + size] for at in range(0, len(text), size))) == flat
    assert lines_of(text) == flat
    assert split(text) == (flat or [b""]) or split(text) == [*flat, b""]


def test_a_progress_bar_comes_at_once() -> None:
    lines = Lines()
    assert lines.feed(b"10%\r") == [b"10%"]
    assert lines.feed(b"20%") == []
    assert lines.feed(b"\r") == [b"20%"]
    assert lines.feed(b"\nnext\n") == [b"next"]


@pytest.mark.timeout(60)  # quadratic, it takes minutes
def test_many_short_pieces_of_a_long_line_cost_no_more_than_the_line() -> None:
    lines = Lines()
    found = [line for _ in range(1_000_000) for line in lines.feed(b"x")]
    assert len(found) == 1_000_000 // LOG_LINE_BYTES_MAX


@pytest.mark.parametrize(
    ("end", "kept"),
    [
        (b"\xc3", b""),
        (b"\x1b", b""),
        (b"\x1b[38;5;20", b""),
        (b"\x1b]8;;https://example.com/" + b"x" * 500, b""),
        (b"\x1b[1m", b"\x1b[1m"),
        (b"\x1b(B", b"\x1b(B"),
        ("é".encode(), "é".encode()),
    ],
)
def test_a_cut_leaves_characters_and_escape_sequences_whole(end: bytes, kept: bytes) -> None:
    rest = {b"\xc3": b"\xa9", b"\x1b": b"[1m"}.get(end, b"8m and more")
    line = b"x" * (LOG_LINE_BYTES_MAX - len(end)) + end + rest
    first, second = cut(line)
    assert first + second == line
    assert first == b"x" * (LOG_LINE_BYTES_MAX - len(end)) + kept
    assert is_cut(first)


def test_a_cut_comes_on_even_where_nothing_but_the_beginning_of_an_escape_is() -> None:
    line = b"\x1b]" + b"x" * 3 * LOG_LINE_BYTES_MAX
    assert b"".join(cut(line)) == line
    assert len(cut(line)) == 4


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\x1b[31mred\x1b[0m", b"red"),
        (b"\x1b]0;title\x07x", b"x"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", b"link"),
        (b"a\x1b[2K\x1b[1Gb\x1b(B\x1b7\x1b=c", b"abc"),
        (b"\x1bP1$r0m\x1b\\x\x1b_note\x1b\\y", b"xy"),
        (b"one\x1b[3\ntwo\x1b\nthree\x1b]0;ti\nfour", b"one\ntwo\nthree\nfour"),
        (b"plain", b"plain"),
    ],
)
def test_colours_and_cursor_movements_are_taken_out(raw: bytes, shown: bytes) -> None:
    assert without_escapes(raw) == shown


@given(TEXTS, TEXTS)
def test_whole_lines_can_be_stripped_one_by_one(first: bytes, second: bytes) -> None:
    assert without_escapes(first + b"\n" + second) == without_escapes(first + b"\n") + without_escapes(second)


@given(st.binary(max_size=200))
def test_no_escape_is_left_of_anything(raw: bytes) -> None:
    shown = without_escapes(raw)
    assert b"\x1b" not in shown
    assert shown.count(b"\n") <= raw.count(b"\n")


@pytest.mark.parametrize("hostile", [b"\x1b", b"\x1b[", b"\x1b]", b"\x1b[1;", b"\x1b(", b"\x1b]0;\x1b", b"\r"])
@pytest.mark.timeout(60)  # quadratic, it takes hours
def test_stripping_and_splitting_are_linear(hostile: bytes) -> None:
    text = hostile * (2_000_000 // len(hostile))
    without_escapes(text)
    split(text)
