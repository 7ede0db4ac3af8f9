"""What can be wrong with a webhook."""

from __future__ import annotations

from actorium.kernel.errors import InvalidValue


class InvalidWebhooks(InvalidValue):
    """The query parameter webhooks must be a base64 text of a JSON array of webhooks."""


class InvalidWebhookKey(InvalidValue):
    """The idempotencyKey of a webhook must have 1 to 256 characters."""

    type = "invalid-idempotency-key"
