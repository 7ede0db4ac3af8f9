"""Sending an Actor's folder: the Actor is made if there is none of its name, its version gets the files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from actorium.caller.actor_folder import Definition, File, archive, source_files
from actorium.caller.api import Api, Raw
from actorium.caller.failure import Failed
from actorium.kernel.limits import SOURCE_BYTES_MAX, SOURCE_FILES_MAX
from actorium.storages.signing import sign_record

_OURS = ("SOURCE_FILES", "TARBALL")
"""Sources that a push may replace; a repository's address is somebody's decision."""
_SECRET = "@"  # noqa: S105  # how actor.json marks the name of a secret that the official CLI keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """Where the files are now."""

    actor_id: str
    name: str
    """With the owner's."""
    version: str


async def push(
    api: Api, url: str, definition: Definition, files: Mapping[str, File], *, remark: Callable[[str], None]
) -> Pushed:
    """Make the server's version what the files are. Raises Failed."""
    actor = await _actor(api, definition)
    path = f"/v2/actors/{actor['id']}/versions"
    known = next((each for each in actor["versions"] if each["versionNumber"] == definition.version), None)
    if known is not None and known["sourceType"] not in _OURS:
        raise Failed(
            f"Version {definition.version} of {actor['name']} on the server is built from {known['sourceType']}, which"
            " would be overwritten.",
            'Give the folder a version of its own: change "version" in .actor/actor.json.',
        )
    sources = await _sources(api, url, actor["id"], definition, files)
    if known is None:
        new = {"versionNumber": definition.version, "buildTag": definition.build_tag}
        await api.call("POST", path, new | sources)
    else:
        await api.call("PUT", f"{path}/{definition.version}", sources)
    await _variables(api, f"{path}/{definition.version}/env-vars", definition, known or {}, remark)
    return Pushed(actor_id=actor["id"], name=f"{actor['username']}/{actor['name']}", version=definition.version)


async def _actor(api: Api, definition: Definition) -> dict[str, Any]:
    try:
        found: dict[str, Any] = await api.call("GET", f"/v2/actors/~{quote(definition.name, safe='')}")
    except Failed as failure:
        if failure.status != 404:
            raise
        told = {"name": definition.name, "title": definition.title, "description": definition.description}
        found = await api.call("POST", "/v2/actors", {key: value for key, value in told.items() if value is not None})
    return found


async def _sources(
    api: Api, url: str, actor_id: str, definition: Definition, files: Mapping[str, File]
) -> dict[str, Any]:
    """Inline where they fit, else an archive in a store, as the official CLI does."""
    if sum(len(file.content) for file in files.values()) <= SOURCE_BYTES_MAX and len(files) <= SOURCE_FILES_MAX:
        return {"sourceType": "SOURCE_FILES", "sourceFiles": source_files(files)}
    store = await api.call("POST", "/v2/key-value-stores", name=f"actor-{actor_id}-source")
    key = f"version-{definition.version}.zip"
    record = f"/v2/key-value-stores/{store['id']}/records/{key}"
    await api.call("PUT", record, Raw(archive(files), "application/zip"))
    secret = store.get("urlSigningSecretKey")
    signature = f"?signature={sign_record(secret, key)}" if secret else ""
    return {"sourceType": "TARBALL", "tarballUrl": f"{url}{record}{signature}"}


async def _variables(
    api: Api, path: str, definition: Definition, version: Mapping[str, Any], remark: Callable[[str], None]
) -> None:
    """The variables of actor.json; others that the version has on the server stay."""
    known = {each["name"]: each for each in version.get("envVars", ())}
    for name, value in definition.environment.items():
        if value.startswith(_SECRET):
            if name not in known:
                remark(f"The secret variable {name} is not set: 'apify push' sends it, or POST it to {path}.")
        elif name not in known:
            await api.call("POST", path, {"name": name, "value": value})
        elif known[name].get("value") != value:
            await api.call("PUT", f"{path}/{quote(name, safe='')}", {"name": name, "value": value})
