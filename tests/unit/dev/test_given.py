"""Where the input of the runs comes from."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from actorium.caller.failure import Failed
from actorium.dev.given import WHERE, Given


def given(folder: Path, named: str | None = None, piped: bytes = b"") -> Given:
    return Given(folder, named, stdin=io.BytesIO(piped))


def test_it_is_where_sdks_look(tmp_path: Path) -> None:
    found = given(tmp_path)
    assert found.read() is None
    assert found.state() == {}
    (tmp_path / WHERE).parent.mkdir(parents=True)
    (tmp_path / WHERE).with_suffix("").write_text("1")
    assert found.read() == b"1"
    before = found.state()
    (tmp_path / WHERE).write_text('{"a": 1}')
    assert found.read() == b'{"a": 1}'
    assert list(found.state()) == [found.mark]
    assert found.state() != before


def test_a_file_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    found = given(tmp_path, str(path))
    with pytest.raises(Failed, match=r"other\.json cannot be read: No such file"):
        found.read()
    path.write_text("{}")
    assert found.read() == b"{}"


def test_standard_input_serves_every_run(tmp_path: Path) -> None:
    found = given(tmp_path, "-", b"[1]")
    assert [found.read(), found.read()] == [b"[1]", b"[1]"]
    assert found.state() == {}


def test_where_the_mistake_is_is_told_by_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="is not valid JSON: line 2, column 8: "):
        given(tmp_path, "-", b'{"a": 1,\n  "b": }').read()


@pytest.mark.parametrize("piped", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_said_before_it_is_sent(tmp_path: Path, piped: bytes) -> None:
    with pytest.raises(Failed, match="Standard input is not valid JSON"):
        given(tmp_path, "-", piped).read()
