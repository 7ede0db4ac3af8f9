"""Parameters of one statement for two engines."""

from __future__ import annotations

import pytest

from actorium.database.dialect import numbered


@pytest.mark.parametrize(
    ("sql", "expected", "names"),
    [
        ("SELECT 1", "SELECT 1", ()),
        ("SELECT :a, :b, :a", "SELECT $1, $2, $1", ("a", "b")),
        ("SELECT :a::text, CAST(:b2_ AS TEXT)", "SELECT $1::text, CAST($2 AS TEXT)", ("a", "b2_")),
        ("SELECT ':a', 'it''s :b', :c", "SELECT ':a', 'it''s :b', $1", ("c",)),
        ('SELECT "x:a", "y"":b", :c', 'SELECT "x:a", "y"":b", $1', ("c",)),
        ("SELECT 1 -- :a 'b\n, :c", "SELECT 1 -- :a 'b\n, $1", ("c",)),
        ("SELECT /* :a\n' */ :c % 5, '%'", "SELECT /* :a\n' */ $1 % 5, '%'", ("c",)),
        ("x=:a AND y=(:b)", "x=$1 AND y=($2)", ("a", "b")),
    ],
)
def test_numbered(sql: str, expected: str, names: tuple[str, ...]) -> None:
    assert numbered(sql) == (expected, names)
