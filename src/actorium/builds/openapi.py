"""The OpenAPI document of an Actor's build: how to call the Actor over HTTP, with its input schema as the body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actorium.actors.row import ActorRow
from actorium.builds.row import BuildRow
from actorium.kernel.limits import SCHEMA_DEPTH_MAX

Json = dict[str, Any]

_KEPT = frozenset(
    (
        "title", "description", "type", "format", "enum", "default", "example", "nullable", "minimum", "maximum",
        "multipleOf", "minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "minProperties",
        "maxProperties", "required",
    )
)  # fmt: skip
"""Keywords that mean the same in a draft-07 schema and in OpenAPI 3.0."""
_OPTIONS: tuple[tuple[str, str, str], ...] = (
    ("timeout", "integer", "Seconds after which the run is stopped; 0 for no limit."),
    ("memory", "integer", "Memory of the run in MB: a power of two."),
    ("maxItems", "integer", "How many items are charged at most, where the Actor is paid by result."),
    ("build", "string", "The tag or number of the build that runs; without it the Actor's default."),
)
_INPUT = {"$ref": "#/components/schemas/input"}
_RUN = {"$ref": "#/components/schemas/run"}


def document(actor: ActorRow, row: BuildRow, definition: Mapping[str, Any], *, base_url: str) -> Json:
    """An OpenAPI 3.0 document; ``base_url`` is the server's public one."""
    address = f"/actors/{actor.username}~{actor.name}"
    dataset = _of(definition, "storages", "dataset") or _of(definition, "storages", "datasets", "default")
    items = {"type": "array", "items": plain(_of(dataset, "fields"))}
    info: Json = {"title": actor.title or actor.name, "version": str(definition.get("version", row.version_number))}
    description = actor.document.description or definition.get("description")
    if description:
        info["description"] = description
    return {
        "openapi": "3.0.3",
        "info": info | {"x-build-id": row.id},
        "servers": [{"url": f"{base_url}/v2"}],
        "paths": {
            f"{address}/run-sync-get-dataset-items": _operation(
                "runSyncGetDatasetItems", "Run the Actor and get the items of its default dataset", items
            ),
            f"{address}/runs": _operation(
                "startRun", "Start a run of the Actor", {"type": "object", "properties": {"data": _RUN}}
            ),
            f"{address}/run-sync": _operation("runSync", "Run the Actor and get its output record", {}),
        },
        "components": {
            "schemas": {"input": {"type": "object"} | plain(_of(definition, "input")), "run": _run_schema()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "token": {"type": "apiKey", "in": "query", "name": "token"},
            },
        },
        "security": [{"bearer": []}, {"token": []}],
    }


def plain(schema: Any, *, depth: int = 0) -> Json:
    """A draft-07 schema in the words of OpenAPI 3.0. What these cannot say is left out: they then take more."""
    if not isinstance(schema, Mapping) or depth > SCHEMA_DEPTH_MAX:
        return {}
    made: Json = {name: value for name, value in schema.items() if name in _KEPT and value not in ([], None)}
    made.pop("type", None)
    made |= _type(schema.get("type"), is_nullable=schema.get("nullable") is True)
    if "prefill" in schema:
        made.setdefault("example", schema["prefill"])
    if schema.get("isSecret") is True:
        made["format"] = "password"
    for name in ("allOf", "anyOf", "oneOf"):
        if isinstance(schema.get(name), list) and schema[name] and name not in made:
            made[name] = [plain(each, depth=depth + 1) for each in schema[name]]
    if isinstance(schema.get("properties"), Mapping):
        made["properties"] = {name: plain(each, depth=depth + 1) for name, each in schema["properties"].items()}
    if isinstance(schema.get("items"), Mapping) or made.get("type") == "array":
        made["items"] = plain(schema.get("items"), depth=depth + 1)
    more = schema.get("additionalProperties")
    if more is not None:
        made["additionalProperties"] = more if isinstance(more, bool) else plain(more, depth=depth + 1)
    return made


def _type(kinds: Any, *, is_nullable: bool) -> Json:
    """OpenAPI 3.0 has one type and a flag for null."""
    if isinstance(kinds, str):
        return {"type": kinds} | ({"nullable": True} if is_nullable else {})
    if not isinstance(kinds, list):
        return {}
    others = [kind for kind in kinds if isinstance(kind, str) and kind != "null"]
    flag = {"nullable": True} if is_nullable or "null" in kinds else {}
    if len(others) < 2:
        return {"type": others[0]} | flag if others else flag
    return flag | ({"anyOf": [{"type": kind} | ({"items": {}} if kind == "array" else {}) for kind in others]})


def _of(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _operation(operation_id: str, summary: str, answer: Json) -> Json:
    return {
        "post": {
            "operationId": operation_id,
            "summary": summary,
            "tags": ["Run Actor"],
            "parameters": [
                {"name": name, "in": "query", "description": says, "schema": {"type": kind}}
                for name, kind, says in _OPTIONS
            ],
            "requestBody": {"required": True, "content": {"application/json": {"schema": _INPUT}}},
            "responses": {"201": {"description": "Done", "content": {"application/json": {"schema": answer}}}},
        }
    }


def _run_schema() -> Json:
    texts = ("id", "actId", "status", "startedAt", "finishedAt", "buildId", "buildNumber", "defaultDatasetId")
    more = ("defaultKeyValueStoreId", "defaultRequestQueueId")
    return {
        "type": "object",
        "properties": {name: {"type": "string", "nullable": name == "finishedAt"} for name in (*texts, *more)},
    }
