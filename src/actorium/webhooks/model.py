"""Webhooks on the wire."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from actorium.kernel.limits import WEBHOOK_EVENTS_MAX, WEBHOOK_TEMPLATE_CHARS_MAX
from actorium.kernel.structs import Wire

Template = Annotated[str, Meta(max_length=WEBHOOK_TEMPLATE_CHARS_MAX)]


class WebhookEventType(StrEnum):
    """What a webhook can be told."""

    ACTOR_BUILD_ABORTED = "ACTOR.BUILD.ABORTED"
    ACTOR_BUILD_CREATED = "ACTOR.BUILD.CREATED"
    ACTOR_BUILD_FAILED = "ACTOR.BUILD.FAILED"
    ACTOR_BUILD_SUCCEEDED = "ACTOR.BUILD.SUCCEEDED"
    ACTOR_BUILD_TIMED_OUT = "ACTOR.BUILD.TIMED_OUT"
    ACTOR_RUN_ABORTED = "ACTOR.RUN.ABORTED"
    ACTOR_RUN_CREATED = "ACTOR.RUN.CREATED"
    ACTOR_RUN_FAILED = "ACTOR.RUN.FAILED"
    ACTOR_RUN_RESURRECTED = "ACTOR.RUN.RESURRECTED"
    ACTOR_RUN_SUCCEEDED = "ACTOR.RUN.SUCCEEDED"
    ACTOR_RUN_TIMED_OUT = "ACTOR.RUN.TIMED_OUT"
    TEST = "TEST"


class WebhookRepresentation(Wire, kw_only=True, frozen=True):
    """A webhook that a run is started with."""

    event_types: Annotated[list[WebhookEventType], Meta(min_length=1, max_length=WEBHOOK_EVENTS_MAX)]
    request_url: str
    payload_template: Template | None = None
    headers_template: Template | None = None
    should_interpolate_strings: bool | None = None
    idempotency_key: str | None = None
    ignore_ssl_errors: bool | None = None
    do_not_retry: bool | None = None


class WebhookCondition(Wire, kw_only=True, frozen=True):
    """What a webhook is about."""

    actor_id: str | None = None
    actor_task_id: str | None = None
    actor_run_id: str | None = None
