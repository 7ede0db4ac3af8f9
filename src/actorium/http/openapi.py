"""The server's own OpenAPI 3.1 document, made from the route table and the typed models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import msgspec

from actorium.http.errors import STATUS
from actorium.http.route import Alias, Auth, RawBody, Route
from actorium.http.router import Operation, expand, shape
from actorium.http.trie import param_places
from actorium.kernel.errors import Kind
from actorium.kernel.instant import Instant
from actorium.kernel.structs import Wire

Json = dict[str, Any]

_REF = "#/components/schemas/{name}"
_ERROR_SAYS = {
    Kind.INVALID: "The request is not valid.",
    Kind.UNAUTHENTICATED: "The token is missing or unknown.",
    Kind.PAYMENT: "A limit of the account does not allow this.",
    Kind.FORBIDDEN: "The caller may not do this, or not now.",
    Kind.NOT_FOUND: "The resource does not exist, or not for this caller.",
    Kind.NOT_ALLOWED: "The path has other methods.",
    Kind.TIMED_OUT: "It took longer than the API waits.",
    Kind.CONFLICT: "The name is taken.",
    Kind.TOO_LARGE: "The body is larger than the limit.",
    Kind.UNSUPPORTED: "The content coding of the body is not supported.",
    Kind.LIMITED: "Too many requests.",
    Kind.UNAVAILABLE: "A part of the server cannot answer now.",
}
_EVERYWHERE = (Kind.INVALID, Kind.FORBIDDEN, Kind.NOT_ALLOWED, Kind.LIMITED, Kind.UNAVAILABLE)


class ErrorDetail(Wire, kw_only=True, frozen=True):
    """What went wrong."""

    type: str
    message: str
    data: Any | msgspec.UnsetType = msgspec.UNSET


class ErrorBody(Wire, kw_only=True, frozen=True):
    """The body of every error."""

    error: ErrorDetail


def document(routes: Sequence[Route], aliases: Sequence[Alias], *, title: str, version: str) -> Json:
    """The document. Its paths are those of the route table, of its aliases and of the ``acts`` twins of both."""
    operations = _with_heads(expand(routes, aliases))
    schemas = _Schemas(operations)
    paths: dict[str, Json] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"token": []}],
        "tags": [{"name": name} for name in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {
            "schemas": schemas.shown(),
            "responses": {str(STATUS[kind]): _error_response(kind, schemas) for kind in Kind},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "token": {"type": "apiKey", "in": "query", "name": "token"},
            },
        },
    }


class _Schemas:
    """JSON Schemas of every type the operations name, made in one go so that they share components."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        queries: dict[Any, None] = {}
        kinds: dict[Any, None] = {ErrorBody: None}
        for operation in operations:
            route = operation.route
            queries.update(dict.fromkeys([route.query, *(alias.query for alias in operation.steps)]))
            kinds.update(dict.fromkeys(kind for kind in (route.body, route.returns) if kind not in (None, RawBody)))
        wanted = [*kinds, *(query for query in queries if query not in kinds)]
        made, self._components = msgspec.json.schema_components(wanted, schema_hook=_schema_hook, ref_template=_REF)
        self._made: dict[Any, Json] = dict(zip(wanted, made, strict=True))
        self._hidden = {self._name(query) for query in queries if query not in kinds}

    def of(self, kind: Any) -> Json:
        return self._made[kind]

    def parameters(self, query: type[Wire]) -> list[Json]:
        """A query struct as parameters."""
        schema = self._components[self._name(query)]
        required = set(schema.get("required", ()))
        return [_parameter(name, shown, required=name in required) for name, shown in schema["properties"].items()]

    def shown(self) -> Json:
        return {name: schema for name, schema in sorted(self._components.items()) if name not in self._hidden}

    def _name(self, kind: Any) -> str:
        name: str = self._made[kind]["$ref"].rpartition("/")[2]
        return name


def _schema_hook(kind: type) -> Json:
    if kind is Instant:
        return {"type": "string", "format": "date-time"}
    raise NotImplementedError(f"no JSON Schema for {kind.__name__}")


def _with_heads(operations: Sequence[Operation]) -> list[Operation]:
    """The operations and the HEAD that comes with a GET, unless that does something."""
    known = {operation.key for operation in operations}
    shown = []
    for operation in operations:
        shown.append(operation)
        if operation.method == "GET" and not operation.route.acts and ("HEAD", shape(operation.path)) not in known:
            shown.append(_head(operation))
    return shown


def _head(operation: Operation) -> Operation:
    name, twin, suffix = operation.operation_id.partition("__")
    head_id = f"{name.removesuffix('_get')}_head{twin}{suffix}"
    return replace(operation, method="HEAD", operation_id=head_id)


def _operation(operation: Operation, schemas: _Schemas) -> Json:
    route = operation.route
    shown: Json = {
        "operationId": operation.operation_id,
        "summary": route.summary,
        "tags": [operation.tag],
        "parameters": _parameters(operation, schemas),
        "responses": {**_successes(operation, schemas), **_errors(route, has_params="{" in operation.path)},
    }
    if operation.deprecated:
        shown["deprecated"] = True
    if route.body is not None:
        media_type = "*/*" if route.body is RawBody else "application/json"
        schema = {} if route.body is RawBody else schemas.of(route.body)
        required = route.body is not RawBody and not route.optional_body
        shown["requestBody"] = {"required": required, "content": {media_type: {"schema": schema}}}
    if route.auth is Auth.NONE:
        shown["security"] = []
    elif route.auth is Auth.OPTIONAL:
        shown["security"] = [{}, {"bearer": []}, {"token": []}]
    return shown


def _parameters(operation: Operation, schemas: _Schemas) -> list[Json]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name, _ in param_places(operation.path)
    ]
    known: set[str] = set()
    for query in (*(alias.query for alias in operation.steps), operation.route.query):
        new = [parameter for parameter in schemas.parameters(query) if parameter["name"] not in known]
        known.update(parameter["name"] for parameter in new)
        found += new
    return found


def _parameter(name: str, schema: Json, *, required: bool) -> Json:
    """A property of a query struct as a parameter; null means absent, and absent is not sent."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if kinds:
        rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
        schema = {**kinds[0], **rest} if len(kinds) == 1 else {"anyOf": kinds, **rest}
    shown: Json = {"name": name, "in": "query", "required": required, "schema": schema}
    if "description" in schema:
        schema = dict(schema)
        shown |= {"description": schema.pop("description"), "schema": schema}
    if schema.get("type") == "array":
        shown |= {"style": "form", "explode": False}
    return shown


def _successes(operation: Operation, schemas: _Schemas) -> Json:
    route = operation.route
    return {str(status): _success(status, operation, schemas) for status in route.statuses}


def _success(status: int, operation: Operation, schemas: _Schemas) -> Json:
    route = operation.route
    shown: Json = {"description": HTTPStatus(status).phrase}
    if operation.method == "HEAD" or status in (204, 304) or 300 <= status < 400:
        return shown
    schema = {} if route.returns is None else schemas.of(route.returns)
    if route.envelope and route.returns is not None:
        schema = {"type": "object", "properties": {"data": schema}, "required": ["data"]}
    shown["content"] = {route.media_type: {"schema": schema}}
    return shown


def _errors(route: Route, *, has_params: bool) -> Json:
    kinds = list(_EVERYWHERE)
    if route.auth is not Auth.NONE:
        kinds.append(Kind.UNAUTHENTICATED)
    if has_params:
        kinds.append(Kind.NOT_FOUND)
    if route.method in ("POST", "PUT"):
        kinds.append(Kind.CONFLICT)
    if route.body is not None:
        kinds += [Kind.TIMED_OUT, Kind.TOO_LARGE, Kind.UNSUPPORTED]
    return {code: {"$ref": f"#/components/responses/{code}"} for code in sorted(str(STATUS[kind]) for kind in kinds)}


def _error_response(kind: Kind, schemas: _Schemas) -> Json:
    return {"description": _ERROR_SAYS[kind], "content": {"application/json": {"schema": schemas.of(ErrorBody)}}}
