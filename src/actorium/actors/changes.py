"""What creating or updating makes of an Actor and of its versions: pure functions of the stored and the asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import structs

from actorium.actors import variables
from actorium.actors.model import (
    CreateActor,
    DefaultRunOptions,
    PermissionLevel,
    SourceFile,
    SourceFormat,
    SourceType,
    TaggedBuild,
    UpdateActor,
    WriteRunOptions,
    WriteVersion,
)
from actorium.actors.pricing import extended
from actorium.actors.pricing_checks import check as check_pricing
from actorium.actors.row import ActorDocument, VersionDocument
from actorium.actors.sources import check_files
from actorium.actors.vault import Vault
from actorium.kernel.errors import InvalidInput
from actorium.kernel.instant import Instant
from actorium.kernel.limits import (
    ACTOR_NAME_CHARS_MIN,
    MEMORY_MBYTES_MAX,
    MEMORY_MBYTES_MIN,
    NAME_CHARS_MAX,
    RUN_MAX_ITEMS_MAX,
    RUN_TIMEOUT_SECS_MAX,
    TAG_CHARS_MAX,
)
from actorium.kernel.structs import UNSET

_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?")
_TAG = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_VERSION = re.compile(r"(?:[0-9]|[1-9][0-9])\.(?:[0-9]|[1-9][0-9])")
_BUILD_NUMBER = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
_TEXTS = ("title", "description", "seo_title", "seo_description", "example_run_input")
DEFAULT_TAG = "latest"


def check_name(name: str) -> str:
    """Raises InvalidInput."""
    if not ACTOR_NAME_CHARS_MIN <= len(name) <= NAME_CHARS_MAX or _NAME.fullmatch(name) is None:
        raise InvalidInput(
            f"{name[: NAME_CHARS_MAX + 1]!r} cannot be the name of an Actor: {ACTOR_NAME_CHARS_MIN} to"
            f" {NAME_CHARS_MAX} letters, digits and dashes, beginning and ending with a letter or digit."
        )
    return name


def check_tag(tag: str) -> str:
    """Raises InvalidInput."""
    if len(tag) > TAG_CHARS_MAX or _TAG.fullmatch(tag) is None or _BUILD_NUMBER.fullmatch(tag) is not None:
        raise InvalidInput(
            f"{tag[: TAG_CHARS_MAX + 1]!r} cannot be a build tag: up to {TAG_CHARS_MAX} letters, digits, '_', '.' and"
            " '-', not like a build number."
        )
    return tag


def check_version_number(number: str) -> str:
    """Raises InvalidInput."""
    if _VERSION.fullmatch(number) is None:
        raise InvalidInput(f"versionNumber {number[:20]!r} must be MAJOR.MINOR, each from 0 to 99, such as 0.1.")
    return number


def written(document: ActorDocument, asked: CreateActor | UpdateActor, now: Instant) -> ActorDocument:
    """The document with what was asked for, tagged builds and versions left aside. Raises InvalidInput and its kin."""
    changes: dict[str, Any] = {name: value for name in _TEXTS if (value := getattr(asked, name)) is not UNSET}
    if isinstance(asked.actor_permission_level, PermissionLevel):
        changes["permission_level"] = asked.actor_permission_level
    if asked.is_deprecated is not UNSET:
        changes["is_deprecated"] = bool(asked.is_deprecated)
    if asked.actor_standby is not UNSET:
        changes["standby"] = asked.actor_standby
    if asked.categories is not UNSET:
        changes["categories"] = tuple(asked.categories or ())
    if asked.pricing_infos is not UNSET:
        changes["pricing_infos"] = extended(document.pricing_infos, asked.pricing_infos or [], now, check=check_pricing)
    changes["default_run_options"] = _run_options(document.default_run_options, asked)
    return structs.replace(document, **changes)


def _run_options(current: DefaultRunOptions, asked: CreateActor | UpdateActor) -> DefaultRunOptions:
    changes: dict[str, Any] = {}
    if isinstance(asked.restart_on_error, bool):
        changes["restart_on_error"] = asked.restart_on_error
    if isinstance(asked.default_run_options, WriteRunOptions):
        given = structs.asdict(asked.default_run_options)
        optional = ("max_items", "force_permission_level")
        changes |= {
            key: value for key, value in given.items() if value is not UNSET and (value is not None or key in optional)
        }
    options = structs.replace(current, **changes)
    _check_run_options(options)
    return options


def _check_run_options(options: DefaultRunOptions) -> None:
    memory, timeout = options.memory_mbytes, options.timeout_secs
    if not MEMORY_MBYTES_MIN <= memory <= MEMORY_MBYTES_MAX or memory.bit_count() != 1:
        raise InvalidInput(
            f"defaultRunOptions.memoryMbytes is {memory}; it must be a power of two between {MEMORY_MBYTES_MIN} and"
            f" {MEMORY_MBYTES_MAX}."
        )
    if not 0 <= timeout <= RUN_TIMEOUT_SECS_MAX:
        raise InvalidInput(
            f"defaultRunOptions.timeoutSecs is {timeout}; it must be from 0 (no limit) to {RUN_TIMEOUT_SECS_MAX}."
        )
    if isinstance(options.max_items, int) and not 0 <= options.max_items <= RUN_MAX_ITEMS_MAX:
        raise InvalidInput(
            f"defaultRunOptions.maxItems is {options.max_items}; it must be from 0 (no limit) to {RUN_MAX_ITEMS_MAX}."
        )
    if _BUILD_NUMBER.fullmatch(options.build) is None:
        check_tag(options.build)


def tagged(current: Mapping[str, TaggedBuild], patch: Mapping[str, TaggedBuild | None]) -> dict[str, TaggedBuild]:
    """The tags after a patch: a build sets its tag, None removes it, other tags stay."""
    builds = dict(current)
    for tag, build in patch.items():
        if build is None:
            builds.pop(tag, None)
        else:
            builds[check_tag(tag)] = build
    return builds


def new_version(asked: WriteVersion, *, vault: Vault, subject: str) -> VersionDocument:
    """The document of a new version; its tag is ``latest`` unless one, or none, is asked for."""
    return written_version(VersionDocument(build_tag=DEFAULT_TAG), asked, vault=vault, subject=subject)


def written_version(document: VersionDocument, asked: WriteVersion, *, vault: Vault, subject: str) -> VersionDocument:
    """The version's document with what was asked for; of the places of its sources only that of its type stays."""
    changes: dict[str, Any] = {}
    source_type = _source_type(asked) or document.source_type
    if asked.build_tag is not UNSET:
        changes["build_tag"] = None if asked.build_tag is None else check_tag(asked.build_tag)
    if asked.apply_env_vars_to_build is not UNSET:
        changes["apply_env_vars_to_build"] = bool(asked.apply_env_vars_to_build)
    if asked.env_vars is not UNSET:
        changes["env_vars"] = variables.replaced(document.env_vars, asked.env_vars or [], vault=vault, subject=subject)
    check_files(written_files(asked, source_type) or ())
    for name, kind in _PLACES.items():
        value = getattr(asked, name)
        kept = getattr(document, name) if value is UNSET else value
        changes[name] = kept if source_type is kind else None
    return structs.replace(document, source_type=source_type, **changes)


def written_files(asked: WriteVersion, source_type: SourceType) -> tuple[SourceFile, ...] | None:
    """The inline files that are given; None: none are. A lone source code is the file main.js."""
    if source_type is SourceType.SOURCE_CODE:
        code = asked.source_code
        return (SourceFile(name=LONE_FILE, format=SourceFormat.TEXT, content=code),) if isinstance(code, str) else None
    return tuple(asked.source_files) if isinstance(asked.source_files, list) else None


LONE_FILE = "main.js"
INLINE = (SourceType.SOURCE_FILES, SourceType.SOURCE_CODE)
_PLACES = {
    "git_repo_url": SourceType.GIT_REPO,
    "tarball_url": SourceType.TARBALL,
    "git_hub_gist_url": SourceType.GITHUB_GIST,
}


def _source_type(asked: WriteVersion) -> SourceType | None:
    """The type that is said, or else follows from what is given."""
    if isinstance(asked.source_type, SourceType):
        return asked.source_type
    if isinstance(asked.source_files, list):
        return SourceType.SOURCE_FILES
    if isinstance(asked.source_code, str):
        return SourceType.SOURCE_CODE
    return next((kind for name, kind in _PLACES.items() if isinstance(getattr(asked, name), str)), None)
