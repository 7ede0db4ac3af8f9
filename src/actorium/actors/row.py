"""Actors and versions as they are stored: columns for what SQL filters and sorts, one JSON document for the rest."""

from __future__ import annotations

from dataclasses import dataclass, field

from actorium.actors.model import (
    DefaultRunOptions,
    ExampleRunInput,
    PermissionLevel,
    SourceFile,
    SourceType,
    Standby,
    TaggedBuild,
)
from actorium.actors.pricing import PricingInfo
from actorium.kernel.instant import Instant
from actorium.kernel.structs import Wire


class ActorDocument(Wire, kw_only=True, frozen=True, omit_defaults=True):
    """The part of an Actor that no query filters by."""

    title: str | None = None
    description: str | None = None
    seo_title: str | None = None
    seo_description: str | None = None
    permission_level: PermissionLevel = PermissionLevel.LIMITED_PERMISSIONS
    default_run_options: DefaultRunOptions = DefaultRunOptions()
    example_run_input: ExampleRunInput | None = None
    is_deprecated: bool = False
    standby: Standby | None = None
    categories: tuple[str, ...] = ()
    tagged_builds: dict[str, TaggedBuild] = {}
    pricing_infos: tuple[PricingInfo, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorRow:
    """One Actor, without its versions."""

    id: str
    owner_id: str
    username: str
    """The owner's name."""
    name: str
    is_public: bool
    created_at: Instant
    modified_at: Instant
    last_run_started_at: Instant | None = None
    total_builds: int = 0
    total_runs: int = 0
    created_by_run: str | None = None
    revision: int = 1
    document: ActorDocument = field(repr=False)

    @property
    def title(self) -> str | None:
        return self.document.title

    @property
    def default_run_options(self) -> DefaultRunOptions:
        return self.document.default_run_options

    @property
    def tagged_builds(self) -> dict[str, TaggedBuild]:
        return self.document.tagged_builds

    @property
    def standby(self) -> Standby | None:
        return self.document.standby

    @property
    def permission_level(self) -> PermissionLevel:
        return self.document.permission_level

    @property
    def pricing_infos(self) -> tuple[PricingInfo, ...]:
        """Which one is in force: ``pricing.in_force``."""
        return self.document.pricing_infos


class StoredEnvVar(Wire, kw_only=True, frozen=True, omit_defaults=True):
    """An environment variable; a secret's value is sealed for the Actor."""

    name: str
    value: str
    is_secret: bool = False


class VersionDocument(Wire, kw_only=True, frozen=True, omit_defaults=True):
    """A version without its source files."""

    source_type: SourceType = SourceType.SOURCE_FILES
    build_tag: str | None = None
    apply_env_vars_to_build: bool = False
    env_vars: tuple[StoredEnvVar, ...] = ()
    git_repo_url: str | None = None
    tarball_url: str | None = None
    git_hub_gist_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """One version of an Actor."""

    actor_id: str
    number: str
    created_at: Instant
    modified_at: Instant
    revision: int = 1
    document: VersionDocument = field(repr=False)
    source_files: tuple[SourceFile, ...] | None = field(default=None, repr=False)
    """None: not read."""
