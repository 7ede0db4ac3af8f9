"""What goes into a box comes out of it, and what is asked of it is answered as another engine would."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actorium.datasets.sql.box import answers, tables, work
from actorium.datasets.sql.box.outlet import Outlet
from actorium.datasets.sql.box.shapes import Columns

ROWS_MAX = 1_000_000
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Item = dict[str, Any]
Open = tuple[duckdb.DuckDBPyConnection, Outlet]


@contextmanager
def opened(items: Sequence[Item], *, cut: int = 3) -> Iterator[Open]:
    """A box's database with the items, which came in several blocks."""
    shadowed = sys.modules.get("fsspec")
    connection, outlet = work.connect(memory_mbytes=512, threads=1)
    lines = [msgspec.json.encode(item) for item in items]
    tables.load(connection, "dataset", (b"\n".join(lines[at : at + cut]) for at in range(0, len(lines), cut)))
    try:
        yield connection, outlet
    finally:
        connection.close()
        if shadowed is None:
            sys.modules.pop("fsspec", None)
        else:
            sys.modules["fsspec"] = shadowed


def written(box: Open, sql: str, *, format: str = "jsonl") -> bytes:
    connection, outlet = box
    connection.execute("DROP TABLE IF EXISTS actorium.result")
    pieces: list[bytes] = []
    answers.write(connection, outlet, answers.run(connection, sql, rows_max=ROWS_MAX), format, pieces.append)
    return b"".join(pieces)


def rows(box: Open, sql: str) -> list[Item]:
    return [json.loads(line) for line in written(box, sql).split(b"\n")[:-1]]


def same(given: Any, found: Any) -> bool:
    """Whether a value is what became of another: structs have all their fields, and numbers may be doubles."""
    if isinstance(given, dict):
        extra = found.keys() - given.keys() if isinstance(found, dict) else None
        return extra is not None and all(
            same(given.get(key), found.get(key)) and (key in given or found[key] is None) for key in {*given, *extra}
        )
    if isinstance(given, list):
        return isinstance(found, list) and len(given) == len(found) and all(map(same, given, found))
    if isinstance(given, bool | str | None):
        return type(given) is type(found) and bool(given == found)
    return isinstance(found, int | float) and not isinstance(found, bool) and float(given) == float(found)


texts = st.text(max_size=5)
edges = st.sampled_from([2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 0, -1])
scalars = st.none() | st.booleans() | st.integers() | edges | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
keys = st.sampled_from(["a", "A", "b", "ab", "", "_", "a.b", 'q"', "select"]) | texts
item_lists = st.lists(st.dictionaries(keys, values, max_size=5), max_size=8)


@given(item_lists)
@FEW
def test_items_come_out_as_they_went_in(items: list[Item]) -> None:
    columns = Columns()
    columns.see(items)
    wanted = [columns.renamed(item) for item in items]
    with opened(items) as box:
        found = rows(box, "FROM dataset")
        array = json.loads(written(box, "FROM dataset", format="json"))
        assert rows(box, "SELECT count(*) AS n FROM dataset") == [{"n": len(items)}]
    assert found == array
    if any(items):
        assert len(found) == len(wanted)
        for before, after in zip(wanted, found, strict=True):
            assert same(before, after), (before, after)


@given(item_lists)
@FEW
def test_parquet_holds_the_same(tmp_path_factory: pytest.TempPathFactory, items: list[Item]) -> None:
    with opened(items) as box:
        found = rows(box, "FROM dataset")
        content = written(box, "FROM dataset", format="parquet")
    path = tmp_path_factory.mktemp("parquet") / "items.parquet"
    path.write_bytes(content)
    assert content[:4] == content[-4:] == b"PAR1"
    with duckdb.connect() as connection:
        texts = connection.execute(
            "SELECT to_json(a_whole_row)::VARCHAR FROM read_parquet(?) a_whole_row", [str(path)]
        ).fetchall()
    assert [json.loads(text) for (text,) in texts] == found


FIRST = {"i": 0, "k": 1, "n": 5, "s": "x", "f": 0.5}
numbered = st.lists(
    st.fixed_dictionaries(
        {
            "k": st.none() | st.integers(0, 3),
            "n": st.integers(-1_000_000, 1_000_000),
            "s": st.none() | st.text("abcé\U0001f600 '\"%_", max_size=4),
            "f": st.none() | st.sampled_from([0.25, -1.5, 2.0, 1e10]),
        }
    ),
    max_size=12,
)
QUESTIONS = [
    "SELECT * FROM dataset ORDER BY i DESC",
    "SELECT i, n * 2 + 1 AS m, -n AS o FROM dataset WHERE n > 3 AND n <= 900000 ORDER BY i",
    "SELECT i FROM dataset WHERE s = 'a' OR s IS NULL OR k IN (1, 2) ORDER BY i",
    "SELECT i FROM dataset WHERE NOT (k BETWEEN 1 AND 2) ORDER BY i",
    "SELECT k, count(*) AS c, count(s) AS d, sum(n) AS t, min(s) AS u, max(n) AS v, avg(n) AS w FROM dataset"
    " GROUP BY k ORDER BY k NULLS FIRST",
    "SELECT k, count(DISTINCT s) AS c FROM dataset GROUP BY k HAVING count(*) > 1 ORDER BY k NULLS LAST",
    "SELECT DISTINCT s FROM dataset ORDER BY s NULLS FIRST",
    "SELECT i, s FROM dataset ORDER BY s DESC NULLS LAST, n, i LIMIT 4 OFFSET 1",
    "SELECT a.i AS x, b.i AS y FROM dataset a JOIN dataset b ON a.k = b.k AND a.i < b.i ORDER BY 1, 2",
    "SELECT a.i AS x, b.n AS y FROM dataset a LEFT JOIN dataset b ON b.i = a.k ORDER BY 1",
    "SELECT i, row_number() OVER (PARTITION BY k ORDER BY n, i) AS r, sum(n) OVER (ORDER BY i) AS t FROM dataset"
    " ORDER BY i",
    "SELECT i, coalesce(s, '-') || '!' AS t, length(s) AS l, CASE WHEN k > 1 THEN 'many' ELSE 'few' END AS c"
    " FROM dataset ORDER BY i",
    "SELECT i FROM dataset d WHERE EXISTS (SELECT 1 FROM dataset e WHERE e.k = d.k AND e.n > d.n) ORDER BY i",
    "SELECT k FROM dataset UNION SELECT i FROM dataset WHERE i > 5 ORDER BY 1 NULLS FIRST",
    "SELECT k FROM dataset EXCEPT SELECT 1 ORDER BY 1 NULLS FIRST",
    "SELECT sum(f) AS a, max(f) AS b, total AS c FROM dataset, (SELECT count(*) AS total FROM dataset) GROUP BY total",
    "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t WHERE x < 5)"
    " SELECT x, i FROM t JOIN dataset ON i = x ORDER BY x",
]


@given(numbered)
@FEW
def test_answers_are_those_of_another_engine(more: list[Item]) -> None:
    items = [FIRST, *({"i": at, **item} for at, item in enumerate(more, 1))]
    with opened(items) as box, sqlite3.connect(":memory:") as other:
        other.execute("CREATE TABLE dataset (i INTEGER, k INTEGER, n INTEGER, s TEXT, f REAL)")
        other.executemany("INSERT INTO dataset VALUES (:i, :k, :n, :s, :f)", items)
        for sql in QUESTIONS:
            cursor = other.execute(sql)
            names = [column[0] for column in cursor.description]
            wanted = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            found = rows(box, sql)
            assert len(found) == len(wanted), sql
            for one, another in zip(wanted, found, strict=True):
                assert same(one, another), (sql, one, another)
    other.close()


ODD = [
    (b'{"a":1e999,"b":[1e999],"c":"NaN"}', {"a": None, "b": [None], "c": "NaN"}),
    (b'{"a":"\\ud800x"}\n{"a":"\\ud83d\\ude00"}', {"a": "?x"}),
    (b'{"a":1,"b":"\\u0000"}', {"a": 1, "b": "\0"}),
    (b'{"a":%s1%s}' % (b"[" * 199, b"]" * 199), {"a": json.loads("[" * 199 + "1" + "]" * 199)}),
    (
        b'{"a":%s"Infinity"%s}' % (b'{"b":' * 199, b"}" * 199),
        {"a": json.loads('{"b":' * 199 + '"Infinity"' + "}" * 199)},
    ),
    (b'{"a":' + b"9" * 5000 + b"}", {"a": None}),
]


@pytest.mark.parametrize(("block", "first"), ODD, ids=range(len(ODD)))
def test_odd_items(block: bytes, first: Item) -> None:
    with opened([]) as box:
        connection, _ = box
        connection.execute("DROP TABLE dataset")
        tables.load(connection, "dataset", [block])
        assert same(first, rows(box, "FROM dataset")[0])


def test_what_json_and_csv_have_no_word_for() -> None:
    sql = (
        "SELECT 'nan'::DOUBLE a, '-inf'::DOUBLE b, {'x': 'nan'::FLOAT, 'y': 'Infinity'} c, 1::HUGEINT << 100 d,"
        " INTERVAL 3 DAY e, DATE '2026-01-02' f, TIMESTAMPTZ '2026-01-02' g, '\\xAA'::BLOB h, 1.50::DECIMAL(5,2) i,"
        " MAP {'k': [1]} j, '\"t\"'::JSON k, NULL l, true m, union_value(u := 1) n"
    )
    with opened([]) as box:
        assert rows(box, sql) == [
            {
                "a": None, "b": None, "c": {"x": None, "y": "Infinity"}, "d": 1 << 100, "e": "3 days",
                "f": "2026-01-02", "g": "2026-01-02 00:00:00+00", "h": "\\xAA", "i": 1.5, "j": {"k": [1]}, "k": "t",
                "l": None, "m": True, "n": {"u": 1},
            }
        ]  # fmt: skip
        csv = written(box, sql, format="csv").split(b"\r\n")[1]
    assert csv == (
        b'nan,-inf,"{""x"":NaN,""y"":""Infinity""}",1267650600228229401496703205376,3 days,2026-01-02,'
        b'2026-01-02 00:00:00+00,\\xAA,1.50,"{""k"":[1]}",t,,true,"{""u"":1}"'
    )


def test_the_outlet_is_written_once_and_never_read(tmp_path: Path) -> None:
    with opened([{"n": 1}]) as (connection, outlet):
        for sql in ("COPY dataset TO 'actorium://answer'", f"COPY dataset TO '{tmp_path}/x.csv'"):
            with pytest.raises(duckdb.Error):
                connection.execute(sql)
        pieces: list[bytes] = []
        outlet.opens(pieces.append)
        connection.execute("COPY dataset TO 'actorium://answer' (FORMAT csv, USE_TMP_FILE false)")
        assert b"".join(pieces) == b"n\n1\n"
        with pytest.raises(duckdb.Error):
            connection.execute("COPY dataset TO 'actorium://answer' (FORMAT csv, USE_TMP_FILE false)")
