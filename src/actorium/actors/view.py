"""From rows to what callers see. Sources and variables are for the owner alone."""

from __future__ import annotations

from collections.abc import Sequence

from actorium.actors.model import (
    ActorShort,
    ActorShortStats,
    ActorStats,
    ActorView,
    SourceType,
    Version,
)
from actorium.actors.row import ActorRow, VersionRow
from actorium.actors.variables import shown
from actorium.kernel.structs import UNSET


def version_view(version: VersionRow, *, is_owner: bool) -> Version:
    """A version; for others than the owner only what it is, not what is in it."""
    document = version.document
    if not is_owner:
        return Version(
            version_number=version.number,
            source_type=document.source_type,
            apply_env_vars_to_build=document.apply_env_vars_to_build,
            build_tag=document.build_tag,
        )
    has_files = document.source_type is SourceType.SOURCE_FILES
    return Version(
        version_number=version.number,
        source_type=document.source_type,
        env_vars=shown(document.env_vars),
        apply_env_vars_to_build=document.apply_env_vars_to_build,
        build_tag=document.build_tag,
        source_files=list(version.source_files or ()) if has_files else UNSET,
        git_repo_url=document.git_repo_url or UNSET,
        tarball_url=document.tarball_url or UNSET,
        git_hub_gist_url=document.git_hub_gist_url or UNSET,
        source_code=_lone_code(version) if document.source_type is SourceType.SOURCE_CODE else UNSET,
    )


def _lone_code(version: VersionRow) -> str:
    """What is in the only file of a version."""
    content = version.source_files[0].content if version.source_files else UNSET
    return content if isinstance(content, str) else ""


def short_view(row: ActorRow) -> ActorShort:
    """An Actor in a list."""
    stats = ActorShortStats(
        total_builds=row.total_builds,
        total_runs=row.total_runs,
        last_run_started_at=row.last_run_started_at or UNSET,
    )
    return ActorShort(
        id=row.id,
        created_at=row.created_at,
        modified_at=row.modified_at,
        name=row.name,
        username=row.username,
        title=row.title or row.name,
        stats=stats,
    )


def actor_view(row: ActorRow, versions: Sequence[VersionRow], users: tuple[int, ...], *, is_owner: bool) -> ActorView:
    """The whole Actor. ``users``: how many ran it ever, in 7, 30 and 90 days."""
    document = row.document
    ever, week, month, quarter = users
    return ActorView(
        id=row.id,
        user_id=row.owner_id,
        name=row.name,
        username=row.username,
        title=document.title,
        description=document.description,
        is_public=row.is_public,
        actor_permission_level=document.permission_level,
        created_at=row.created_at,
        modified_at=row.modified_at,
        restart_on_error=document.default_run_options.restart_on_error,
        stats=ActorStats(
            total_builds=row.total_builds,
            total_runs=row.total_runs,
            total_users=ever,
            total_users7_days=week,
            total_users30_days=month,
            total_users90_days=quarter,
            last_run_started_at=row.last_run_started_at or UNSET,
        ),
        versions=[version_view(version, is_owner=is_owner) for version in versions],
        default_run_options=document.default_run_options,
        example_run_input=document.example_run_input,
        is_deprecated=document.is_deprecated,
        tagged_builds=document.tagged_builds,
        pricing_infos=list(document.pricing_infos),
        actor_standby=document.standby,
        seo_title=document.seo_title,
        seo_description=document.seo_description,
        categories=list(document.categories),
    )
