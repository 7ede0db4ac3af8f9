"""Statements of lists of runs, and whether either engine looks at more than they need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from actorium.database import Row, Tx
from actorium.database.dialect import numbered

ROWS_MAX = 150
"""More than any of these asks for, and far less than there are."""


class Explaining:
    """A transaction that tells which statements look at more than they need."""

    def __init__(self, tx: Tx, *, postgres: bool) -> None:
        self._tx = tx
        self._explain = self._postgres if postgres else self._sqlite
        self.troubles: list[str] = []
        self.explained = 0

    def all(self, sql: str, **params: Any) -> Any:
        self.explained += 1
        self._explain(sql, params)
        return self._tx.all(sql, **params)

    def one(self, sql: str, **params: Any) -> Any:
        found = self.all(sql, **params)
        return found[0] if found else None

    def _postgres(self, sql: str, params: dict[str, Any]) -> None:
        self._look("for these values", sql, self._tx.all(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", **params))
        text, names = numbered(sql)
        values = ", ".join(f"'{params[name]}'" for name in names)
        self._tx.run("SET LOCAL plan_cache_mode = force_generic_plan")
        self._tx.run(f"PREPARE kept AS {text}")
        self._look("that is kept", sql, self._tx.all(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE kept ({values})"))
        self._tx.run("DEALLOCATE kept")
        self._tx.run("SET LOCAL plan_cache_mode = auto")

    def _look(self, which: str, sql: str, explained: list[Row]) -> None:
        for node in nodes(explained[0]["QUERY PLAN"][0]["Plan"]):
            looked_at = node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
            is_whole = node.get("Relation Name") in ("runs", "run_counts") and node["Node Type"] == "Seq Scan"
            if is_whole or looked_at > ROWS_MAX:
                self.troubles.append(f"{sql}: {node['Node Type']} of {looked_at} in the plan {which}")

    def _sqlite(self, sql: str, params: dict[str, Any]) -> None:
        for row in self._tx.all(f"EXPLAIN QUERY PLAN {sql}", **params):
            step = row["detail"]
            if step.startswith(("SCAN runs", "SCAN run_counts")) or ("TEMP B-TREE" in step and "UNION ALL" not in sql):
                self.troubles.append(f"{sql}: {step}")
            if (
                step.startswith("SEARCH runs")
                and "finished_at IS NULL" in sql
                and "runs_live_of_owner" not in step
                and "started_at>? AND started_at<?" not in step
            ):
                self.troubles.append(f"{sql}: {step}")
            if step.startswith("SEARCH run_counts") and "span=? AND starts_at>? AND starts_at<?" not in step:
                self.troubles.append(f"{sql}: {step}")
            if (
                step.startswith("SEARCH runs")
                and "status = :" in sql
                and "status=?" not in step
                and "(id=?)" not in step
            ):
                self.troubles.append(f"{sql}: {step}")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)
