"""The route of queries."""

from __future__ import annotations

from actorium.datasets.sql.boxes import Answer
from actorium.datasets.sql.model import ResultFormat, ResultQuery, SqlBody
from actorium.datasets.sql.parquet import MEDIA_TYPE as PARQUET
from actorium.datasets.sql.service import Queries
from actorium.http.leaving import unless_gone
from actorium.http.route import Call, Reply, Route

MEDIA_TYPES = {
    ResultFormat.JSON: "application/json; charset=utf-8",
    ResultFormat.JSONL: "application/jsonl; charset=utf-8",
    ResultFormat.CSV: "text/csv; charset=utf-8",
    ResultFormat.PARQUET: PARQUET,
}


def routes(queries: Queries) -> list[Route]:
    """The one route."""

    async def query(call: Call[ResultQuery, SqlBody]) -> Reply:
        work = queries.answer(call.principal, call["datasetId"], call.body, call.query.format)
        answer = await unless_gone(call.request.receive, work)
        headers = {
            "X-Actorium-Row-Count": str(answer.told.rows),
            "X-Actorium-Truncated": str(answer.told.truncated).lower(),
            "X-Content-Type-Options": "nosniff",
        }
        return Reply(
            content=content(answer), media_type=MEDIA_TYPES[call.query.format], headers=headers, envelope=False
        )

    return [
        Route(
            method="POST", path="/v2/datasets/{datasetId}/query", handler=query, operation_id="dataset_query_post",
            tag="Storage/Datasets", summary="Query with SQL", query=ResultQuery, body=SqlBody, envelope=False,
        ),
    ]  # fmt: skip


def content(answer: Answer) -> bytes | Answer:
    """An answer as a reply has it: what is short as bytes, with a length."""
    whole = answer.whole
    return answer if whole is None else whole
