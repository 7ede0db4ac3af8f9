"""Routes about builds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actorium.builds.errors import VersionRequired
from actorium.builds.model import BuildMeta, BuildShort, BuildView, origin_of
from actorium.builds.service import Builds, StartBuild
from actorium.http.paging import Page, PageQuery, page_of
from actorium.http.route import Alias, Auth, Call, Reply, Route
from actorium.kernel.structs import UNSET, Wire

TAG = "Actor builds"
ACTOR_TAG = "Actors/Actor builds"
BUILD = "/v2/actor-builds/{buildId}"
OF_ACTOR = "/v2/actors/{actorId}/builds"


class WaitQuery(Wire, kw_only=True, frozen=True):
    """Query of calls that can be held back until the build has finished."""

    wait_for_finish: float | None = None
    """Seconds, 60 at most."""


class StartQuery(WaitQuery, kw_only=True, frozen=True):
    """Query of a build's start."""

    version: str | None = None
    """The version to build, such as 0.1. Required."""
    tag: str | None = None
    """The tag that shall point at the build once it has succeeded; without one, that of the version."""
    use_cache: bool | None = None
    beta_packages: bool = False


class BuildsApi:
    """Handlers about builds."""

    def __init__(self, builds: Builds) -> None:
        self._builds = builds

    async def start(self, call: Call[StartQuery, None]) -> Reply:
        query, origin = call.query, call.origin
        if query.version is None:
            raise VersionRequired
        asked = StartBuild(
            version=query.version,
            tag=query.tag,
            use_cache=query.use_cache is not False,
            beta_packages=query.beta_packages,
        )
        meta = BuildMeta(
            origin=origin_of(origin.request_origin, run_id=call.principal.run_id),
            client_ip=origin.client_ip or UNSET,
            user_agent=origin.user_agent or UNSET,
        )
        build = await self._builds.start(call.principal, call["actorId"], asked, meta)
        if query.wait_for_finish:
            build = await self._builds.wait(call.principal, build.id, query.wait_for_finish)
        return Reply(status=201, content=build, headers={"Location": f"/v2/actor-builds/{build.id}"})

    async def page(self, call: Call[PageQuery, None]) -> Page[BuildShort]:
        return await self._page(call, None)

    async def page_of_actor(self, call: Call[PageQuery, None]) -> Page[BuildShort]:
        return await self._page(call, call["actorId"])

    async def get(self, call: Call[WaitQuery, None]) -> BuildView:
        return await self._builds.wait(call.principal, call["buildId"], call.query.wait_for_finish)

    async def default(self, call: Call[WaitQuery, None]) -> BuildView:
        return await self._builds.default(call.principal, call["actorId"])

    async def abort(self, call: Call[Any, None]) -> BuildView:
        return await self._builds.abort(call.principal, call["buildId"])

    async def delete(self, call: Call[Any, None]) -> Reply:
        await self._builds.delete(call.principal, call["buildId"])
        return Reply(status=204)

    async def of_actor(self, call: Call[Any, None]) -> Mapping[str, str]:
        build_id = await self._builds.of_actor(call.principal, call["actorId"], call["buildId"])
        return {"buildId": build_id}

    async def openapi(self, call: Call[Any, None]) -> Reply:
        return Reply(content=await self._builds.openapi(call.principal, call["buildId"]), envelope=False)

    async def _page(self, call: Call[PageQuery, None], of_actor: str | None) -> Page[BuildShort]:
        query = call.query
        total, items = await self._builds.page(
            call.principal, offset=query.offset, limit=query.most(), desc=query.desc, of_actor=of_actor
        )
        return page_of(items, total=total, query=query)


def routes(builds: Builds) -> tuple[Route, ...]:
    """Every route about builds, apart from logs."""
    api = BuildsApi(builds)
    return (*_actor_routes(api), *_reading_routes(api), *_changing_routes(api))


def aliases(builds: Builds) -> tuple[Alias, ...]:
    """A build under its Actor: older clients look there."""

    async def to_log(call: Call[Any, None]) -> Mapping[str, str]:
        return {"buildOrRunId": call["buildId"]}

    return (
        Alias(prefix=f"{BUILD}/log", target="/v2/logs/{buildOrRunId}", resolve=to_log, tag=TAG),
        Alias(
            prefix=f"{OF_ACTOR}/{{buildId}}",
            target=BUILD,
            resolve=BuildsApi(builds).of_actor,
            tag=ACTOR_TAG,
            only=frozenset({("GET", ""), ("POST", "/abort")}),
            operation_ids={"GET ": "actors_build_get", "POST /abort": "actors_build_abort_post"},
            deprecated=True,
        ),
        Alias(
            prefix=f"{OF_ACTOR}/{{buildId}}/openapi.json",
            target=f"{BUILD}/openapi.json",
            resolve=BuildsApi(builds).of_actor,
            tag=ACTOR_TAG,
            operation_ids={"GET ": "actor_openapi_json_get"},
        ),
    )


def _actor_routes(api: BuildsApi) -> tuple[Route, ...]:
    return (
        Route(
            method="GET",
            path=OF_ACTOR,
            handler=api.page_of_actor,
            operation_id="actors_builds_get",
            tag=ACTOR_TAG,
            summary="List the builds of an Actor",
            query=PageQuery,
            returns=Page[BuildShort],
        ),
        Route(
            method="POST",
            path=OF_ACTOR,
            handler=api.start,
            operation_id="actors_builds_post",
            tag=ACTOR_TAG,
            summary="Build a version of an Actor",
            query=StartQuery,
            returns=BuildView,
            statuses=(201,),
        ),
        Route(
            method="GET",
            path=f"{OF_ACTOR}/default",
            handler=api.default,
            operation_id="actor_build_default_get",
            tag=ACTOR_TAG,
            summary="Get the build that a plain run of the Actor uses",
            query=WaitQuery,
            returns=BuildView,
            auth=Auth.OPTIONAL,
        ),
    )


def _reading_routes(api: BuildsApi) -> tuple[Route, ...]:
    return (
        Route(
            method="GET",
            path="/v2/actor-builds",
            handler=api.page,
            operation_id="actorBuilds_get",
            tag=TAG,
            summary="List the builds of the caller's Actors",
            query=PageQuery,
            returns=Page[BuildShort],
        ),
        Route(
            method="GET",
            path=BUILD,
            handler=api.get,
            operation_id="actorBuild_get",
            tag=TAG,
            summary="Get a build, if wanted once it has finished",
            query=WaitQuery,
            returns=BuildView,
            auth=Auth.OPTIONAL,
        ),
        Route(
            method="GET",
            path=f"{BUILD}/openapi.json",
            handler=api.openapi,
            operation_id="actorBuild_openapi_json_get",
            tag=TAG,
            summary="Get an OpenAPI document of how to call the Actor",
            envelope=False,
            auth=Auth.OPTIONAL,
        ),
    )


def _changing_routes(api: BuildsApi) -> tuple[Route, ...]:
    return (
        Route(
            method="POST",
            path=f"{BUILD}/abort",
            handler=api.abort,
            operation_id="actorBuild_abort_post",
            tag=TAG,
            summary="Stop a build",
            returns=BuildView,
        ),
        Route(
            method="DELETE",
            path=BUILD,
            handler=api.delete,
            operation_id="actorBuild_delete",
            tag=TAG,
            summary="Delete a build with its log and image",
            statuses=(204,),
        ),
    )
