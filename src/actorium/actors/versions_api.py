"""Routes about an Actor's versions and their environment variables."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from actorium.actors.model import EnvVar, Version, WriteVersion
from actorium.actors.versions import Versions
from actorium.http.route import Call, Handler, Reply, Route
from actorium.kernel.structs import Wire

TAG = "Actors/Actor versions"
VERSIONS = "/v2/actors/{actorId}/versions"
VERSION = VERSIONS + "/{versionNumber}"
ENV_VARS = VERSION + "/env-vars"
ENV_VAR = ENV_VARS + "/{envVarName}"


class VersionList(Wire, kw_only=True, frozen=True):
    """Every version of an Actor."""

    total: int
    items: list[Version]


class EnvVarList(Wire, kw_only=True, frozen=True):
    """Every environment variable of a version."""

    total: int
    items: list[EnvVar]


class VersionsApi:
    """Handlers about versions."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions

    async def page(self, call: Call[Any, None]) -> VersionList:
        items = await self._versions.of_actor(call.principal, call["actorId"])
        return VersionList(total=len(items), items=items)

    async def create(self, call: Call[Any, WriteVersion]) -> Reply:
        version = await self._versions.create(call.principal, call["actorId"], call.body)
        location = f"/v2/actors/{quote(call['actorId'])}/versions/{version.version_number}"
        return Reply(status=201, content=version, headers={"Location": location})

    async def get(self, call: Call[Any, None]) -> Version:
        return await self._versions.get(call.principal, call["actorId"], call["versionNumber"])

    async def update(self, call: Call[Any, WriteVersion]) -> Version:
        return await self._versions.update(call.principal, call["actorId"], call["versionNumber"], call.body)

    async def delete(self, call: Call[Any, None]) -> Reply:
        await self._versions.delete(call.principal, call["actorId"], call["versionNumber"])
        return Reply(status=204)

    async def env_vars(self, call: Call[Any, None]) -> EnvVarList:
        items = await self._versions.env_vars(call.principal, call["actorId"], call["versionNumber"])
        return EnvVarList(total=len(items), items=items)

    async def create_env_var(self, call: Call[Any, EnvVar]) -> Reply:
        actor, number = call["actorId"], call["versionNumber"]
        variable = await self._versions.create_env_var(call.principal, actor, number, call.body)
        location = f"/v2/actors/{quote(actor)}/versions/{number}/env-vars/{variable.name}"
        return Reply(status=201, content=variable, headers={"Location": location})

    async def env_var(self, call: Call[Any, None]) -> EnvVar:
        return await self._versions.env_var(call.principal, call["actorId"], call["versionNumber"], call["envVarName"])

    async def update_env_var(self, call: Call[Any, EnvVar]) -> EnvVar:
        return await self._versions.update_env_var(
            call.principal, call["actorId"], call["versionNumber"], call["envVarName"], call.body
        )

    async def delete_env_var(self, call: Call[Any, None]) -> Reply:
        await self._versions.delete_env_var(call.principal, call["actorId"], call["versionNumber"], call["envVarName"])
        return Reply(status=204)


def routes(versions: Versions) -> tuple[Route, ...]:
    """Every route of the tag Actor versions. On an item POST does what PUT does, as the API has it."""
    api = VersionsApi(versions)
    return (*_version_routes(api), *_env_var_routes(api))


def _version_routes(api: VersionsApi) -> tuple[Route, ...]:
    return (
        Route(
            method="GET",
            path=VERSIONS,
            handler=api.page,
            operation_id="actor_versions_get",
            tag=TAG,
            summary="List the versions of an Actor",
            returns=VersionList,
        ),
        Route(
            method="POST",
            path=VERSIONS,
            handler=api.create,
            operation_id="actor_versions_post",
            tag=TAG,
            summary="Add a version",
            body=WriteVersion,
            returns=Version,
            statuses=(201,),
        ),
        Route(
            method="GET",
            path=VERSION,
            handler=api.get,
            operation_id="actor_version_get",
            tag=TAG,
            summary="Get a version",
            returns=Version,
        ),
        *_updates(VERSION, api.update, name="actor_version", shape=WriteVersion, returns=Version),
        Route(
            method="DELETE",
            path=VERSION,
            handler=api.delete,
            operation_id="actor_version_delete",
            tag=TAG,
            summary="Delete a version; its builds stay",
            statuses=(204,),
        ),
    )


def _env_var_routes(api: VersionsApi) -> tuple[Route, ...]:
    return (
        Route(
            method="GET",
            path=ENV_VARS,
            handler=api.env_vars,
            operation_id="actor_version_envVars_get",
            tag=TAG,
            summary="List the environment variables of a version",
            returns=EnvVarList,
        ),
        Route(
            method="POST",
            path=ENV_VARS,
            handler=api.create_env_var,
            operation_id="actor_version_envVars_post",
            tag=TAG,
            summary="Add an environment variable",
            body=EnvVar,
            returns=EnvVar,
            statuses=(201,),
        ),
        Route(
            method="GET",
            path=ENV_VAR,
            handler=api.env_var,
            operation_id="actor_version_envVar_get",
            tag=TAG,
            summary="Get an environment variable",
            returns=EnvVar,
        ),
        *_updates(ENV_VAR, api.update_env_var, name="actor_version_envVar", shape=EnvVar, returns=EnvVar),
        Route(
            method="DELETE",
            path=ENV_VAR,
            handler=api.delete_env_var,
            operation_id="actor_version_envVar_delete",
            tag=TAG,
            summary="Delete an environment variable",
            statuses=(204,),
        ),
    )


def _updates(path: str, handler: Handler, *, name: str, shape: type[Wire], returns: type[Wire]) -> tuple[Route, ...]:
    return tuple(
        Route(
            method=method,
            path=path,
            handler=handler,
            operation_id=f"{name}_{method.lower()}",
            tag=TAG,
            summary="Change what is given",
            body=shape,
            returns=returns,
        )
        for method in ("PUT", "POST")
    )
