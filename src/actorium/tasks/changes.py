"""What creating or updating makes of a task, and what a task makes of a start: pure functions."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from actorium.actors.changes import check_tag
from actorium.http.route import RawBody
from actorium.inputs.prepared import JSON_INPUT, is_json, is_nothing
from actorium.kernel.errors import InvalidInput
from actorium.kernel.instant import Instant
from actorium.kernel.json_texts import lenient
from actorium.kernel.limits import NAME_CHARS_MAX, TASK_NAME_CHARS_MIN
from actorium.kernel.structs import UNSET, Wire, decode, encode
from actorium.runs.options import Defaults, StartTaskOptions, resolve
from actorium.tasks.model import CreateTask, Input, PublicConfig, TaskOptions, TaskStandby, UpdateTask
from actorium.tasks.row import TaskDocument

_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?")
_BUILD_NUMBER = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")

W = TypeVar("W", bound=Wire)


def check_name(name: str) -> str:
    """Raises InvalidInput."""
    if not TASK_NAME_CHARS_MIN <= len(name) <= NAME_CHARS_MAX or _NAME.fullmatch(name) is None:
        raise InvalidInput(
            f"{name[: NAME_CHARS_MAX + 1]!r} cannot be the name of an Actor task: {TASK_NAME_CHARS_MIN} to"
            f" {NAME_CHARS_MAX} letters, digits and dashes, beginning and ending with a letter or digit."
        )
    return name


def written(document: TaskDocument, asked: CreateTask | UpdateTask, now: Instant) -> TaskDocument:
    """The document with what was asked for. Raises InvalidInput and InvalidValue.

    Of objects in it, too, only what is given changes: official clients send ``options: {}`` with every update.
    """
    changes: dict[str, Any] = {}
    for name in ("title", "description"):
        if getattr(asked, name) is not UNSET:
            changes[name] = getattr(asked, name)
    if asked.options is not UNSET:
        changes["options"] = _patched(document.options, asked.options, TaskOptions)
        _check_options(changes["options"])
    if asked.actor_standby is not UNSET:
        changes["standby"] = _patched(document.standby, asked.actor_standby, TaskStandby)
    changes["public_config"] = _public_config(document.public_config, asked, now)
    return structs.replace(document, **changes)


def _patched(current: W | None, asked: Wire | None, kind: type[W]) -> W | None:
    """What is given set, null taken away; None if nothing is left."""
    if asked is None:
        return None
    given = {name: value for name, value in structs.asdict(asked).items() if value is not UNSET}
    patched = structs.replace(current or kind(), **{name: UNSET if v is None else v for name, v in given.items()})
    return None if patched == kind() else patched


def _public_config(current: PublicConfig | None, asked: CreateTask | UpdateTask, now: Instant) -> PublicConfig | None:
    """Published at the first ``isPublic: true``, until it is false. A null config forgets what is shown, no more."""
    published_at = None if current is None else current.published_at
    if isinstance(asked.is_public, bool):
        published_at = (published_at or now) if asked.is_public else None
    shown = None if current is None else structs.replace(current, published_at=None)
    if asked.public_config is not UNSET:
        shown = _patched(shown, asked.public_config, PublicConfig)
    shown = structs.replace(shown or PublicConfig(), published_at=published_at)
    return None if shown == PublicConfig() else shown


def _check_options(options: TaskOptions | None) -> None:
    if options is None:
        return
    if isinstance(options.build, str) and _BUILD_NUMBER.fullmatch(options.build) is None:
        check_tag(options.build)
    resolve(started(StartTaskOptions(), options), Defaults(), build="")


def started(asked: StartTaskOptions, options: TaskOptions | None) -> StartTaskOptions:
    """A start with the task's options where the caller says nothing."""
    if options is None:
        return asked
    own: dict[str, Any] = {
        "build": options.build,
        "timeout": options.timeout_secs,
        "memory": options.memory_mbytes,
        "max_items": options.max_items,
        "max_total_charge_usd": options.max_total_charge_usd,
        "restart_on_error": options.restart_on_error,
    }
    return structs.replace(
        asked, **{name: value for name, value in own.items() if value is not UNSET and getattr(asked, name) is None}
    )


def build_of(document: TaskDocument) -> str | None:
    """The build that the task's runs get where their caller says nothing; None: the Actor's default."""
    build = UNSET if document.options is None else document.options.build
    return build if isinstance(build, str) else None


def text_of(input: Input) -> str:
    """The JSON text that is stored."""
    return encode(input).decode()


def merged(stored: str | None, over: Input) -> Input:
    """An input with the keys of another one put over it."""
    return {**(decode(stored, Input) if stored is not None else {}), **over}


def run_input(stored: str | None, body: RawBody) -> RawBody:
    """What a run of the task gets: the task's input with the body's top-level keys put over it.

    A body that is no JSON object replaces the input whole; one that is broken is left for the start to refuse.
    """
    if stored is None:
        return body
    if is_nothing(body):
        return RawBody(content=stored.encode(), content_type=JSON_INPUT)
    if not is_json(body):
        return body
    try:
        body.content.decode()  # msgspec lets broken UTF-8 inside strings pass
        over = lenient(body.content, lambda text: decode(text, Input))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    return RawBody(content=encode(merged(stored, over)), content_type=JSON_INPUT)
