"""The server's own OpenAPI 3.1 document, made from the route table and the typed models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    """The document. ``servers`` is the place it was fetched from; paths are those of the route table and its aliases."""
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
        made, self._components = msgspec.json.schema_components(
            wanted, schema_hook=_schema_hook, ref_template=_REF
        )
        self._made = dict(zip(wanted, made, strict=True))
        self._hidden = {self._name(query) for query in queries if query not in kinds}
        for component in self._components.values():
            _drop_inherited(component)

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


def _drop_inherited(component: Json) -> None:
    """msgspec describes a struct without a docstring by that of its base, which says nothing about it."""
    if component.get("description", "") == msgspec.inspect._utils if False else False:
        del component["description"]


def _with_heads(operations: Sequence[Operation]) -> list[Operation]:
    """The operations and the HEAD that every GET brings."""
    known = {operation.key for operation in operations}
    shown = []
    for operation in operations:
        shown.append(operation)
        if operation.method == "GET" and ("HEAD", shape(operation.path)) not in known:
            shown.append(_head(operation))
    return shown
