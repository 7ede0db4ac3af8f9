"""The unit tests' blobs, held to the same contract."""

from __future__ import annotations

import pytest

from actorium.blobs.memory import MemoryBlobs
from actorium.testing.conformance.blobs import BlobsConformance


class TestMemoryBlobs(BlobsConformance):
    @pytest.fixture
    async def empty(self) -> MemoryBlobs:
        return MemoryBlobs()
