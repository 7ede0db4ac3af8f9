"""A build as it is stored: columns for what SQL filters and compares, one JSON document for the rest."""

from __future__ import annotations

from dataclasses import dataclass, field

from actorium.actors.model import SourceType
from actorium.actors.row import StoredEnvVar
from actorium.builds.lifecycle import BuildStatus, Life
from actorium.builds.model import BuildActVersion, BuildMeta, BuildOptions
from actorium.builds.sources.address import branch_of
from actorium.kernel.instant import Instant
from actorium.kernel.structs import Wire

_GIT = (SourceType.GIT_REPO, SourceType.GITHUB_GIST)


class Facts(Wire, kw_only=True, frozen=True, omit_defaults=True):
    """What a run's start needs to know of the Actor's definition without reading it."""

    default_memory_mbytes: int | str | None = None
    """MB, or an expression over the input."""
    min_memory_mbytes: int | None = None
    max_memory_mbytes: int | None = None
    uses_standby_mode: bool = False
    dataset_aliases: tuple[str, ...] = ()
    """Datasets that each run gets beside its default one."""
    has_input_schema: bool = False
    has_storage_schemas: bool = False
    """Whether the definition has more to say about a run's storages than their aliases."""
    output_templates: dict[str, str] | None = None
    """Of the output schema, by property; None: there is none."""


class BuildDocument(Wire, kw_only=True, frozen=True, omit_defaults=True):
    """The part of a build that no query filters by."""

    meta: BuildMeta
    options: BuildOptions
    act_version: BuildActVersion
    tag: str | None = None
    """What shall point at the build once it has succeeded."""
    source_url: str = ""
    """Where the sources are, unless they are inline; it may hold a password, so nobody is shown it here."""
    apply_env_vars_to_build: bool = False
    image_size_bytes: int | None = None
    is_cached: bool = False
    facts: Facts = Facts()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRow:
    """One build. ``life`` is the part that only ``lifecycle.step`` changes."""

    id: str
    owner_id: str
    actor_id: str
    version_number: str
    number: str
    number_int: int
    started_at: Instant
    life: Life = Life()
    worker: str = ""
    """Which builder claimed it, until ``lease_until``."""
    lease_until: Instant = Instant(0)
    used_at: Instant | None = None
    """When a run was last started with it, to within a day, or when it finished; None until then."""
    image_reference: str | None = None
    """What an executor starts; None until the build has succeeded."""
    created_by_run: str | None = None
    revision: int = 1
    document: BuildDocument = field(repr=False)
    env_vars: tuple[StoredEnvVar, ...] = field(default=(), repr=False)
    """The version's variables when the build was started; secrets sealed."""
    tags: tuple[str, ...] = ()
    """The tags that point at the build: only filled in for a run's start."""

    @property
    def status(self) -> BuildStatus:
        return self.life.status

    @property
    def facts(self) -> Facts:
        return self.document.facts

    @property
    def git_branch_name(self) -> str | None:
        """The branch that was asked for; None for inline sources, and for the repository's own branch."""
        return branch_of(self.document.source_url) if self.document.act_version.source_type in _GIT else None
