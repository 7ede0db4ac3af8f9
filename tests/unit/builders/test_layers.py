"""Layers: what a stack shows, and that nothing written or read ever leaves it."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from actorium.builders import BuildFailed
from actorium.builders.process.copying import Context, fingerprint, place, place_from
from actorium.builders.process.layers import Layers, LayerWriter, hand_over
from actorium.builders.process.steps import CopyStep


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host whose system folders are links, as usual now, with something worth stealing."""
    root = tmp_path / "host"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/tool").write_text("host")
    (root / "bin").symlink_to("usr/bin")
    (root / "etc").mkdir()
    (root / "etc/shadow").write_text("secret")
    return root


@pytest.fixture
def writer(tmp_path: Path, host: Path) -> LayerWriter:
    (tmp_path / "layer").mkdir()
    return LayerWriter(tmp_path / "layer", (), host=host)


def tree(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def whiteout(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a whiteout")
    os.mknod(path, 0o020644, os.makedev(0, 0))


def test_upper_layers_hide_lower_ones(tmp_path: Path, host: Path) -> None:
    low, high = tmp_path / "low", tmp_path / "high"
    for path, text in (
        (low / "a/x", "1"),
        (low / "a/y", "1"),
        (low / "b", "1"),
        (high / "a/x", "2"),
        (high / "b/c", "2"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    view = Layers([low, high], host=host)
    folder, x, b = view.find("/a"), view.find("a/x"), view.find("/b")
    assert folder and x and b
    assert view.names(folder) == ["x", "y"]
    assert x.places[0].read_text() == "2"
    assert view.names(b) == ["c"]
    assert view.find("/etc/shadow") is None
    tool = view.find("/usr/bin/tool")
    assert tool is not None
    assert tool.of_host


def test_deletions(tmp_path: Path, host: Path) -> None:
    low, high = tmp_path / "low", tmp_path / "high"
    (low / "a").mkdir(parents=True)
    (low / "a/x").touch()
    (low / "a/y").touch()
    (high / "a").mkdir(parents=True)
    whiteout(high / "a/x")
    view = Layers([low, high], host=host)
    folder = view.find("/a")
    assert folder is not None
    assert view.find("/a/x") is None
    assert view.names(folder) == ["y"]


def test_links_are_followed_inside_only(tmp_path: Path, host: Path) -> None:
    layer = tmp_path / "l"
    (layer / "app").mkdir(parents=True)
    (layer / "app/out").symlink_to("/etc/shadow")
    (layer / "app/up").symlink_to("../../../../etc")
    (layer / "app/round").symlink_to("round")
    view = Layers([layer], host=host)
    assert view.resolve("/app/out") == "/etc/shadow"
    assert view.find(view.resolve("/app/out")) is None
    assert view.resolve("/app/up/x") == "/etc/x"
    assert view.resolve("/bin/sh") == "/usr/bin/sh"
    assert view.resolve("/a/../../../b") == "/b"
    with pytest.raises(BuildFailed, match="goes round"):
        view.resolve("/app/round/x")


def test_writing_through_links_stays_in_the_layer(tmp_path: Path, writer: LayerWriter, host: Path) -> None:
    writer.link("/app/evil", str(tmp_path / "outside"))
    writer.link("/app/etc", "/etc")
    (tmp_path / "outside").mkdir()
    writer.put("/app/evil/x", b"1", mode=0o644)
    writer.put("/app/etc/passwd", b"2", mode=0o644)
    writer.put("/bin/tool", b"3", mode=0o755)
    assert list((tmp_path / "outside").iterdir()) == []
    assert (writer.root / "etc/passwd").read_text() == "2"
    assert (writer.root / "usr/bin/tool").read_text() == "3"
    assert not (writer.root / "bin").exists()
    assert (host / "usr/bin/tool").read_text() == "host"
    writer.link("/app/file", "/etc/shadow")
    writer.put("/app/file", b"4", mode=0o644)
    assert (writer.root / "app/file").read_text() == "4"
    assert not (writer.root / "app/file").is_symlink()


def test_files_and_folders_do_not_replace_each_other(writer: LayerWriter) -> None:
    writer.put("/a/b", b"", mode=0o600)
    with pytest.raises(BuildFailed, match="is a folder"):
        writer.put("/a", b"", mode=0o600)
    with pytest.raises(BuildFailed, match="is a file"):
        writer.make_dir("/a/b/c")


def test_a_folder_keeps_the_mode_it_has_below(tmp_path: Path, host: Path) -> None:
    below = tmp_path / "below"
    (below / "tmp").mkdir(parents=True)
    (below / "tmp").chmod(0o1777)
    (tmp_path / "l").mkdir()
    LayerWriter(tmp_path / "l", [below], host=host).put("/tmp/x/y", b"", mode=0o644)
    assert (tmp_path / "l/tmp").stat().st_mode & 0o7777 == 0o1777
    assert hand_over(tmp_path / "l", None) == 0


CONTEXT = Context(
    files={"a.txt": b"a", "b.txt": b"b", "src/main.py": b"m", "src/sub/x": b"x", "run.sh": b"#!/bin/sh\n"},
    left_out=frozenset({"secret/key"}),
)


@pytest.mark.parametrize(
    ("sources", "target", "result"),
    [
        (["."], "/app/", {"app/a.txt", "app/b.txt", "app/src/main.py", "app/src/sub/x", "app/run.sh"}),
        (["a.txt"], "/app/", {"app/a.txt"}),
        (["a.txt"], "/app/other", {"app/other"}),
        (["a.txt"], "/there", {"there/a.txt"}),
        (["src"], "/app", {"app/main.py", "app/sub/x"}),
        (["/src/"], "/app", {"app/main.py", "app/sub/x"}),
        (["*.txt"], "/app/", {"app/a.txt", "app/b.txt"}),
        (["s*"], "/app/", {"app/main.py", "app/sub/x"}),
        (["src/*"], "/app/", {"app/main.py", "app/x"}),
        (["nothing*", "a.txt"], "/app/", {"app/a.txt"}),
        (["./src/../a.txt"], "/app/", {"app/a.txt"}),
        (["../a.txt"], "/app/", {"app/a.txt"}),  # as Docker does: it is for the source's own folder
        (["../../src/../*.sh"], "/app/", {"app/run.sh"}),
    ],
)
def test_copy(writer: LayerWriter, sources: list[str], target: str, result: set[str]) -> None:
    writer.make_dir("/there")
    place(CopyStep(sources=tuple(sources), target=target), CONTEXT, writer)
    assert set(tree(writer.root)) == result


def test_modes(writer: LayerWriter) -> None:
    place(CopyStep(sources=("run.sh", "a.txt"), target="/x/"), CONTEXT, writer)
    place(CopyStep(sources=("a.txt",), target="/y/", mode="711"), CONTEXT, writer)
    modes = [oct((writer.root / name).stat().st_mode & 0o777) for name in ("x/run.sh", "x/a.txt", "y/a.txt")]
    assert modes == ["0o755", "0o644", "0o711"]


def test_executable_files_and_folders_without_files(writer: LayerWriter) -> None:
    context = Context(
        files={"bin/tool": b"x", "bin/data": b"x"},
        executable=frozenset({"bin/tool"}),
        folders=("bin/in/a", "out", "src"),
    )
    place(CopyStep(sources=(".",), target="/app/"), context, writer)
    assert (writer.root / "app/bin/tool").stat().st_mode & 0o777 == 0o755
    assert (writer.root / "app/bin/data").stat().st_mode & 0o777 == 0o644
    assert all((writer.root / "app" / name).is_dir() for name in context.folders)
    place(CopyStep(sources=("bin", "out"), target="/b/"), context, writer)
    assert sorted(path.name for path in (writer.root / "b").iterdir()) == ["data", "in", "tool"]
    place(CopyStep(sources=("s*",), target="/c/"), context, writer)
    assert (writer.root / "c").is_dir()
    step = CopyStep(sources=("bin",), target="/app/")
    before = fingerprint(step, context, {"bin/tool": "1", "bin/data": "2"})
    moved = Context(files=context.files, folders=("bin/in/b",))
    assert before != fingerprint(step, moved, {"bin/tool": "1", "bin/data": "2"})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("../x", "was not found in the source files"),
        ("src/../../x", "was not found in the source files"),
        ("nope", "was not found"),
        ("secret/key", "dockerignore leaves it out"),
    ],
)
def test_copy_mistakes(writer: LayerWriter, source: str, message: str) -> None:
    with pytest.raises(BuildFailed, match=message):
        place(CopyStep(sources=(source,), target="/x/"), CONTEXT, writer)


def test_fingerprint_knows_names_and_contents() -> None:
    def of(step: CopyStep, files: dict[str, bytes]) -> list[object]:
        return fingerprint(step, Context(files=files), {path: content.hex() for path, content in files.items()})

    step = CopyStep(sources=("src",), target="/app/")
    files = {"src/a": b"1", "other": b"2"}
    assert of(step, files) == of(step, files | {"other": b"3"})
    assert of(step, files) != of(step, files | {"src/a": b"2"})
    assert of(step, files) != of(step, files | {"src/b": b"2"})
    assert of(step, files) != of(CopyStep(sources=("src",), target="/app/", mode="700"), files)


def test_copy_from_a_stage(tmp_path: Path, writer: LayerWriter, host: Path) -> None:
    stage = tmp_path / "stage"
    (stage / "app/sub").mkdir(parents=True)
    (stage / "app/a.whl").write_text("wheel")
    (stage / "app/sub/b").write_text("b")
    (stage / "app/link").symlink_to("/etc/shadow")
    (stage / "app/setuid").write_text("s")
    (stage / "app/setuid").chmod(0o4755)
    os.mkfifo(stage / "app/fifo")
    view = Layers([stage], host=host)
    place_from(CopyStep(sources=("/app",), target="/x", stage=0), view, writer)
    place_from(CopyStep(sources=("/app/*.whl", "/app/s*"), target="/y/", stage=0), view, writer)
    assert tree(writer.root) == {
        "x/a.whl": "wheel", "x/link": "-> /etc/shadow", "x/setuid": "s", "x/sub/b": "b",
        "y/a.whl": "wheel", "y/b": "b", "y/setuid": "s",
    }  # fmt: skip
    assert (writer.root / "x/setuid").stat().st_mode & 0o7000 == 0
    for name, shared in (("a.whl", True), ("setuid", False)):
        assert (writer.root / "x" / name).samefile(stage / "app" / name) == shared
    for stolen in ("/etc/shadow", "/app/link", "/usr/bin/nope", "/app/nope"):
        with pytest.raises(BuildFailed, match="was not found in the stage"):
            place_from(CopyStep(sources=(stolen,), target="/z/", stage=0), view, writer)


def test_a_link_to_what_both_stages_see_of_the_machine_stays_one(
    tmp_path: Path, writer: LayerWriter, host: Path
) -> None:
    """As /usr/local/bin/node of an emulated image is."""
    (tmp_path / "stage/app").mkdir(parents=True)
    links = {
        "node": "/usr/bin/tool", "other": "node", "python": "/opt/py/bin/python", "no": "/etc/x", "npm": "/usr/bin",
    }  # fmt: skip
    for name, target in links.items():
        (tmp_path / "stage/app" / name).symlink_to(target)
    view = Layers([tmp_path / "stage"], host=host)
    step = CopyStep(sources=("/app/node", "/app/other", "/app/python"), target="/x/", stage=0)
    place_from(step, view, writer, shown=("/opt/py",))
    place_from(CopyStep(sources=("/app/npm",), target="/x/npm/", stage=0), view, writer)
    assert tree(writer.root) == {
        "x/node": "-> /usr/bin/tool", "x/other": "-> /usr/bin/tool", "x/python": "-> /opt/py/bin/python",
        "x/npm": "-> /usr/bin",
    }  # fmt: skip
    for stolen in ("/app/python", "/app/no"):
        with pytest.raises(BuildFailed, match="was not found in the stage"):
            place_from(CopyStep(sources=(stolen,), target="/z/", stage=0), view, writer)


@pytest.mark.parametrize(
    ("source", "target", "made"),
    [
        ("/usr/bin/tool", "/usr/bin/tool", {}),
        ("/usr/bin/tool", "/usr/bin/", {}),
        ("/usr/bin/tool", "/usr/local/bin/", {"usr/local/bin/tool": "-> /usr/bin/tool"}),
        ("/usr/bin/tool", "/x/other", {"x/other": "-> /usr/bin/tool"}),
        ("/usr/bin", "/usr/bin", {}),
        ("/usr/bin", "/usr/bin/", {}),
        ("/usr/bin", "/x/bin/", {"x/bin": "-> /usr/bin"}),
        ("/usr/bin", "/usr", {}),
    ],
)
def test_what_the_machine_has_is_seen_in_the_next_stage_too(
    tmp_path: Path, writer: LayerWriter, host: Path, source: str, target: str, made: dict[str, str]
) -> None:
    """A program that a stage asked a package manager for was not found in it, and of a folder came an empty one."""
    (tmp_path / "stage").mkdir()
    place_from(CopyStep(sources=(source,), target=target, stage=0), Layers([tmp_path / "stage"], host=host), writer)
    assert tree(writer.root) == made


def archive(*members: tuple[str, bytes | None, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        for name, content, link in members:
            member = tarfile.TarInfo(name)
            member.size = len(content or b"")
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, link
            made.addfile(member, io.BytesIO(content or b""))
    return buffer.getvalue()


def test_add_unpacks_archives(tmp_path: Path, writer: LayerWriter) -> None:
    content = archive(("d/a", b"1", ""), ("out", None, str(tmp_path)), ("out/b", b"2", ""))
    place(CopyStep(sources=("x.tgz",), target="/x/", unpack=True), Context(files={"x.tgz": content}), writer)
    assert (writer.root / "x/d/a").read_text() == "1"
    assert not (tmp_path / "b").exists()
    place(CopyStep(sources=("x.tgz",), target="/y/"), Context(files={"x.tgz": content}), writer)
    assert (writer.root / "y/x.tgz").read_bytes() == content


@pytest.mark.parametrize(
    "content",
    [archive(("../evil", b"1", "")), b"\x1f\x8b broken", archive(("a", b"1" * 5000, ""))[:60]],
    ids=["leads out", "broken", "cut"],  # the bytes hold the time and would differ between workers
)
def test_bad_archives(tmp_path: Path, writer: LayerWriter, content: bytes) -> None:
    with pytest.raises(BuildFailed, match=r"ADD x\.tgz"):
        place(CopyStep(sources=("x.tgz",), target="/x/", unpack=True), Context(files={"x.tgz": content}), writer)
    assert not (tmp_path / "evil").exists()
