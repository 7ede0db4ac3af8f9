"""Where items begin in a chunk."""

from __future__ import annotations

from itertools import pairwise
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from actorium.datasets import places
from actorium.datasets.places import Places

ITEMS = st.lists(st.integers(2, 40).map(lambda size: b"x" * size), min_size=1, max_size=60)


@given(items=ITEMS, cuts=st.lists(st.integers(0, 60), max_size=4), every=st.integers(1, 200), reach=st.integers(1, 99))
def test_places_lead_to_items(items: list[bytes], cuts: list[int], every: int, reach: int) -> None:
    text = b"\n".join(items)
    with patch("actorium.datasets.places.PLACE_BYTES", every):
        collected = Places(count=len(items), size=len(text))
    bounds = [0, *sorted(min(cut, len(items)) for cut in cuts), len(items)]
    for first, last in pairwise(bounds):
        collected.add(items[first:last])
    packed = collected.packed()
    begins = [len(b"\n".join([*items[:at], b""])) for at in range(len(items))]
    for item in range(len(items)):
        before, begin = places.before(packed, item)
        assert before <= item
        assert begin == begins[before]
        after, end = places.after(packed, item, count=len(items), size=len(text))
        assert item < after <= len(items)
        assert text[:end] == b"\n".join(items[:after])
        back, byte = places.back(packed, item, size=len(text), reach=reach)
        assert back <= item
        assert byte == begins[back]
        assert byte == 0 or end - byte >= reach


def test_a_page_reads_little() -> None:
    items = [b'{"n": %06d, "text": "%s"}' % (n, b"x" * 80) for n in range(40_000)]
    size = sum(map(len, items)) + len(items) - 1
    collected = Places(count=len(items), size=size)
    collected.add(items)
    packed = collected.packed()
    _, begin = places.before(packed, 20_000)
    _, end = places.after(packed, 20_009, count=len(items), size=size)
    assert end - begin < 3 * places.PLACE_BYTES
    assert len(packed) < 2000
