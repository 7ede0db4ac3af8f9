"""Builds on the wire."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from actorium.actors.model import SourceType
from actorium.builds.lifecycle import BuildStatus
from actorium.kernel.instant import Instant
from actorium.kernel.meter import Usage
from actorium.kernel.structs import UNSET, UnsetType, Wire


class Origin(StrEnum):
    """Who asked for a build."""

    DEVELOPMENT = "DEVELOPMENT"
    WEB = "WEB"
    API = "API"
    SCHEDULER = "SCHEDULER"
    TEST = "TEST"
    WEBHOOK = "WEBHOOK"
    ACTOR = "ACTOR"
    CLI = "CLI"
    STANDBY = "STANDBY"
    CI = "CI"
    MCP = "MCP"


class BuildMeta(Wire, kw_only=True, frozen=True):
    """Where a build came from."""

    origin: Origin
    client_ip: str | UnsetType = UNSET
    user_agent: str | UnsetType = UNSET


class BuildStats(Wire, kw_only=True, frozen=True):
    """What was measured."""

    duration_millis: int
    run_time_secs: float
    compute_units: float
    image_size_bytes: int | None = None


class BuildOptions(Wire, kw_only=True, frozen=True):
    """What the build was started with."""

    use_cache: bool
    beta_packages: bool
    memory_mbytes: int
    disk_mbytes: int


class BuildActVersion(Wire, kw_only=True, frozen=True):
    """The version that was built."""

    version_number: str
    source_type: SourceType
    build_tag: str | UnsetType = UNSET
    git_repo_url: str | UnsetType = UNSET


class BuildShort(Wire, kw_only=True, frozen=True):
    """A build in a list."""

    id: str
    act_id: str
    user_id: str
    status: BuildStatus
    started_at: Instant
    finished_at: Instant | None
    usage_total_usd: float
    build_number: str
    build_number_int: int
    meta: BuildMeta


class BuildView(Wire, kw_only=True, frozen=True):
    """The whole build object. Only its owner sees what it cost."""

    id: str
    act_id: str
    user_id: str
    status: BuildStatus
    started_at: Instant
    finished_at: Instant | None
    build_number: str
    build_number_int: int
    meta: BuildMeta
    stats: BuildStats
    options: BuildOptions
    usage: dict[Usage, float]
    usage_total_usd: float | UnsetType = UNSET
    usage_usd: dict[Usage, float] | UnsetType = UNSET
    act_version: BuildActVersion
    input_schema: str | None
    readme: str | None
    actor_definition: dict[str, Any] | None


def origin_of(said: str | None, *, run_id: str | None) -> Origin:
    """Who is behind a call: a run's token says Actor, a header of a known tool names the tool, else it is the API."""
    if run_id is not None:
        return Origin.ACTOR
    return next((known for known in _ORIGINS_BY_HEADER if known == (said or "").upper()), Origin.API)


_ORIGINS_BY_HEADER = (Origin.CLI, Origin.CI, Origin.MCP, Origin.WEB)
