"""Which files of a folder are the Actor, and how they are sent."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from actorium.builds.sources.archive import unpacked
from actorium.caller import actor_folder
from actorium.caller.actor_folder import ActorFolder, archive, source_files
from actorium.caller.failure import Failed


def write(root: Path, **files: str) -> ActorFolder:
    """Files by their path, with __ for a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return ActorFolder(root)


def put(root: Path, *names: str) -> ActorFolder:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return ActorFolder(root)


def test_what_tools_and_runs_make_is_left_out(tmp_path: Path) -> None:
    made = (".git/HEAD", "node_modules/x/index.js", "storage/key_value_stores/default/INPUT.json", ".venv/bin/python")
    folder = put(
        tmp_path, "main.py", "src/a.py", ".dockerignore", *made, "src/__pycache__/a.pyc", "sub/node_modules/y.js"
    )
    assert set(folder.files()) == set(folder.state()) == {"main.py", "src/a.py", ".dockerignore"}


def test_ignore_files_are_read_as_git_reads_them(tmp_path: Path) -> None:
    folder = put(
        tmp_path, "main.py", "a.log", "keep.log", "sub/b.log", "sub/deep/c.log", "out/x.py", "sub/out2", "big.bin"
    )
    (tmp_path / ".gitignore").write_text("*.log\n!keep.log\n/out/\n# words\n\n")
    (tmp_path / "sub" / ".gitignore").write_text("!b.log\n/out2\n")
    (tmp_path / ".actorignore").write_text("*.bin\n")
    assert set(folder.files()) == {"main.py", "keep.log", "sub/b.log", ".gitignore", "sub/.gitignore", ".actorignore"}


def test_a_package_that_is_called_storage_is_sent(tmp_path: Path) -> None:
    """Local runs write to a folder of that name at the top only; one further down went missing in the build."""
    folder = put(tmp_path, "main.py", "storage/datasets/default/1.json", "src/storage/__init__.py", "src/storage/db.py")
    assert set(folder.files()) == {"main.py", "src/storage/__init__.py", "src/storage/db.py"}


@pytest.mark.parametrize("names", [(".gitignore", ".actorignore"), (".actorignore", ".gitignore")])
@pytest.mark.parametrize("brought_back", ["!dist/", "!/dist/*.js", "!dist/main.js"])
def test_what_actorignore_brings_back_is_sent_though_git_ignores_it(
    tmp_path: Path, names: tuple[str, str], brought_back: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whichever order the folder lists the two files."""
    text = {".gitignore": "dist/\n", ".actorignore": f"{brought_back}\n"}
    for name in names:
        (tmp_path / name).write_text(text[name])
    folder = put(tmp_path, "src/a.ts", "dist/main.js")
    listed = os.scandir
    monkeypatch.setattr(
        os, "scandir", lambda where: sorted(listed(where), key=lambda entry: (entry.name != names[0], entry.name))
    )
    assert set(folder.files()) == {".gitignore", ".actorignore", "src/a.ts", "dist/main.js"}


def test_what_actorignore_leaves_out_no_gitignore_brings_back(tmp_path: Path) -> None:
    folder = put(tmp_path, "main.py", "data/keep.txt", "out/x", "out/y")
    (tmp_path / ".actorignore").write_text("*.txt\n!out/y\n")
    (tmp_path / ".gitignore").write_text("out/\n")
    (tmp_path / "data" / ".gitignore").write_text("!keep.txt\n")
    (tmp_path / "out" / ".gitignore").write_text("!x\n")
    assert set(folder.files()) == {"main.py", ".gitignore", ".actorignore", "data/.gitignore", "out/y"}


def test_a_repository_that_the_folder_is_in_has_its_say(tmp_path: Path) -> None:
    put(tmp_path, ".git/HEAD")
    (tmp_path / ".gitignore").write_text("*.log\n/actors/mine/out\n/elsewhere\n")
    (tmp_path / "actors").mkdir()
    (tmp_path / "actors" / ".gitignore").write_text(".env\n")
    folder = put(tmp_path / "actors" / "mine", "main.py", ".env", "a.log", "out/x", "elsewhere/y", "keep.log")
    (tmp_path / "actors" / "mine" / ".gitignore").write_text("!keep.log\n")
    assert set(folder.files()) == {"main.py", "elsewhere/y", "keep.log", ".gitignore"}


@pytest.mark.parametrize("said", ["/mine/\n", "*\n"])
def test_a_repository_that_ignores_the_whole_folder_does_not_empty_it(tmp_path: Path, said: str) -> None:
    put(tmp_path, ".git/HEAD")
    (tmp_path / ".gitignore").write_text(said)
    assert set(put(tmp_path / "mine", "main.py").files()) == {"main.py"}


def test_ignore_files_above_a_folder_in_no_repository_are_nobodys(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.py\n")
    assert set(put(tmp_path / "mine", "main.py").files()) == {"main.py"}


def test_the_definition_is_sent_though_git_ignores_it(tmp_path: Path) -> None:
    folder = put(tmp_path, "main.py", ".actor/actor.json", ".actor/input.json", "a.json")
    (tmp_path / ".gitignore").write_text("*.json\n.actor/\n")
    assert set(folder.files()) == {"main.py", ".gitignore", ".actor/actor.json", ".actor/input.json"}


def test_a_broken_ignore_file_stops_nobody(tmp_path: Path) -> None:
    folder = put(tmp_path, "main.py")
    (tmp_path / ".gitignore").mkdir()
    assert set(folder.files()) == {"main.py"}


def test_a_link_to_a_file_is_the_file_and_one_to_a_folder_is_nothing(tmp_path: Path) -> None:
    folder = put(tmp_path / "actor", "main.py")
    put(tmp_path, "shared.py", "elsewhere/x.py")
    (tmp_path / "actor" / "shared.py").symlink_to(tmp_path / "shared.py")
    (tmp_path / "actor" / "round").symlink_to(tmp_path / "actor")
    (tmp_path / "actor" / "nowhere").symlink_to(tmp_path / "none")
    assert {name: file.content for name, file in folder.files().items()} == {
        "main.py": b"main.py",
        "shared.py": b"shared.py",
    }


def test_every_kind_of_change_changes_the_state(tmp_path: Path) -> None:
    folder = put(tmp_path, "main.py")
    main = tmp_path / "main.py"
    seen = [folder.state()]

    def differs() -> bool:
        seen.append(folder.state())
        return seen[-1] != seen[-2]

    assert not differs()
    main.write_text("longer than before")
    assert differs()
    os.utime(main, ns=(1, 1))
    assert differs()
    main.chmod(0o755)
    assert differs()
    put(tmp_path, "new.py")
    assert differs()
    main.unlink()
    assert differs()


def test_the_definition_is_as_lenient_as_that_of_builds(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        **{".actor__actor.json": '{"name": "mine", /* why */ "version": "1.2.3", "environmentVariables": {"A": 1},}'},
    )
    said = folder.definition()
    assert (said.name, said.version, said.build_tag, said.environment) == ("mine", "1.2", "latest", {"A": "1"})


def test_without_a_definition_the_folder_names_the_actor(tmp_path: Path) -> None:
    said = put(tmp_path / "My Actor_2", "main.py").definition()
    assert (said.name, said.version) == ("my-actor-2", "0.0")


@pytest.mark.parametrize(("text", "told"), [("{", "not valid JSON"), ("[]", "no JSON object")])
def test_a_definition_that_cannot_be_read_is_named(tmp_path: Path, text: str, told: str) -> None:
    folder = write(tmp_path, **{".actor__actor.json": text})
    with pytest.raises(Failed, match=told) as caught:
        folder.definition()
    assert "actor.json" in str(caught.value)


def test_what_is_no_actor_is_not_read(tmp_path: Path) -> None:
    put(tmp_path, "thesis.txt")
    with pytest.raises(Failed, match="does not look like an Actor"):
        ActorFolder(tmp_path).check()
    with pytest.raises(Failed, match="is no folder"):
        ActorFolder(tmp_path / "none").check()
    put(tmp_path, "Dockerfile").check()


def test_a_folder_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put(tmp_path, "main.py", "a/1", "a/2")
    monkeypatch.setattr(actor_folder, "SOURCE_TREE_ENTRIES_MAX", 3)
    with pytest.raises(Failed, match="more than 3 files") as caught:
        folder.state()
    assert ".actorignore" in caught.value.hint
    monkeypatch.undo()
    monkeypatch.setattr(actor_folder, "SOURCE_TREE_BYTES_MAX", 8)
    with pytest.raises(Failed, match="larger than an Actor"):
        folder.files()


def test_texts_and_bytes_are_sent_as_they_are(tmp_path: Path) -> None:
    folder = put(tmp_path, "main.py")
    (tmp_path / "icon").write_bytes(b"\xff\x00")
    assert source_files(folder.files()) == [
        {"name": "icon", "format": "BASE64", "content": "/wA="},
        {"name": "main.py", "format": "TEXT", "content": "main.py"},
    ]


def test_an_archive_is_what_builds_unpack(tmp_path: Path) -> None:
    folder = put(tmp_path / "actor", "main.py", "src/tool.sh")
    (tmp_path / "actor" / "src" / "tool.sh").chmod(0o755)
    packed = tmp_path / "packed.zip"
    packed.write_bytes(archive(folder.files()))
    tree = unpacked(packed, tmp_path)
    assert tree.files == {"main.py": b"main.py", "src/tool.sh": b"src/tool.sh"}
    assert tree.executable == {"src/tool.sh"}
    assert archive(folder.files()) == packed.read_bytes()


def test_the_current_folder_may_go_and_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a branch without it is checked out."""
    place = tmp_path / "actor"
    write(place, main__py="", Dockerfile="FROM python:3.11")
    monkeypatch.chdir(place)
    folder = ActorFolder(Path())
    shutil.rmtree(place)
    assert folder.state() == {}
    with pytest.raises(Failed, match="is no folder"):
        folder.check()
    write(place, Dockerfile="FROM python:3.11")
    folder.check()
    assert set(folder.state()) == {"Dockerfile"}
