"""What the compiler of installed packages leaves: valid files, from its cache where the same source was seen before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actorium.builders.process.compile_packages import ALONE_MAX, main, target

SAYS = "import one; print(one.__cached__, one.VALUE)"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "package").mkdir(parents=True)
    (folder / "one.py").write_text("VALUE = 1\n")
    (folder / "package" / "__init__.py").write_text("'''Docs.'''\nassert True\n")
    (folder / "package" / "template.py").write_text("import {{ name }}\n")
    return folder


def compile_in(site: Path, capsys: pytest.CaptureFixture[str], *, is_quiet: bool = False) -> str:
    assert main(site, site.parent / "store", is_quiet=is_quiet) == 0
    return capsys.readouterr().err


def remove_compiled(site: Path) -> None:
    for path in site.rglob("*.pyc"):
        path.unlink()


def test_python_takes_what_was_written(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compile_in(site, capsys) == "Bytecode compiled 3 files\n"
    written = target(site / "one.py").read_bytes()
    command = [sys.executable, "-v", "-c", SAYS]
    done = subprocess.run(command, cwd=site, capture_output=True, text=True, check=True)
    assert done.stdout == f"{target(site / 'one.py')} 1\n"
    assert f"code object from '{target(site / 'one.py')}'" in done.stderr
    assert target(site / "one.py").read_bytes() == written
    assert not target(site / "package" / "template.py").exists(), "no Python, and no error"


def test_the_next_build_finds_it_whatever_its_time(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compile_in(site, capsys)
    first = target(site / "one.py").read_bytes()
    remove_compiled(site)
    os.utime(site / "one.py", (1, 1))
    said = compile_in(site, capsys)
    assert said == "Bytecode compiled 1 files, 2 more were compiled by an earlier build\n"
    assert target(site / "one.py").read_bytes()[16:] == first[16:]
    assert target(site / "one.py").read_bytes()[8:12] == (1).to_bytes(4, "little")
    assert compile_in(site, capsys) == "Bytecode compiled 1 files\n", "the others are valid as they are"


def test_another_content_is_compiled_anew(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compile_in(site, capsys)
    (site / "one.py").write_text("VALUE = 22\n")
    assert compile_in(site, capsys) == "Bytecode compiled 2 files\n"
    done = subprocess.run([sys.executable, "-c", SAYS], cwd=site, capture_output=True, text=True, check=True)
    assert done.stdout.endswith(" 22\n")


def test_a_torn_or_foreign_body_is_not_taken(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compile_in(site, capsys)
    whole = target(site / "one.py").read_bytes()
    for body in (site.parent / "store").rglob("*"):
        if body.is_file():
            body.write_bytes(body.read_bytes()[:-1])
    remove_compiled(site)
    assert compile_in(site, capsys) == "Bytecode compiled 3 files\n"
    assert target(site / "one.py").read_bytes() == whole


def test_what_was_there_before_stays(site: Path) -> None:
    latest = max(path.stat().st_ctime for path in site.rglob("*.py"))
    assert main(site, site.parent / "store", since=latest + 1, is_quiet=True) == 0
    assert list(site.rglob("*.pyc")) == []


def test_many_files_and_a_cache_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    for number in range(ALONE_MAX * 3):
        (folder / f"module_{number}.py").write_text(f"VALUE = {number}\n")
    (tmp_path / "store").write_text("a file where the folder should be")
    assert compile_in(folder, capsys, is_quiet=True) == ""
    assert len(list(folder.rglob("*.pyc"))) == ALONE_MAX * 3
