"""Names of source files stay inside, whatever they are."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.actors.errors import SourcePathInvalid
from actorium.actors.model import SourceFile, SourceFormat
from actorium.actors.sources import clean_path, decoded_files
from actorium.kernel.errors import InvalidInput


@given(st.text(alphabet=st.sampled_from("ab./\\\0 \n~é"), max_size=40))
def test_a_clean_path_leads_nowhere_else(name: str) -> None:
    try:
        path = clean_path(name)
    except SourcePathInvalid as error:
        assert "Source file" in error.message
        return
    assert path == posixpath.normpath(path)
    assert not {"", ".", ".."} & set(path.split("/"))
    assert posixpath.normpath(posixpath.join("/root", path)).startswith("/root/")
    assert "\\" not in path
    assert clean_path(path) == path


@pytest.mark.parametrize(
    ("name", "path"),
    [("a", "a"), ("./a/b", "a/b"), ("a//b/", "a/b"), ("...", "..."), ("..a/b..", "..a/b.."), ("~", "~")],
)
def test_clean_paths(name: str, path: str) -> None:
    assert clean_path(name) == path


def test_contents_and_folders() -> None:
    files = [
        SourceFile(name="src", folder=True),
        SourceFile(name="src/main.py", format=SourceFormat.TEXT, content="é"),
        SourceFile(name="logo", format=SourceFormat.BASE64, content="AAE="),
        SourceFile(name="empty"),
    ]
    assert decoded_files(files) == {"src/main.py": "é".encode(), "logo": b"\0\1", "empty": b""}


def test_too_many_files() -> None:
    with pytest.raises(InvalidInput, match="at most 5000"):
        decoded_files([SourceFile(name=str(number)) for number in range(5001)])


def test_a_file_where_a_folder_is() -> None:
    with pytest.raises(SourcePathInvalid, match="as a file and as a folder"):
        decoded_files([SourceFile(name="src"), SourceFile(name="src", folder=True)])
