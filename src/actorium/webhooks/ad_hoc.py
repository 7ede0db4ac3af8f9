"""Webhooks that a run is started with: from the text in a URL to what is stored. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import urlsplit

import msgspec

from actorium.kernel.limits import (
    AD_HOC_WEBHOOKS_MAX,
    WEBHOOK_KEY_CHARS_MAX,
    WEBHOOK_URL_CHARS_MAX,
)
from actorium.webhooks.errors import InvalidWebhookKey, InvalidWebhooks
from actorium.webhooks.model import WebhookRepresentation
from actorium.webhooks.row import WebhookDocument

_UNFIT = re.compile(r"[\x00-\x20\x7f]")
_STANDARD = str.maketrans("-_ ", "+/+")  # a plus sign that its sender did not encode arrives as a space


def read(text: str) -> list[WebhookRepresentation]:
    """From base64, in the standard or the URL alphabet, padded or not. Raises InvalidWebhooks, InvalidWebhookKey."""
    text = text.translate(_STANDARD).rstrip("=")
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        content.decode()  # msgspec lets broken UTF-8 inside strings pass
    except (binascii.Error, ValueError) as error:
        raise InvalidWebhooks(
            "The query parameter webhooks is no base64 text of UTF-8: send base64(JSON array of webhooks)."
        ) from error
    try:
        found = msgspec.json.decode(content, type=list[WebhookRepresentation])
    except msgspec.ValidationError as error:
        raise InvalidWebhooks(f"The query parameter webhooks is not as it should be: {error}.") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidWebhooks(f"The query parameter webhooks is base64 of what is no valid JSON: {error}.") from error
    if len(found) > AD_HOC_WEBHOOKS_MAX:
        raise InvalidWebhooks(f"A run is started with {AD_HOC_WEBHOOKS_MAX} webhooks at most, not with {len(found)}.")
    for one in found:
        _check(one)
    return found


def document(asked: WebhookRepresentation) -> WebhookDocument:
    """What is stored of it."""
    return WebhookDocument(
        event_types=tuple(dict.fromkeys(asked.event_types)),
        request_url=asked.request_url,
        payload_template=asked.payload_template,
        headers_template=asked.headers_template,
        should_interpolate_strings=bool(asked.should_interpolate_strings),
        ignore_ssl_errors=bool(asked.ignore_ssl_errors),
        do_not_retry=bool(asked.do_not_retry),
    )


def _check(asked: WebhookRepresentation) -> None:
    url = asked.request_url
    if len(url) > WEBHOOK_URL_CHARS_MAX or _UNFIT.search(url) is not None or not _is_http(url):
        raise InvalidWebhooks(
            f"The requestUrl {url[:100]!r} of a webhook is no http or https address of up to"
            f" {WEBHOOK_URL_CHARS_MAX} characters."
        )
    key = asked.idempotency_key
    if key is not None and (not 1 <= len(key) <= WEBHOOK_KEY_CHARS_MAX or "\0" in key):
        raise InvalidWebhookKey


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
