"""Entity tags and ranges, against lists and slices."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actorium.key_value_stores.conditions import Span, Unsatisfiable, is_known, part_of

TAG = '"v1"'
SIZES = st.integers(0, 40)
POSITIONS = st.none() | st.integers(0, 60)


def sent(content: bytes, header: str) -> bytes | None:
    """What a server would send for a range; None for 416."""
    try:
        part = part_of(header, len(content))
    except Unsatisfiable:
        return None
    return content if part is None else content[part.start : part.end]


@given(SIZES, POSITIONS, POSITIONS)
@example(0, 0, None)
@example(0, None, 5)
@example(10, 10, None)
@example(10, 9, 9)
@example(10, None, 0)
def test_ranges_are_slices(size: int, first: int | None, last: int | None) -> None:
    content = bytes(range(size))
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    found = sent(content, header)
    if first is None and last is None:
        expected: bytes | None = content
    elif first is None:
        assert last is not None
        expected = content[-last:] if last and content else None
    elif last is not None and last < first:
        expected = content
    else:
        expected = content[first : None if last is None else last + 1] or None
    assert found == expected
    if found is not None and (part := part_of(header, size)) is not None:
        assert 0 <= part.start < part.end <= size
        assert part.size == len(found)


@given(st.text(max_size=30) | st.from_regex(r"bytes=[0-9, -]{0,20}", fullmatch=True), SIZES)
def test_no_header_breaks_it(header: str, size: int) -> None:
    found = sent(bytes(size), header)
    assert found is None or len(found) <= size


@pytest.mark.parametrize(
    "header",
    ["bytes=0-1,3-4", "bytes=", "bytes=a-b", "bytes=-", "items=0-1", "bytes=1", "bytes=--1", "bytes=" + "9" * 40 + "-"],
)
def test_what_is_not_understood_is_answered_whole(header: str) -> None:
    assert part_of(header, 10) is None


def test_spellings() -> None:
    assert part_of("Bytes = 0-1", 10) is None
    assert part_of("BYTES=0-1", 10) == Span(0, 2)
    assert part_of("bytes= 2 - 3 ", 10) == Span(2, 4)


@pytest.mark.parametrize(("if_range", "takes_part"), [(None, True), ('"v1"', True), ('W/"v1"', False), ('"v0"', False)])
def test_parts_of_another_version(if_range: str | None, takes_part: bool) -> None:
    part = part_of("bytes=1-", 10, if_range=if_range, tag=TAG)
    assert (part == Span(1, 10)) is takes_part
    assert part_of("bytes=99-", 10, if_range='"v0"', tag=TAG) is None


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (None, False),
        ("*", True),
        (" * ", True),
        ('"v1"', True),
        ('W/"v1"', True),
        ('"v0", W/"v1" ,"v2"', True),
        ('"v0","v1"', True),
        ('"v0"', False),
        ("v1", False),
        ('"v1', False),
        ('"a,v1"', False),
        ('"v11"', False),
        ("", False),
    ],
)
def test_entity_tags(header: str | None, known: bool) -> None:
    assert is_known(header, TAG) is known


@given(st.lists(st.tuples(st.booleans(), st.from_regex(r"[a-z0-9,* -]{0,6}", fullmatch=True)), max_size=6))
def test_lists_of_tags(tags: list[tuple[bool, str]]) -> None:
    header = ", ".join(f'{"W/" if weak else ""}"{tag}"' for weak, tag in tags)
    for tag in ["a", *(tag for _, tag in tags)]:
        assert is_known(header, f'"{tag}"') is (tag in [each for _, each in tags])
