"""Archives that ADD unpacks: every compression, and bombs that say small and mean large."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import resource
import tarfile
from pathlib import Path

import pytest

from actorium.builders import BuildFailed
from actorium.builders.process.copying import Context, place
from actorium.builders.process.inflating import Inflated
from actorium.builders.process.layers import Layers, LayerWriter
from actorium.builders.process.steps import CopyStep
from actorium.kernel.limits import ARCHIVE_READ_BYTES_MAX

PACKERS = {"tar": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def tar(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def add(root: Path, content: bytes) -> None:
    writer = LayerWriter(root, ())
    place(CopyStep(sources=("x.tgz",), target="/x/", unpack=True), Context(files={"x.tgz": content}), writer)


@pytest.mark.parametrize("kind", PACKERS)
def test_every_compression_is_unpacked(kind: str, tmp_path: Path) -> None:
    large = bytes(range(256)) * 10_000
    add(tmp_path, PACKERS[kind](tar(a=b"1", large=large, empty=b"")))
    assert {path.name: path.read_bytes() for path in (tmp_path / "x").iterdir()} == {
        "a": b"1", "large": large, "empty": b"",
    }  # fmt: skip
    assert Layers((tmp_path,)).find("/x/a") is not None


def test_two_streams_of_xz_with_padding_are_one(tmp_path: Path) -> None:
    whole = tar(a=b"1", b=b"2")
    add(tmp_path, lzma.compress(whole[:700]) + b"\0" * 8 + lzma.compress(whole[700:]))
    assert (tmp_path / "x/b").read_bytes() == b"2"


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_a_header_of_any_size_takes_no_memory(kind: str, tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 60_000_000
    content = PACKERS[kind](header.tobuf(tarfile.USTAR_FORMAT) + bytes(header.size) + tar(a=b"1"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BuildFailed, match="a header that no real one has"):
        add(tmp_path / kind, content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # kB


def test_members_that_go_in_a_circle(tmp_path: Path) -> None:
    member = tarfile.TarInfo("a")
    member.size = -1024
    with pytest.raises(BuildFailed, match=r"ADD x\.tgz"):
        add(tmp_path, gzip.compress(member.tobuf(tarfile.GNU_FORMAT) * 3))


def test_a_dictionary_beyond_reason(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 1 << 29}]
    with pytest.raises(BuildFailed, match=r"ADD x\.tgz: the archive cannot be unpacked"):
        add(tmp_path, lzma.compress(tar(a=b"1"), filters=filters))


def test_an_archive_that_is_cut_off(tmp_path: Path) -> None:
    for kind in ("gz", "bz2", "xz"):
        with pytest.raises(BuildFailed, match="the archive cannot be unpacked"):
            add(tmp_path / kind, PACKERS[kind](tar(a=bytes(range(256)) * 500))[:-30])


def test_places_are_reached_forward_only() -> None:
    inflated = Inflated(gzip.compress(bytes(2 * ARCHIVE_READ_BYTES_MAX) + b"end"))
    inflated.seek(2 * ARCHIVE_READ_BYTES_MAX)
    assert (inflated.read(10), inflated.tell()) == (b"end", 2 * ARCHIVE_READ_BYTES_MAX + 3)
    with pytest.raises(OSError, match="circle"):
        inflated.seek(0)
