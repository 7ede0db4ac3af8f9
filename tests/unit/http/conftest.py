"""A small application to send requests to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from actorium.http.app import HttpApp, HttpLimits
from actorium.http.route import Alias, Route
from actorium.kernel.ids import SeededIds
from actorium.kernel.instant import Instant
from actorium.kernel.principal import Principal
from asgi_client import AsgiClient

ALICE = Principal(user_id="alice-id", username="alice", number=1)
BOB = Principal(user_id="bob-id", username="bob", number=2)
TOKENS = {"alice-token": ALICE, "bob-token": BOB}

MakeApp = Callable[..., HttpApp]


class ManualClock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.secs = 1000.0

    def now(self) -> Instant:
        return Instant(round(self.secs * 1000))

    def monotonic(self) -> float:
        return self.secs

    async def sleep(self, secs: float) -> None:
        self.secs += secs


async def authenticate(token: str) -> Principal | None:
    return TOKENS.get(token)


def build_route(method: str, path: str, handler: Any, **more: Any) -> Route:
    defaults = {"operation_id": f"{path}_{method.lower()}", "tag": "Things", "summary": f"{method} {path}"}
    return Route(method=method, path=path, handler=handler, **{**defaults, **more})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def route() -> Callable[..., Route]:
    return build_route


@pytest.fixture
def make_app(clock: ManualClock) -> MakeApp:
    def make(routes: Sequence[Route], aliases: Sequence[Alias] = (), **more: Any) -> HttpApp:
        more.setdefault("limits", HttpLimits())
        return HttpApp(routes, aliases, authenticate=authenticate, clock=clock, ids=SeededIds(), **more)

    return make


@pytest.fixture
def client(make_app: MakeApp) -> Callable[..., AsgiClient]:
    """A client of an application with these routes, holding alice's token unless told otherwise."""

    def make(
        *routes: Route, aliases: Sequence[Alias] = (), token: str | None = "alice-token", **more: Any
    ) -> AsgiClient:
        return AsgiClient(make_app(routes, aliases, **more), token=token)

    return make
