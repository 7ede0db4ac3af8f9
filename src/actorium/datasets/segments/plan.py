"""What to merge next of a dataset's tail. Pure.

Pushed chunks are merged a few hundred at a time; what has come to a segment's size that way is merged once more and is
then finished. So each byte is written at most three times, and items are looked into once. A chunk that is a blob of
its own since it was pushed is finished as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actorium.datasets.store import Chunk, Level
from actorium.kernel.limits import DATASET_INLINE_BYTES_MAX, SEGMENT_BYTES, SEGMENT_CHUNKS


@dataclass(frozen=True, slots=True)
class Plan:
    """Chunks, one after the other, that become one."""

    chunks: tuple[Chunk, ...]
    level: Level

    @property
    def count(self) -> int:
        return sum(chunk.count for chunk in self.chunks)

    @property
    def size(self) -> int:
        """In bytes, with the newlines between chunks."""
        return sum(chunk.size for chunk in self.chunks) + len(self.chunks) - 1

    @property
    def keeps_blob(self) -> bool:
        """Whether nothing is written but a digest."""
        return len(self.chunks) == 1 and self.chunks[0].blob_key is not None


def plan(tail: Sequence[Chunk]) -> Plan | None:
    """The next step on the first chunks of a tail, or None if it is short enough."""
    finished = _finished(tail)
    if finished:
        return Plan(tuple(finished), Level.FINISHED)
    merged = sum(chunk.level == Level.MERGED for chunk in tail)
    if len(tail) - merged < SEGMENT_CHUNKS:
        return None
    if merged >= SEGMENT_CHUNKS:
        return Plan(tuple(tail), Level.FINISHED)  # of tiny items
    return Plan(tuple(tail[merged:]), Level.MERGED)


def _finished(tail: Sequence[Chunk]) -> Sequence[Chunk]:
    """The first chunks, if they are enough for a segment."""
    size = 0
    for at, chunk in enumerate(tail):
        if _stays_alone(chunk):
            return tail[: max(at, 1)]  # first the ones before it, so that the tail is always the end
        size += chunk.size
        if size >= SEGMENT_BYTES:
            return tail[: at + 1]
    return ()


def _stays_alone(chunk: Chunk) -> bool:
    """Whether to write it once more would cost more than many segments do."""
    if chunk.blob_key is None:
        return False
    return chunk.size > (DATASET_INLINE_BYTES_MAX if chunk.level == Level.PUSHED else SEGMENT_BYTES // 4)
