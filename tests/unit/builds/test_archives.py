"""Archives as sources: what is taken from them, and the tricks that they may try."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorium.actors.errors import SourcePathInvalid
from actorium.builders import BuildFailed
from actorium.builds.sources import Tree, archive, growing
from actorium.builds.sources.archive import unpacked
from actorium.builds.sources.shape import without_outer_folder
from actorium.kernel.limits import SOURCE_TREE_BYTES_MAX, SOURCE_TREE_ENTRIES_MAX

Members = list[tuple[str, bytes, int]]
GOOD: Members = [("main.py", b"print(1)", 0o644), ("bin/run", b"\x7fELF", 0o755), ("a/b/c.txt", b"", 0o600)]


def zipped(members: Members, *, compression: int = zipfile.ZIP_DEFLATED, system: int = 3) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.create_system, info.compress_type = system, compression
            info.external_attr = (mode if mode > 0o777 else mode | stat.S_IFREG) << 16
            file.writestr(info, content)
    return out.getvalue()


def tarred(members: Members, *, mode: str = "w:gz", **types: tuple[bytes, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as file:  # type: ignore[call-overload]
        for name, content, bits in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), bits
            file.addfile(info, io.BytesIO(content))
        for name, (kind, target) in types.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            file.addfile(info)
    return out.getvalue()


def links_zipped(members: Members, links: dict[str, str]) -> bytes:
    return zipped([*members, *((name, target.encode(), stat.S_IFLNK | 0o777) for name, target in links.items())])


def links_tarred(members: Members, links: dict[str, str]) -> bytes:
    return tarred(members, **{name: (tarfile.SYMTYPE, target) for name, target in links.items()})


def tree(folder: Path, content: bytes) -> Tree:
    (folder / "archive").write_bytes(content)
    found = unpacked(folder / "archive", folder)
    assert [path.name for path in folder.iterdir()] == ["archive"]
    return found


def refused(folder: Path, content: bytes) -> str:
    with pytest.raises((BuildFailed, SourcePathInvalid)) as caught:
        tree(folder, content)
    assert [path.name for path in folder.iterdir()] == ["archive"]
    return caught.value.message


@pytest.mark.parametrize(
    "content",
    [zipped(GOOD), zipped(GOOD, compression=zipfile.ZIP_STORED), tarred(GOOD), tarred(GOOD, mode="w"),
     gzip.compress(zipped(GOOD))],
    ids=["zip", "stored zip", "tar.gz", "tar", "zip sent with gzip"],
)  # fmt: skip
def test_the_kind_is_seen_by_content(tmp_path: Path, content: bytes) -> None:
    found = tree(tmp_path, content)
    assert found == Tree(files={name: body for name, body, _ in GOOD}, executable=frozenset({"bin/run"}))


def test_folders_and_modes(tmp_path: Path) -> None:
    found = tree(tmp_path, zipped([("data/", b"", stat.S_IFDIR | 0o755), ("src/", b"", stat.S_IFDIR), *GOOD]))
    assert found.folders == {"data", "src"}
    assert tree(tmp_path, zipped([*GOOD, ("__MACOSX/._main.py", b"x", 0o644)])).files.keys() == {
        name for name, _, _ in GOOD
    }
    assert tree(tmp_path, zipped(GOOD, system=0)).executable == frozenset()  # attributes of another system
    assert tree(tmp_path, tarred(GOOD, data=(tarfile.DIRTYPE, ""))).folders == {"data"}


def test_backslashes_of_windows_separate_folders(tmp_path: Path) -> None:
    """Windows PowerShell makes such zip files."""
    found = tree(tmp_path, zipped([("data\\", b"", 0), ("src\\a\\main.py", b"1", 0)], system=0))
    assert found == Tree(files={"src/a/main.py": b"1"}, folders=frozenset({"data"}))
    for name in ("..\\evil", "a\\..\\..\\evil", "\\evil"):
        assert "Source file" in refused(tmp_path, zipped([(name, b"x", 0)], system=0))


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/passwd", "a\\b", "a\nb"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_paths_that_lead_outside(tmp_path: Path, pack: Callable[[Members], bytes], name: str) -> None:
    assert "Source file" in refused(tmp_path, pack([*GOOD, (name, b"x", 0o644)]))
    assert not (tmp_path.parent / "evil").exists()


@pytest.mark.parametrize("links", [links_zipped, links_tarred])
def test_links_inside_become_copies(tmp_path: Path, links: Callable[[Members, dict[str, str]], bytes]) -> None:
    found = tree(
        tmp_path,
        links(GOOD, {"a/run": "../bin/run", "later": "a/run", "whole": "a", "deep": "whole/b/c.txt"}),
    )
    assert found.files["later"] == found.files["a/run"] == b"\x7fELF"
    assert found.files["whole/b/c.txt"] == found.files["deep"] == b""
    assert {"later", "a/run", "whole/run", "bin/run"} == found.executable


@pytest.mark.parametrize("links", [links_zipped, links_tarred])
@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../outside", "a/../../archive", "link", "missing", ".", "..", "", "\udcff"]
)
def test_links_that_lead_outside_or_nowhere(
    tmp_path: Path, links: Callable[[Members, dict[str, str]], bytes], target: str
) -> None:
    if target == "\udcff" and links is links_zipped:
        target = "\ufffd"  # a zip file's names are decoded before
    assert "Replace the link by a copy" in refused(tmp_path, links(GOOD, {"link": target}))


def test_links_in_a_circle(tmp_path: Path) -> None:
    assert "Replace" in refused(tmp_path, links_tarred(GOOD, {"one": "two", "two": "one"}))
    assert "Replace" in refused(tmp_path, links_tarred(GOOD, {"a/up": "../b", "b/up": "../a"}))
    chain = {f"l{number}": f"l{number + 1}" for number in range(60)} | {"l60": "main.py"}
    assert "Replace" in refused(tmp_path, links_tarred(GOOD, chain))


def test_links_that_multiply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "SOURCE_TREE_ENTRIES_MAX", 1000)
    links = {f"f{level}/{number}": f"../f{level - 1}" for level in range(1, 6) for number in range(10)}
    assert "more than 1000 files" in refused(tmp_path, links_tarred([("f0/x", b"", 0o644)], links))
    monkeypatch.setattr(growing, "SOURCE_LINKS_MAX", 10)
    assert "more than 10 links" in refused(tmp_path, links_tarred([("f0/x", b"", 0o644)], links))


def test_a_hard_link_is_seen_from_the_top(tmp_path: Path) -> None:
    found = tree(tmp_path, tarred(GOOD, **{"a/hard": (tarfile.LNKTYPE, "bin/run")}))
    assert found.files["a/hard"] == b"\x7fELF"
    assert "Replace" in refused(tmp_path, tarred(GOOD, **{"a/hard": (tarfile.LNKTYPE, "../bin/run")}))


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_what_is_no_file(tmp_path: Path, kind: bytes) -> None:
    assert "Leave it out" in refused(tmp_path, tarred(GOOD, thing=(kind, "")))
    assert "Leave it out" in refused(tmp_path, zipped([("thing", b"", stat.S_IFIFO | 0o644)]))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_names_that_collide(tmp_path: Path, pack: Callable[[Members], bytes]) -> None:
    assert "twice" in refused(tmp_path, pack([("a", b"1", 0o644), ("./a", b"2", 0o644)]))
    assert "which is a file" in refused(tmp_path, pack([("a", b"1", 0o644), ("a/b", b"2", 0o644)]))


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_bombs(tmp_path: Path, pack: Callable[[Members], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (archive, growing):
        monkeypatch.setattr(module, "SOURCE_TREE_BYTES_MAX", 100_000)
    bomb = pack([(str(number), bytes(60_000), 0o644) for number in range(2)])
    assert len(bomb) < 1000
    assert "when unpacked" in refused(tmp_path, bomb)


def test_a_bomb_before_its_first_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Far more zeros than may come out, inflated in pieces and given up; a file that says it is larger than allowed."""
    monkeypatch.setattr(archive, "SOURCE_TREE_BYTES_MAX", 1_000_000)
    monkeypatch.setattr(archive, "SOURCE_TREE_ENTRIES_MAX", 100)
    block = gzip.compress(bytes(1_000_000), 1)
    header = tarfile.TarInfo("zeros")
    header.size = 2**33
    head = gzip.compress(header.tobuf(tarfile.GNU_FORMAT))
    assert "when unpacked" in refused(tmp_path, head + block * 8)
    small = io.BytesIO()
    with tarfile.open(fileobj=small, mode="w") as file:
        header.size = SOURCE_TREE_BYTES_MAX + 1
        file.fileobj.write(header.tobuf())  # type: ignore[union-attr]
    assert "when unpacked" in refused(tmp_path, small.getvalue())


def test_too_many_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (archive, growing):
        monkeypatch.setattr(module, "SOURCE_TREE_ENTRIES_MAX", 100)
    many: Members = [(str(number), b"", 0o644) for number in range(101)]
    assert "more than 100 files" in refused(tmp_path, tarred(many))
    monkeypatch.setattr(zipfile.ZipInfo, "__init__", lambda *_: pytest.fail("an object was made of an entry"))
    content = (tmp_path / "zip").with_suffix(".zip")
    monkeypatch.undo()
    content.write_bytes(zipped(many))
    for module in (archive, growing):
        monkeypatch.setattr(module, "SOURCE_TREE_ENTRIES_MAX", 100)
    monkeypatch.setattr(zipfile.ZipInfo, "__init__", lambda *_: pytest.fail("an object was made of an entry"))
    with pytest.raises(BuildFailed, match="more than 100 files"):
        unpacked(content, tmp_path)


def test_a_million_entries_at_once(tmp_path: Path) -> None:
    """The directory alone is too long to be read, let alone to be believed."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    count = 1_000_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, len(entry) * count, 4, 0)
    message = refused(tmp_path, b"PK\x03\x04" + entry * count + end)
    assert f"more than {SOURCE_TREE_ENTRIES_MAX} files" in message


def test_headers_that_do_not_end(tmp_path: Path) -> None:
    """A pax header of a gigabyte would be read whole into memory by the library."""
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 10_000_000
    content = header.tobuf() + bytes(header.size) + bytes(1024)
    assert "more than" in refused(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "neither a zip nor a tar.gz"),
        (b"hello", "neither a zip nor a tar.gz"),
        (b"\n<!doctype html><title>Sign in", "looks like a web page"),
        (b"Rar!\x1a\x07", "neither a zip nor a tar.gz"),
        (gzip.compress(b"hello"), "neither a zip nor a tar.gz"),
        (tarred(GOOD)[:-20], "cannot be read"),
        (zipped(GOOD)[:-30], "cannot be read"),
        (b"\x1f\x8bnothing", "cannot be read"),
        (zipped(GOOD, compression=zipfile.ZIP_LZMA), "rare compression"),
        (tarred(GOOD, mode="w")[:600], "cannot be read"),
    ],
    ids=["nothing", "text", "page", "rar", "gz of text", "cut tar.gz", "cut zip", "no gz", "lzma", "cut tar"],
)
def test_what_is_no_archive(tmp_path: Path, content: bytes, told: str) -> None:
    assert told in refused(tmp_path, content)


def test_an_archive_with_a_password(tmp_path: Path) -> None:
    content = bytearray(zipped(GOOD))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert "under a password" in refused(tmp_path, bytes(content))


def test_a_member_before_the_beginning(tmp_path: Path) -> None:
    content = bytearray(zipped(GOOD))
    content[309] ^= 1  # the directory's place: from it zipfile reckons where everything else is
    assert "cannot be read" in refused(tmp_path, bytes(content))


@settings(max_examples=40)
@given(st.data())
def test_damage_is_an_answer(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever bytes are wrong: files, or a line for people; never another error."""
    content = bytearray(data.draw(st.sampled_from([zipped(GOOD), tarred(GOOD, mode="w"), tarred(GOOD)])))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "archive").write_bytes(content)
    try:
        found = unpacked(folder / "archive", folder)
    except (BuildFailed, SourcePathInvalid) as error:
        assert error.message.endswith((".", ")"))
    else:
        assert all(not path.startswith("/") and ".." not in path.split("/") for path in found.files)


def test_the_folder_around_an_exported_repository() -> None:
    said: list[str] = []
    inside = Tree(
        files={"repo-main/Dockerfile": b"", "repo-main/run.sh": b""},
        executable=frozenset({"repo-main/run.sh"}),
        folders=frozenset({"repo-main/data"}),
    )
    assert without_outer_folder(inside, said.append) == Tree(
        files={"Dockerfile": b"", "run.sh": b""}, executable=frozenset({"run.sh"}), folders=frozenset({"data"})
    )
    assert "'repo-main'" in said[0]
    for files in ({"src/x.py": b""}, {".actor/Dockerfile": b""}, {"a/main.py": b"", "b": b""}, {"main.py": b""}):
        kept = Tree(files=files)
        assert without_outer_folder(kept, said.append) is kept
    assert len(said) == 1
