"""Which build a run gets: a number exactly, a tag by what it points at, nothing by the Actor's default."""

from __future__ import annotations

import re
from dataclasses import replace

from actorium.actors.row import ActorRow
from actorium.builds import store
from actorium.builds.errors import BuildNotFound, InvalidBuild, UnknownBuildTag
from actorium.builds.lifecycle import BuildStatus
from actorium.builds.row import BuildRow
from actorium.database import Tx

_NUMBER = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")


def for_run(tx: Tx, actor: ActorRow, wanted: str | None) -> BuildRow:
    """The build, with the tags that point at it now. Raises UnknownBuildTag, BuildNotFound, InvalidBuild."""
    wanted = wanted or actor.default_run_options.build
    row = _numbered(tx, actor, wanted) if _NUMBER.fullmatch(wanted) else _tagged(tx, actor, wanted)
    if row.status is not BuildStatus.SUCCEEDED or row.image_reference is None:
        raise InvalidBuild(f"Build {row.number} of this Actor is {row.status}; only a successful build can be run.")
    tags = tuple(tag for tag, build in actor.tagged_builds.items() if build.build_id == row.id)
    return replace(row, tags=tags)


def is_default(actor: ActorRow, row: BuildRow) -> bool:
    """Whether a plain run of the Actor gets this build."""
    wanted = actor.default_run_options.build
    tagged = actor.tagged_builds.get(wanted)
    return wanted == row.number or (tagged is not None and tagged.build_id == row.id)


def _numbered(tx: Tx, actor: ActorRow, number: str) -> BuildRow:
    row = store.find_number(tx, actor.id, number)
    if row is None:
        raise BuildNotFound(f"The Actor has no build with the number {number}.")
    return row


def _tagged(tx: Tx, actor: ActorRow, tag: str) -> BuildRow:
    build = actor.tagged_builds.get(tag)
    if build is None:
        raise UnknownBuildTag(f"The Actor has no build with the tag {tag[:64]!r}. Build it first, or use another tag.")
    row = store.find(tx, build.build_id)
    if row is None:
        raise BuildNotFound(f"The build that the tag {tag!r} points at was deleted.")
    return row
