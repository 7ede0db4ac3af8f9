"""What ADD takes for an archive."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from pathlib import Path

import pytest

from actorium.builders.process.copying import Context, place
from actorium.builders.process.layers import LayerWriter
from actorium.builders.process.steps import CopyStep

JSON = b'{"a": 1}\n' * 200


def tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        entry = tarfile.TarInfo("inside")
        entry.size = len(JSON)
        archive.addfile(entry, io.BytesIO(JSON))
    return made.getvalue()


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_a_lone_compressed_file_is_copied(tmp_path: Path, compress: type[bytes]) -> None:
    files = {"data.json.x": compress(JSON), "tree.x": compress(tar()), "empty": b""}
    step = CopyStep(sources=tuple(files), target="/data/", unpack=True)
    place(step, Context(files=files), LayerWriter(tmp_path, (), host=tmp_path / "no-host"))
    found = {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    assert found == {"data.json.x": files["data.json.x"], "inside": JSON, "empty": b""}
