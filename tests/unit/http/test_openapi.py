"""The document: made from routes, models and aliases, and readable by strict tools."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from actorium.http.openapi import document
from actorium.http.paging import Page, PageQuery
from actorium.http.route import Alias, Auth, Call, RawBody, Reply
from actorium.kernel.instant import Instant
from actorium.kernel.structs import Wire

ROOT = Path(__file__).resolve().parents[3]


class Run(Wire, kw_only=True, frozen=True):
    """One execution of an Actor."""

    id: str
    started_at: Instant
    finished_at: Instant | None = None


class ListRuns(PageQuery, kw_only=True, frozen=True):
    """Never shown: its fields are parameters."""

    status: tuple[str, ...] = ()
    search: Annotated[str, Meta(description="Words in the name.")] | None = None


class Needs(Wire, kw_only=True, frozen=True):
    target_actor_id: str


class LastRun(Wire, kw_only=True, frozen=True):
    status: str | None = None


async def handler(call: Call[Any, Any]) -> Reply:
    return Reply()


async def resolve(call: Call[Any, None]) -> Mapping[str, str]:
    return {}


@pytest.fixture
def made(route: Any) -> dict[str, Any]:
    routes = [
        route(
            "GET",
            "/v2/actors/{actorId}/runs",
            handler,
            operation_id="actors_runs_get",
            query=ListRuns,
            returns=Page[Run],
        ),
        route("POST", "/v2/actors", handler, operation_id="actors_post", body=Run, returns=Run, statuses=(201,)),
        route("GET", "/v2/actor-runs/{runId}", handler, operation_id="actorRun_get", returns=Run, auth=Auth.OPTIONAL),
        route("POST", "/v2/actor-runs/{runId}/metamorph", handler, operation_id="m", query=Needs, body=RawBody),
        route("DELETE", "/v2/actor-runs/{runId}", handler, operation_id="actorRun_delete", statuses=(204,)),
        route(
            "GET",
            "/v2/logs/{id}",
            handler,
            operation_id="log_get",
            auth=Auth.NONE,
            envelope=False,
            media_type="text/plain",
        ),
    ]
    aliases = [
        Alias(prefix="/v2/actors/{actorId}/runs/last", target="/v2/actor-runs/{runId}", resolve=resolve, query=LastRun)
    ]
    made = document(routes, aliases, title="Actorium", version="1.2")
    return msgspec.json.decode(msgspec.json.encode(made))  # type: ignore[no-any-return]


def test_frame(made: Any) -> None:
    assert made["openapi"] == "3.1.0"
    assert made["info"] == {"title": "Actorium", "version": "1.2"}
    assert set(made["components"]["securitySchemes"]) == {"bearer", "token"}
    assert made["tags"] == [{"name": "Things"}]


def test_paths_hold_routes_aliases_and_twins(made: Any) -> None:
    assert set(made["paths"]) == {
        "/v2/actors/{actorId}/runs",
        "/v2/acts/{actorId}/runs",
        "/v2/actors",
        "/v2/acts",
        "/v2/actor-runs/{runId}",
        "/v2/actor-runs/{runId}/metamorph",
        "/v2/actors/{actorId}/runs/last",
        "/v2/actors/{actorId}/runs/last/metamorph",
        "/v2/acts/{actorId}/runs/last",
        "/v2/acts/{actorId}/runs/last/metamorph",
        "/v2/logs/{id}",
    }
    assert made["paths"]["/v2/acts"]["post"]["deprecated"] is True
    assert "deprecated" not in made["paths"]["/v2/actors"]["post"]
    assert made["paths"]["/v2/actor-runs/{runId}"]["head"]["operationId"] == "actorRun_head"
    assert made["paths"]["/v2/acts/{actorId}/runs"]["head"]["operationId"] == "actors_runs_head__acts"


def test_operation_ids_are_unique(made: Any) -> None:
    ids = [operation["operationId"] for item in made["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))


def test_parameters(made: Any) -> None:
    listed = {p["name"]: p for p in made["paths"]["/v2/actors/{actorId}/runs"]["get"]["parameters"]}
    assert set(listed) == {"actorId", "offset", "limit", "desc", "status", "search"}
    assert listed["actorId"] == {"name": "actorId", "in": "path", "required": True, "schema": {"type": "string"}}
    assert listed["offset"]["schema"] == {"type": "integer", "minimum": 0, "default": 0}
    assert listed["limit"]["schema"] == {"type": "integer", "minimum": 0}
    assert (listed["status"]["style"], listed["status"]["explode"]) == ("form", False)
    assert listed["search"]["description"] == "Words in the name."
    last = made["paths"]["/v2/actors/{actorId}/runs/last/metamorph"]["post"]["parameters"]
    assert [(p["name"], p["required"]) for p in last] == [("actorId", True), ("status", False), ("targetActorId", True)]


def test_bodies_and_replies(made: Any) -> None:
    create = made["paths"]["/v2/actors"]["post"]
    run = {"$ref": "#/components/schemas/Run"}
    assert create["requestBody"] == {"required": True, "content": {"application/json": {"schema": run}}}
    shown = create["responses"]["201"]["content"]["application/json"]["schema"]
    assert shown == {"type": "object", "properties": {"data": run}, "required": ["data"]}
    assert "content" not in made["paths"]["/v2/actor-runs/{runId}"]["delete"]["responses"]["204"]
    assert "content" not in made["paths"]["/v2/actor-runs/{runId}"]["head"]["responses"]["200"]
    assert list(made["paths"]["/v2/logs/{id}"]["get"]["responses"]["200"]["content"]) == ["text/plain"]
    assert {"400", "401", "404", "405", "413", "415", "429"} <= set(
        made["paths"]["/v2/actor-runs/{runId}/metamorph"]["post"]["responses"]
    )


def test_security(made: Any) -> None:
    assert made["paths"]["/v2/logs/{id}"]["get"]["security"] == []
    assert {} in made["paths"]["/v2/actor-runs/{runId}"]["get"]["security"]
    assert "security" not in made["paths"]["/v2/actors"]["post"]


def test_schemas_hold_models_and_no_queries(made: Any) -> None:
    schemas = made["components"]["schemas"]
    assert set(schemas) == {"Run", "Page_Run_", "ErrorBody", "ErrorDetail"}
    assert schemas["Run"]["properties"]["startedAt"] == {"type": "string", "format": "date-time"}


def test_every_reference_leads_somewhere(made: Any) -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [ref for value in node.values() for ref in references(value)]
        return [ref for value in node for ref in references(value)] if isinstance(node, list) else []

    for reference in references(made):
        node = made
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_every_operation_of_the_contract_can_be_declared(route: Any) -> None:
    """Every operation of the contract as a route: twins and HEADs must come by themselves."""
    facts = json.loads((ROOT / "tests" / "contract" / "operations.json").read_text())
    routes = []
    for fact in facts:
        if fact["path"].startswith("/v2/acts") or fact["method"] == "HEAD":
            continue
        names = [(name, str | None, None) for name in fact["query"]]
        query = msgspec.defstruct(f"Query{len(routes)}", names, bases=(Wire,), kw_only=True, frozen=True, rename=None)
        routes.append(route(fact["method"], fact["path"], handler, query=query, tag=fact["tag"]))
    made = document(routes, [], title="t", version="v")
    shown = {(method.upper(), path) for path, item in made["paths"].items() for method in item}
    assert not {(fact["method"], fact["path"]) for fact in facts} - shown
