"""Blobs in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from actorium.blobs.files import FileBlobs
from actorium.testing.conformance.blobs import BlobsConformance


class TestFileBlobs(BlobsConformance):
    @pytest.fixture
    async def empty(self, tmp_path: Path) -> FileBlobs:
        return await FileBlobs.open(tmp_path / "blobs")
