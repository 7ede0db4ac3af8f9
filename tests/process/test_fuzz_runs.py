"""The same fuzzer on everything about runs: starts, tasks, builds, charges, forks, brakes, with real ids and states."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from actorium.app import openapi
from fuzzing import fuzz
from live_runs import Runs, end_all, processes, quick_limits
from live_server import LiveServer

pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]

RUNS = re.compile(
    r"/v2/(actors|actor-runs|actor-tasks|actor-builds|users/me/brakes|logs)"
    r"(?!.*/(dataset|key-value-store|request-queue|versions)(/|$))"  # the storages of runs have the routes of storages
)
TWIN = re.compile(r"/v2/(actors/\{actorId\}/(runs|builds)/(\{|last/[^cf])|actor-tasks/\{actorTaskId\}/runs/last/)")
"""Routes with the handlers of others: left out, like /v2/acts."""


def operations() -> list[tuple[str, str]]:
    document = asyncio.run(openapi())
    return [
        (method.upper(), path)
        for path, methods in document["paths"].items()
        if RUNS.match(path) and not TWIN.match(path)
        for method in methods
        if method != "head"
    ]


@dataclass
class World:
    """An Actor, its task, build and run; fuzzing changes and deletes them now and then, and they are made anew."""

    runs: Runs
    paying: str
    """A run that is left alone but for charges."""
    own_token: str
    made: int = 0
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def server(self) -> LiveServer:
        return self.runs.server

    def is_whole(self) -> bool:
        gets = {"actorId": "actors", "actorTaskId": "actor-tasks", "runId": "actor-runs", "buildId": "actor-builds"}
        return bool(self.ids) and all(
            self.server.api("GET", f"/v2/{kind}/{self.ids[name]}")[0] == 200 for name, kind in gets.items()
        )

    def refill(self) -> None:
        """Make everything anew."""
        self.made += 1
        actor = self.runs.build(f"fuzzed-{self.made}")
        run = self.runs.start("sleeps", actor=actor)
        build = self.runs.get(run)["buildId"]
        task = self.server.api("POST", "/v2/actor-tasks", {"actId": actor, "input": {"does": "leaves"}})[1]["data"][
            "id"
        ]
        self.ids = {
            "actorId": actor, "actorTaskId": task, "runId": run, "buildId": build, "buildOrRunId": run,
            "kind": "ACTOR", "subjectId": actor,
        }  # fmt: skip


def token_of(run: str) -> str:
    """The token of a run, which its process has."""
    environment = (Path(f"/proc/{pid}/environ").read_bytes() for pid in processes(run))
    return next(
        line.partition(b"=")[2].decode()
        for line in b"\0".join(environment).split(b"\0")
        if line.startswith(b"APIFY_TOKEN=")
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    server = LiveServer(tmp_path_factory.mktemp("fuzz"), ACTORIUM_CONCURRENT_RUNS="3")
    server.command = quick_limits(RUN_SYNC_SECS_MAX=0.05, WAIT_FOR_FINISH_SECS_MAX=0.05)
    server.start()
    try:
        runs = Runs(server)
        events = {"page": {"eventTitle": "page", "eventPriceUsd": 0.1}}
        price = {"pricingModel": "PAY_PER_EVENT", "pricingPerEvent": {"actorChargeEvents": events}}
        assert server.api("PUT", f"/v2/actors/{runs.build('paying')}", {"pricingInfos": [price]})[0] == 200
        paying = runs.ready("sleeps")
        yield World(runs, paying, token_of(paying))
    finally:
        end_all(server)


def more_real(case: Any, world: World) -> None:
    """Let what names something name something that is there, so that more than the names is looked at."""
    if isinstance(case.query, dict):
        case.query.pop("stream", None)  # a log that is followed ends with its run
        known = {"version": "0.1", "build": "latest", "targetActorId": world.ids["actorId"]}
        case.query.update({name: value for name, value in known.items() if name in case.query})
    if isinstance(case.body, dict):
        known = {"eventName": "page", "actId": world.ids["actorId"]}
        case.body.update({name: value for name, value in known.items() if isinstance(case.body.get(name), str)})


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncio.run(openapi())


@pytest.mark.parametrize(("method", "path"), operations(), ids=lambda one: one)
def test_no_request_is_a_5xx(world: World, document: dict[str, Any], method: str, path: str) -> None:
    if not world.is_whole():
        world.refill()
    is_charge = path.endswith("/charge")
    fuzz(
        world.server,
        document,
        method,
        path,
        real=world.ids | {"runId": world.paying} if is_charge else world.ids,
        examples=6,
        token=world.own_token if is_charge else "",
        more_real=lambda case: more_real(case, world),
    )
