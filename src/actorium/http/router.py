"""Compiles routes and aliases, once, into operations and into the tree that finds them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Generic, TypeVar

from actorium.http.route import Alias, Route
from actorium.http.trie import Trie, param_places, split_template

T = TypeVar("T")

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ACTORS, ACTS = "/v2/actors", "/v2/acts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path: a route, reached directly or through aliases."""

    method: str
    path: str
    route: Route
    operation_id: str
    tag: str
    deprecated: bool
    steps: tuple[Alias, ...] = ()
    """The aliases to resolve before the handler, in order."""

    @property
    def key(self) -> tuple[str, str]:
        return self.method, shape(self.path)


@dataclass(slots=True)
class Leaf(Generic[T]):
    """What a path answers, by method; a GET answers HEAD."""

    methods: dict[str, T] = field(default_factory=dict)
    declared: str = "OPTIONS"
    """The methods in messages: ``OPTIONS,GET``."""
    allow: str = "OPTIONS"
    """The same for the Allow header, with the HEAD that a GET brings."""

    def settle(self, *, acts: bool = False) -> None:
        own = [method for method in METHODS if method in self.methods]
        self.declared = ",".join(["OPTIONS", *own])
        if "GET" in self.methods and not acts:
            self.methods.setdefault("HEAD", self.methods["GET"])
        self.allow = ", ".join(["OPTIONS", *(method for method in METHODS if method in self.methods)])


@cache
def shape(path: str) -> str:
    """A path template without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path.rstrip("/"))


def expand(routes: Sequence[Route], aliases: Sequence[Alias]) -> list[Operation]:
    """Every operation: the routes, what aliases mount elsewhere, and the ``acts`` twins of both.

    A route of its own wins over an alias, an earlier alias over a later one. Raises ValueError for two equal routes
    and for aliases that lead in a circle.
    """
    found: dict[tuple[str, str], Operation] = {}
    for route in routes:
        operation = _direct(route)
        if operation.key in found:
            raise ValueError(f"two routes for {route.method} {route.path}")
        found[operation.key] = operation
    frontier = list(found.values())
    for _ in range(len(aliases) + 1):
        mounted = [made for alias in aliases for made in _mount(alias, frontier)]
        frontier = [made for made in mounted if found.setdefault(made.key, made) is made]
    if frontier:
        raise ValueError(f"aliases lead in a circle at {frontier[0].path}")
    for operation in list(found.values()):
        twin = _acts_twin(operation)
        if twin is not None:
            found.setdefault(twin.key, twin)
    return list(found.values())


def compile_leaves(entries: Iterable[tuple[str, str, T]], *, acting: Collection[str] = ()) -> Trie[Leaf[T]]:
    """The tree for (method, path template, what answers). ``acting``: the paths whose GET has no HEAD."""
    leaves: dict[str, tuple[str, Leaf[T]]] = {}
    for method, path, target in entries:
        _, leaf = leaves.setdefault(shape(path), (path, Leaf()))
        leaf.methods[method] = target
    trie: Trie[Leaf[T]] = Trie()
    for path, leaf in leaves.values():
        leaf.settle(acts=path in acting)
        trie.put(path, leaf)
    trie.settle()
    return trie


def _direct(route: Route) -> Operation:
    param_places(route.path)
    if route.method not in METHODS:
        raise ValueError(f"{route.method} {route.path}: the method must be one of {', '.join(METHODS)}")
    return Operation(
        method=route.method,
        path=route.path,
        route=route,
        operation_id=route.operation_id,
        tag=route.tag,
        deprecated=route.deprecated,
    )


def _mount(alias: Alias, operations: Iterable[Operation]) -> Iterator[Operation]:
    target, depth = shape(alias.target), len(split_template(alias.target))
    only = None if alias.only is None else {(method, shape(rest)) for method, rest in alias.only}
    named = {_rest_key(*_split_rest(key)): value for key, value in alias.operation_ids.items()}
    for operation in operations:
        if shape(operation.path) != target and not shape(operation.path).startswith(target + "/"):
            continue
        rest = "".join(f"/{segment}" for segment in split_template(operation.path)[depth:])
        if only is not None and (operation.method, shape(rest)) not in only:
            continue
        path = alias.prefix + rest
        param_places(path)
        made_id = _lead(alias.prefix) + _without_lead(operation.operation_id, lead=_lead(alias.target))
        yield replace(
            operation,
            path=path,
            operation_id=named.get(_rest_key(operation.method, rest), made_id),
            tag=alias.tag or operation.tag,
            deprecated=alias.deprecated or operation.deprecated,
            steps=(alias, *operation.steps),
        )


def _split_rest(key: str) -> tuple[str, str]:
    method, _, rest = key.partition(" ")
    return method, rest


def _rest_key(method: str, rest: str) -> str:
    return f"{method} {shape(rest)}"


def _acts_twin(operation: Operation) -> Operation | None:
    if operation.path != ACTORS and not operation.path.startswith(ACTORS + "/"):
        return None
    path = ACTS + operation.path.removeprefix(ACTORS)
    return replace(operation, path=path, operation_id=f"{operation.operation_id}__acts", deprecated=True)


def _lead(prefix: str) -> str:
    """What the contract's operationIds of a path begin with: ``actor_runs_last`` for /v2/actors/{actorId}/runs/last."""
    segments = split_template(prefix.removeprefix("/v2"))
    words = []
    for at, segment in enumerate(segments):
        if segment.startswith("{"):
            continue
        named = at + 1 < len(segments) and segments[at + 1].startswith("{")
        first, *others = (segment.removesuffix("s") if named else segment).split("-")
        words.append(first + "".join(word.capitalize() for word in others))
    return "_".join(words)


def _without_lead(operation_id: str, *, lead: str) -> str:
    return operation_id.removeprefix(lead) if operation_id.startswith(f"{lead}_") else f"_{operation_id}"
