"""ZIP files written front to back, read by another implementation."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorium.kernel.instant import Instant
from actorium.kernel.limits import ZIP_DIRECTORY_BYTES
from actorium.key_value_stores.zip_format import ZipFile

NOW = Instant.parse("2026-03-04T05:06:07.890Z")
NAMES = st.text("abcXYZ019!-_.'()", min_size=1, max_size=12)
PIECES = st.lists(
    st.binary(max_size=300) | st.builds(lambda count: b"again " * count, st.integers(0, 4000)), max_size=4
)


def written(entries: dict[str, list[bytes]], *, at: Instant = NOW) -> bytes:
    file = ZipFile()
    out = []
    for name, pieces in entries.items():
        out.append(file.begin(name, at))
        out += [file.add(piece) for piece in pieces]
        out.append(file.end())
    out += file.finish()
    file.close()
    return b"".join(out)


@given(st.dictionaries(NAMES, PIECES, max_size=8))
def test_what_is_written_is_read(entries: dict[str, list[bytes]]) -> None:
    with zipfile.ZipFile(io.BytesIO(written(entries))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == list(entries)
        for name, pieces in entries.items():
            assert archive.read(name) == b"".join(pieces)
            info = archive.getinfo(name)
            assert info.file_size == len(b"".join(pieces))
            assert info.date_time == (2026, 3, 4, 5, 6, 6)
            assert (info.external_attr >> 16) & 0o777 == 0o644


@pytest.mark.parametrize(("year", "shown"), [(1970, 1980), (1980, 1980), (2107, 2107), (2150, 1980)])
def test_years_that_dos_knows(year: int, shown: int) -> None:
    content = written({"a": [b"x"]}, at=Instant.parse(f"{year:04}-01-01T00:00:00Z"))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.getinfo("a").date_time[:3] == (shown, 1, 1)


def test_more_entries_than_the_old_format_counts() -> None:
    content = written({f"k{at}": [] for at in range(70_000)})
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert len(archive.namelist()) == 70_000
        assert archive.read("k69999") == b""
    assert content.count(b"PK\x06\x06") == 1


def test_the_directory_leaves_memory() -> None:
    file = ZipFile()
    entries = ZIP_DIRECTORY_BYTES // (46 + 256) + 10
    for at in range(entries):
        file.begin(f"{at:0256}", NOW)
        file.end()
    assert file._directory._rolled  # type: ignore[attr-defined]
    assert sum(map(len, file.finish())) > ZIP_DIRECTORY_BYTES
    file.close()


def test_entries_beyond_four_gigabytes() -> None:
    """The offsets of a file that is never held: its first 5 GB are said to be there."""
    far = 5 * 1024**3
    file = ZipFile()
    file._position = far
    body = file.begin("far", NOW) + file.add(b"content") + file.end()
    tail = b"".join(file.finish())
    file.close()
    with zipfile.ZipFile(_Shifted(body + tail, far)) as archive:
        assert archive.getinfo("far").header_offset == far
        assert archive.read("far") == b"content"
    assert struct.unpack("<I", tail[42:46])[0] == 0xFFFF_FFFF


class _Shifted(io.BytesIO):
    """A file whose content begins after a hole."""

    def __init__(self, content: bytes, hole: int) -> None:
        super().__init__(content)
        self._hole = hole

    def seek(self, offset: int, whence: int = 0) -> int:
        return super().seek(max(0, offset - self._hole) if whence == 0 else offset, whence) + self._hole

    def tell(self) -> int:
        return super().tell() + self._hole


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
def test_a_program_that_people_use(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    path.write_bytes(written({"a.txt": [b"A" * 100_000], "(b)'!": [b"", b"B"], "empty": []}))
    done = subprocess.run(["unzip", "-q", str(path), "-d", str(tmp_path / "out")], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"A" * 100_000
    assert (tmp_path / "out" / "(b)'!").read_bytes() == b"B"


@settings(max_examples=20)
@given(st.integers(0, 2_000_000))
def test_large_entries_in_pieces(size: int) -> None:
    content = bytes(at * at % 251 for at in range(1000)) * (size // 1000 + 1)
    pieces = [content[at : at + 262_144] for at in range(0, size, 262_144)]
    with zipfile.ZipFile(io.BytesIO(written({"a": pieces}))) as archive:
        assert archive.read("a") == b"".join(pieces)
