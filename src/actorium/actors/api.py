"""Routes about Actors."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from actorium.actors.model import ActorShort, ActorView, CreateActor, UpdateActor
from actorium.actors.service import Actors
from actorium.http.paging import Page, PageQuery, page_of
from actorium.http.route import Call, Reply, Route

TAG = "Actors"


class SortBy(StrEnum):
    """What a list of Actors is sorted by."""

    CREATED_AT = "createdAt"
    LAST_RUN_STARTED_AT = "stats.lastRunStartedAt"


class ListActors(PageQuery, kw_only=True, frozen=True):
    """Query of the list of Actors."""

    my: bool = False
    """Only Actors that the caller owns."""
    sort_by: SortBy = SortBy.CREATED_AT


class ActorsApi:
    """Handlers about Actors."""

    def __init__(self, actors: Actors) -> None:
        self._actors = actors

    async def page(self, call: Call[ListActors, None]) -> Page[ActorShort]:
        query = call.query
        total, items = await self._actors.page(
            call.principal,
            only_own=query.my,
            sort_by=str(query.sort_by),
            offset=query.offset,
            limit=query.most(),
            desc=query.desc,
        )
        return page_of(items, total=total, query=query)

    async def create(self, call: Call[Any, CreateActor]) -> Reply:
        actor = await self._actors.create(call.principal, call.body)
        return Reply(status=201, content=actor, headers={"Location": f"/v2/actors/{actor.id}"})

    async def get(self, call: Call[Any, None]) -> ActorView:
        return await self._actors.get(call.principal, call["actorId"])

    async def update(self, call: Call[Any, UpdateActor]) -> ActorView:
        return await self._actors.update(call.principal, call["actorId"], call.body)

    async def delete(self, call: Call[Any, None]) -> Reply:
        await self._actors.delete(call.principal, call["actorId"])
        return Reply(status=204)


def routes(actors: Actors) -> tuple[Route, ...]:
    """Every route of the tag Actors that is about the Actor itself."""
    api = ActorsApi(actors)
    return (
        Route(
            method="GET",
            path="/v2/actors",
            handler=api.page,
            operation_id="actors_get",
            tag=TAG,
            summary="List Actors that the caller owns or used",
            query=ListActors,
            returns=Page[ActorShort],
        ),
        Route(
            method="POST",
            path="/v2/actors",
            handler=api.create,
            operation_id="actors_post",
            tag=TAG,
            summary="Create an Actor",
            body=CreateActor,
            returns=ActorView,
            statuses=(201,),
        ),
        Route(
            method="GET",
            path="/v2/actors/{actorId}",
            handler=api.get,
            operation_id="actor_get",
            tag=TAG,
            summary="Get an Actor",
            returns=ActorView,
        ),
        Route(
            method="PUT",
            path="/v2/actors/{actorId}",
            handler=api.update,
            operation_id="actor_put",
            tag=TAG,
            summary="Change what is given of an Actor",
            body=UpdateActor,
            returns=ActorView,
        ),
        Route(
            method="DELETE",
            path="/v2/actors/{actorId}",
            handler=api.delete,
            operation_id="actor_delete",
            tag=TAG,
            summary="Delete an Actor with its versions and builds",
            statuses=(204,),
        ),
    )
