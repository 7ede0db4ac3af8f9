"""An operation made ready: its readers compiled, its parameters placed. One call runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from actorium.http.auth import Authenticate, token_of, without_token
from actorium.http.body import BodyReader, body_reader, read_body
from actorium.http.exchange import Exchange
from actorium.http.query import query_reader
from actorium.http.ratelimit import RateLimiter
from actorium.http.route import Call, Limited
from actorium.http.router import ACTORS, ACTS, Operation
from actorium.http.trie import param_places, split_template
from actorium.kernel.errors import LimitedToken, RateLimitExceeded, Unauthenticated
from actorium.kernel.limits import BODY_BYTES_MAX, BODY_STALL_SECS, RATE_DEFAULT

Params = Mapping[str, str]


class Gate:
    """What every request passes on its way to a handler: who it is, and how often."""

    def __init__(
        self,
        authenticate: Authenticate,
        *,
        limiter: RateLimiter,
        body_bytes_max: int = BODY_BYTES_MAX,
        body_stall_secs: float = BODY_STALL_SECS,
    ) -> None:
        self.authenticate = authenticate
        self.limiter = limiter
        self.body_bytes_max = body_bytes_max
        self.body_stall_secs = body_stall_secs


class Endpoint:
    """One operation, compiled."""

    def __init__(self, operation: Operation, gate: Gate) -> None:
        route = operation.route
        self.operation = operation
        self.handler = route.handler
        self.envelope = route.envelope
        self.rate = RATE_DEFAULT if route.rate is None else route.rate
        self.rate_header = (b"x-ratelimit-limit", b"%d" % gate.limiter.shown(self.rate))
        self.auth = route.auth
        self._refuses_limited = route.limited is Limited.NO
        self._soft_rate = route.soft_rate
        self._gate = gate
        self._places = param_places(operation.path)
        self._tail = operation.path.endswith("*}")
        self._query = query_reader(route.query)
        self._body = body_reader(route.body, optional=route.optional_body)
        self._steps = tuple((alias.resolve, query_reader(alias.query)) for alias in operation.steps)
        self._family, self._resource_at = _family(operation.path, rate=self.rate)

    async def run(self, exchange: Exchange, segments: list[str], *, query: Params) -> Any:
        """What the handler returns for this request. Raises what the handler and everything before it raise."""
        gate, headers, address = self._gate, exchange.headers, exchange.address
        try:
            token = token_of(headers, query)
            principal = without_token(token, self.auth) or await gate.authenticate(token)
            if principal is None:
                raise Unauthenticated
        except Unauthenticated:
            gate.limiter.check_stranger(address)
            raise
        at = self._resource_at
        resource = (self._family, segments[at] if at >= 0 else "")
        caller = principal.user_id or f"ip {address}"
        within = gate.limiter.within(caller, resource, rate=self.rate, now=exchange.started)
        if not within and not self._soft_rate:
            raise RateLimitExceeded
        if self._refuses_limited and principal.scope is not None:
            raise LimitedToken
        params, read_query = self._params(segments), self._query(query)
        if self._steps:
            call: Call[Any, Any] = Call(
                exchange=exchange, principal=principal, params=params, query=read_query, body=None
            )
            params = await self._resolve(call, query)
        body = None if self._body is None else await self._read_body(self._body, exchange)
        return await self.handler(
            Call(
                exchange=exchange,
                principal=principal,
                params=params,
                query=read_query,
                body=body,
                over_rate=not within,
            )
        )

    async def _read_body(self, reader: BodyReader, exchange: Exchange) -> Any:
        gate, headers = self._gate, exchange.headers
        content = await read_body(
            exchange.receive,
            headers,
            whole=exchange.take_body(),
            cap=gate.body_bytes_max,
            stall_secs=gate.body_stall_secs,
        )
        return reader(content, headers)

    def _params(self, segments: list[str]) -> Params:
        params = {name: segments[at] for name, at in self._places}
        if self._tail:
            name, at = self._places[-1]
            params[name] = "/".join(segments[at:])
        return params

    async def _resolve(self, call: Call[Any, Any], query: Params) -> Params:
        """Walk the aliases: each finds the next target's parameters, and the handler sees all of them."""
        params = call.params
        for resolve, read_query in self._steps:
            found = await resolve(replace(call, params=params, query=read_query(query)))
            params = {**params, **found}
        return params


def _family(path: str, *, rate: int) -> tuple[tuple[str, int], int]:
    """What shares a rate: one tier of the paths under a first parameter, and where that parameter stands (-1: none)."""
    segments = split_template(path)
    if path == ACTS or path.startswith(ACTS + "/"):
        segments = split_template(ACTORS + path.removeprefix(ACTS))
    at = next((at for at, segment in enumerate(segments) if segment.startswith("{")), len(segments))
    return ("/".join(segments[:at]), rate), at if at < len(segments) else -1
