"""What is merged next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actorium.datasets.segments.plan import plan
from actorium.datasets.store import Chunk, Level
from actorium.kernel.limits import DATASET_INLINE_BYTES_MAX, SEGMENT_BYTES, SEGMENT_CHUNKS

KB = 1024


def tail(*sizes: tuple[int, Level], blobs: bool = False) -> list[Chunk]:
    """Chunks of ten items of these sizes."""
    return [
        Chunk(10 * at, 10, size, level, f"blob{at}" if blobs or size > DATASET_INLINE_BYTES_MAX else None)
        for at, (size, level) in enumerate(sizes)
    ]


def test_a_short_tail_stays() -> None:
    assert plan([]) is None
    assert plan(tail(*[(100, Level.PUSHED)] * (SEGMENT_CHUNKS - 1))) is None
    assert plan(tail(*[(100, Level.MERGED)] * SEGMENT_CHUNKS, (100, Level.PUSHED))) is None


def test_many_pushes_become_one_chunk() -> None:
    chunks = tail((9000, Level.MERGED), *[(100, Level.PUSHED)] * SEGMENT_CHUNKS)
    step = plan(chunks)
    assert step is not None
    assert (step.chunks, step.level) == (tuple(chunks[1:]), Level.MERGED)
    assert (step.count, step.size) == (10 * SEGMENT_CHUNKS, 101 * SEGMENT_CHUNKS - 1)


def test_what_has_come_to_a_segment_is_finished() -> None:
    step = plan(tail(*[(200 * KB, Level.PUSHED)] * 30))
    assert step is not None
    assert (len(step.chunks), step.level) == (21, Level.FINISHED)  # 4200 kB
    tiny = plan(tail(*[(5, Level.MERGED)] * SEGMENT_CHUNKS, *[(5, Level.PUSHED)] * SEGMENT_CHUNKS))
    assert tiny is not None
    assert (len(tiny.chunks), tiny.level) == (2 * SEGMENT_CHUNKS, Level.FINISHED)


def test_large_pushes_are_finished_as_they_are() -> None:
    alone = plan(tail((DATASET_INLINE_BYTES_MAX + 1, Level.PUSHED), (100, Level.PUSHED)))
    assert alone is not None
    assert (len(alone.chunks), alone.level, alone.keeps_blob) == (1, Level.FINISHED, True)
    first = plan(tail((100, Level.PUSHED), (100, Level.PUSHED), (9_000 * KB, Level.PUSHED)))
    assert first is not None
    assert (len(first.chunks), first.level, first.keeps_blob) == (2, Level.FINISHED, False)


CHUNKS = st.lists(
    st.tuples(st.integers(2, 9_000_000), st.booleans()).map(lambda one: (one[0], Level.PUSHED, one[1])), max_size=600
)


@given(CHUNKS)
def test_a_tail_becomes_short_in_bounded_steps(pushed: list[tuple[int, Level, bool]]) -> None:
    chunks = [
        Chunk(10 * at, 10, size, level, "blob" if blob or size > DATASET_INLINE_BYTES_MAX else None)
        for at, (size, level, blob) in enumerate(pushed)
    ]
    finished: list[Chunk] = []
    for _ in range(2 * len(pushed) + 1):
        step = plan(chunks)
        if step is None:
            break
        assert step.size <= 2 * SEGMENT_BYTES or len(step.chunks) == 1
        first, last = step.chunks[0].first, step.chunks[-1].first
        at = [chunk.first for chunk in chunks].index(first)
        assert tuple(chunks[at : at + len(step.chunks)]) == step.chunks
        merged = Chunk(first, step.count, step.size, step.level, "blob" if step.size > 131_072 else None)
        if step.level is Level.FINISHED:
            assert at == 0, "segments are finished from the first on"
            finished.append(merged)
            chunks = chunks[len(step.chunks) :]
        else:
            assert len(step.chunks) > 1
            chunks[at : at + len(step.chunks)] = [merged]
        assert last >= first
    assert plan(chunks) is None
    assert sum(chunk.level == Level.PUSHED for chunk in chunks) < SEGMENT_CHUNKS
    assert sum(chunk.size for chunk in chunks) < SEGMENT_BYTES + 1
