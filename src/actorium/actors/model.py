"""Actors, versions and environment variables on the wire."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from actorium.actors.pricing import PricingInfo
from actorium.kernel.instant import Instant
from actorium.kernel.limits import ACTOR_TEXT_CHARS_MAX, PRICING_INFOS_MAX
from actorium.kernel.structs import UNSET, UnsetType, Wire

Text = Annotated[str, Meta(max_length=ACTOR_TEXT_CHARS_MAX)]
Categories = Annotated[list[Text], Meta(max_length=100)]


class PermissionLevel(StrEnum):
    """What an Actor's run may touch beside its own storages."""

    LIMITED_PERMISSIONS = "LIMITED_PERMISSIONS"
    FULL_PERMISSIONS = "FULL_PERMISSIONS"


class SourceType(StrEnum):
    """Where a version's sources are."""

    SOURCE_FILES = "SOURCE_FILES"
    GIT_REPO = "GIT_REPO"
    TARBALL = "TARBALL"
    GITHUB_GIST = "GITHUB_GIST"
    SOURCE_CODE = "SOURCE_CODE"


class SourceFormat(StrEnum):
    """How a source file's content is written."""

    TEXT = "TEXT"
    BASE64 = "BASE64"


class SourceFile(Wire, kw_only=True, frozen=True):
    """One file of a version, or a folder when ``folder`` is true."""

    name: str
    format: SourceFormat | UnsetType = UNSET
    content: str | UnsetType = UNSET
    folder: bool | UnsetType = UNSET


class EnvVar(Wire, kw_only=True, frozen=True):
    """An environment variable. A secret's value is never sent out."""

    name: str
    value: str | UnsetType = UNSET
    is_secret: bool | None | UnsetType = UNSET


class Version(Wire, kw_only=True, frozen=True):
    """A version: sources, variables and the tag of its builds. Only the owner sees sources and variables."""

    version_number: str
    source_type: SourceType
    env_vars: list[EnvVar] | UnsetType = UNSET
    apply_env_vars_to_build: bool = False
    build_tag: str | None = None
    source_files: list[SourceFile] | UnsetType = UNSET
    git_repo_url: str | UnsetType = UNSET
    tarball_url: str | UnsetType = UNSET
    git_hub_gist_url: str | UnsetType = UNSET
    source_code: str | UnsetType = UNSET
    """The only file, ``main.js``, of a version of the old type SOURCE_CODE."""


class WriteVersion(Wire, kw_only=True, frozen=True):
    """A new version, or what to change of one. Absent: left as it is."""

    version_number: str | None | UnsetType = UNSET
    source_type: SourceType | None | UnsetType = UNSET
    env_vars: list[EnvVar] | None | UnsetType = UNSET
    apply_env_vars_to_build: bool | None | UnsetType = UNSET
    build_tag: str | None | UnsetType = UNSET
    source_files: list[SourceFile] | None | UnsetType = UNSET
    git_repo_url: Text | None | UnsetType = UNSET
    tarball_url: Text | None | UnsetType = UNSET
    git_hub_gist_url: Text | None | UnsetType = UNSET
    source_code: str | None | UnsetType = UNSET


class DefaultRunOptions(Wire, kw_only=True, frozen=True):
    """What a run gets where its caller says nothing."""

    build: str = "latest"
    timeout_secs: int = 3600
    memory_mbytes: int = 1024
    restart_on_error: bool = False
    max_items: int | None | UnsetType = UNSET
    force_permission_level: PermissionLevel | None | UnsetType = UNSET


class WriteRunOptions(Wire, kw_only=True, frozen=True):
    """What to change of the default run options."""

    build: str | None | UnsetType = UNSET
    timeout_secs: int | None | UnsetType = UNSET
    memory_mbytes: int | None | UnsetType = UNSET
    restart_on_error: bool | None | UnsetType = UNSET
    max_items: int | None | UnsetType = UNSET
    force_permission_level: PermissionLevel | None | UnsetType = UNSET


class ExampleRunInput(Wire, kw_only=True, frozen=True):
    """An input for people to start from."""

    body: str | UnsetType = UNSET
    content_type: str | UnsetType = UNSET


class Standby(Wire, kw_only=True, frozen=True):
    """How an Actor serves requests without a run being started for each."""

    is_enabled: bool | None = False
    desired_requests_per_actor_run: int | None | UnsetType = UNSET
    max_requests_per_actor_run: int | None | UnsetType = UNSET
    idle_timeout_secs: int | None | UnsetType = UNSET
    build: str | None | UnsetType = UNSET
    memory_mbytes: int | None | UnsetType = UNSET
    disable_standby_fields_override: bool | None | UnsetType = UNSET
    should_pass_actor_input: bool | None | UnsetType = UNSET


class TaggedBuild(Wire, kw_only=True, frozen=True):
    """The build that a tag points at."""

    build_id: str
    build_number: str
    build_number_int: int
    finished_at: Instant | None


class BuildTag(Wire, kw_only=True, frozen=True):
    """Which build a tag shall point at."""

    build_id: str


class ActorStats(Wire, kw_only=True, frozen=True):
    """What was counted."""

    total_builds: int
    total_runs: int
    total_users: int
    total_users7_days: int
    total_users30_days: int
    total_users90_days: int
    total_metamorphs: int = 0
    last_run_started_at: Instant | UnsetType = UNSET


class ActorShort(Wire, kw_only=True, frozen=True):
    """An Actor in a list."""

    id: str
    created_at: Instant
    modified_at: Instant
    name: str
    username: str
    title: str
    """The official command line shows one in any case: that of an Actor without a title is its name."""
    stats: ActorShortStats


class ActorShortStats(Wire, kw_only=True, frozen=True):
    """What a list shows of the counts."""

    total_builds: int
    total_runs: int
    last_run_started_at: Instant | UnsetType = UNSET


class ActorView(Wire, kw_only=True, frozen=True):
    """The whole Actor object."""

    id: str
    user_id: str
    name: str
    username: str
    title: str | None
    description: str | None
    is_public: bool
    actor_permission_level: PermissionLevel
    created_at: Instant
    modified_at: Instant
    restart_on_error: bool
    stats: ActorStats
    versions: list[Version]
    default_run_options: DefaultRunOptions
    example_run_input: ExampleRunInput | None
    is_deprecated: bool
    tagged_builds: dict[str, TaggedBuild]
    pricing_infos: list[PricingInfo]
    actor_standby: Standby | None
    seo_title: str | None
    seo_description: str | None
    categories: list[str]


class _WriteActor(Wire, kw_only=True, frozen=True):
    """What creating and updating have in common. Absent: left as it is, or the default."""

    description: Text | None | UnsetType = UNSET
    title: Text | None | UnsetType = UNSET
    is_public: bool | None | UnsetType = UNSET
    actor_permission_level: PermissionLevel | None | UnsetType = UNSET
    seo_title: Text | None | UnsetType = UNSET
    seo_description: Text | None | UnsetType = UNSET
    restart_on_error: bool | None | UnsetType = UNSET
    versions: list[WriteVersion] | None | UnsetType = UNSET
    pricing_infos: Annotated[list[PricingInfo], Meta(max_length=PRICING_INFOS_MAX)] | None | UnsetType = UNSET
    categories: Categories | None | UnsetType = UNSET
    default_run_options: WriteRunOptions | None | UnsetType = UNSET
    actor_standby: Standby | None | UnsetType = UNSET
    example_run_input: ExampleRunInput | None | UnsetType = UNSET
    is_deprecated: bool | None | UnsetType = UNSET


class CreateActor(_WriteActor, kw_only=True, frozen=True):
    """A new Actor."""

    name: str | None = None


class UpdateActor(_WriteActor, kw_only=True, frozen=True):
    """What to change of an Actor."""

    name: str | UnsetType = UNSET
    tagged_builds: dict[str, BuildTag | None] | None | UnsetType = UNSET
