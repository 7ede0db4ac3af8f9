"""``--chmod`` against what chmod(1) makes of the same."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from actorium.builders.process.modes import changed, is_mode

TEXTS = (
    "755", "0640", "7", "+x", "a+x", "u+x", "u=rwx,go=rx", "go-w", "a-x", "o=", "u=rw,g=r,o=", "a+rX", "go=u", "u=g",
    "g+u,o-g", "ug+rw-x", "=r", "+w", "-w", "=rw", "u+s", "a+t", "u+x+w-r", "ugo=rwx,o-rwx", "g=u-w",
)  # fmt: skip


@pytest.mark.parametrize("before", [0o644, 0o755, 0o600, 0o421, 0])
@pytest.mark.parametrize("text", TEXTS)
def test_it_is_what_chmod_does(tmp_path: Path, text: str, before: int) -> None:
    file = tmp_path / "file"
    file.touch()
    file.chmod(before)
    assert is_mode(text)
    subprocess.run(["/bin/sh", "-c", 'umask 022; chmod -- "$1" "$2" 2>&-', "sh", text, str(file)], check=False)
    assert oct(changed(0o100000 | before, text)) == oct(file.stat().st_mode & 0o777)


@pytest.mark.parametrize(
    "text", ["", "x", "u", "+q", "u+x,", ",u+x", "u+rg", "rwxr-xr-x", "888", "07555", "u+x go-w", "+" * 101]
)
def test_mistakes(text: str) -> None:
    assert not is_mode(text)
