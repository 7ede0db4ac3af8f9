"""What a feature says to the edge: routes, the call a handler gets, the reply it gives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from starlette.requests import Request

from actorium.kernel.limits import ORIGIN_TEXT_CHARS_MAX
from actorium.kernel.principal import Principal
from actorium.kernel.structs import Wire

if TYPE_CHECKING:
    from actorium.http.exchange import Exchange

Q = TypeVar("Q")
B = TypeVar("B")


class NoQuery(Wire, kw_only=True, frozen=True):
    """Query of a route that reads no parameters. Unknown parameters are ignored everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawBody:
    """A request body taken as bytes, decoded from its content coding and capped."""

    content: bytes
    content_type: str | None
    content_encoding: str | None = None
    """The coding it was sent in; ``content`` is already decoded."""

    @property
    def absent(self) -> bool:
        return not self.content


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request came from, as far as its sender says."""

    client_ip: str | None
    user_agent: str | None
    request_origin: str | None = None
    """The X-Apify-Request-Origin header."""
    workflow_key: str | None = None


class Call(msgspec.Struct, Generic[Q, B], frozen=True, kw_only=True):
    """One request as a handler sees it: decoded, authenticated, its aliases resolved.

    A struct and not a dataclass, because one is made for every request and a struct is four times as fast to make.
    """

    exchange: Exchange
    principal: Principal
    """The caller. On a route with ``Auth.OPTIONAL`` and no token: ANONYMOUS (empty user id)."""
    params: Mapping[str, str]
    query: Q
    body: B
    """A struct where the route names one, ``RawBody`` where it says RawBody, None otherwise."""
    over_rate: bool = False
    """Only on routes with ``soft_rate``."""

    @property
    def request(self) -> Request:
        """For the few handlers that stream or read headers themselves."""
        return self.exchange.request

    @property
    def request_id(self) -> str:
        return self.exchange.request_id

    @property
    def origin(self) -> Origin:
        """Where it came from, as far as its sender says."""
        headers = self.exchange.headers
        return Origin(
            client_ip=(self.exchange.address or "")[:ORIGIN_TEXT_CHARS_MAX] or None,
            user_agent=_text(headers.get(b"user-agent")),
            request_origin=_text(headers.get(b"x-apify-request-origin")),
            workflow_key=_text(headers.get(b"x-apify-workflow-key")),
        )

    def __getitem__(self, param: str) -> str:
        return self.params[param]


def _text(header: bytes | None) -> str | None:
    return None if header is None else header[:ORIGIN_TEXT_CHARS_MAX].decode("latin-1")


ANONYMOUS = Principal(user_id="", username="", number=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply that is not just ``200 {"data": struct}``.

    content: a struct or plain value (sent as JSON), bytes, or an async iterator of bytes (streamed; the handler's
    iterator is closed when the client leaves). None is an empty body.
    envelope: wrap JSON content in ``{"data": ...}``.
    """

    status: int = 200
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str | None = None
    envelope: bool = True


Handler = Callable[[Call[Any, Any]], Awaitable[Any]]
"""Returns a struct (sent as ``200 {"data": ...}``), or a Reply."""


class Auth(StrEnum):
    REQUIRED = "required"
    OPTIONAL = "optional"  # anonymous callers reach the handler; a supplied but unknown token is still refused
    NONE = "none"  # no token is looked at


class Limited(StrEnum):
    """What a run with limited permissions may do with a route. The edge knows that much; services look at the rows."""

    NO = "no"  # refused, before anything is read
    ROWS = "rows"  # the service refuses what is not the run's
    YES = "yes"  # nothing in it needs a right


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation: what the router matches, what the edge decodes, what the OpenAPI document says."""

    method: str
    path: str
    """With camelCase parameters in braces, as in the contract: /v2/actor-runs/{runId}."""
    handler: Handler
    operation_id: str
    """The contract's operationId."""
    tag: str
    """The contract's tag."""
    summary: str
    query: type[Wire] = NoQuery
    body: type | None = None
    """A struct type (JSON is required), RawBody, or None. ``optional_body`` lets JSON be absent or null: body None."""
    optional_body: bool = False
    returns: Any = None
    """The struct inside ``data``; None: described by ``media_type``."""
    envelope: bool = True
    media_type: str = "application/json"
    statuses: tuple[int, ...] = (200,)
    """Every success status it can answer."""
    auth: Auth = Auth.REQUIRED
    limited: Limited = Limited.NO
    """For tokens of runs with limited permissions; a route that says nothing is closed to them."""
    rate: int | None = None
    """Requests a second per resource (method family + first path parameter); None: RATE_DEFAULT."""
    soft_rate: bool = False
    """Over its rate the handler is called all the same and sees ``call.over_rate``: it refuses in its own words."""
    acts: bool = False
    """A GET that does something. HEAD must not, so none comes with it."""
    deprecated: bool = False


Resolver = Callable[[Call[Any, None]], Awaitable[Mapping[str, str]]]
"""Turns an alias's path parameters into the target's. Raises NotFound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """Paths that lead to other routes: every route whose path is ``target`` or lies below it answers under ``prefix``.

    ``/v2/actor-runs/{runId}/dataset`` → ``/v2/datasets/{datasetId}`` with a resolver from runId to datasetId.
    ``only`` limits it to (method, rest of path) pairs, where the contract has fewer operations under the prefix.
    """

    prefix: str
    target: str
    resolve: Resolver
    query: type[Wire] = NoQuery
    """Parameters the resolver reads besides the target's own (``status`` and ``origin`` of last runs)."""
    tag: str | None = None
    only: frozenset[tuple[str, str]] | None = None
    operation_ids: Mapping[str, str] = field(default_factory=dict)
    """The contract's operationId by ``"METHOD /rest"``; others are made from the target's."""
    deprecated: bool = False
