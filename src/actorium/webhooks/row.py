"""A webhook as it is stored: columns for what SQL filters by, one JSON document for the rest."""

from __future__ import annotations

from dataclasses import dataclass, field

from actorium.kernel.instant import Instant
from actorium.kernel.structs import Wire
from actorium.webhooks.model import WebhookCondition, WebhookEventType


class WebhookDocument(Wire, kw_only=True, frozen=True, omit_defaults=True):
    """The part of a webhook that no query filters by."""

    event_types: tuple[WebhookEventType, ...]
    request_url: str
    payload_template: str | None = None
    """None: the default one."""
    headers_template: str | None = None
    should_interpolate_strings: bool = False
    ignore_ssl_errors: bool = False
    do_not_retry: bool = False
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRow:
    """One webhook."""

    id: str
    owner_id: str
    is_ad_hoc: bool = False
    condition: WebhookCondition
    idempotency_key: str | None = None
    """Unique among the owner's webhooks with this key space."""
    key_space: str = ""
    """The Actor of the run with limited permissions that gave the key, so that it uses up none of its user's."""
    created_at: Instant
    modified_at: Instant
    created_by_run: str | None = None
    revision: int = 1
    document: WebhookDocument = field(repr=False)
