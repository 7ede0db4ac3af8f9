"""What can be wrong with a record or with the schema of its store."""

from __future__ import annotations

from actorium.kernel.errors import Forbidden, Invalid, NotFound
from actorium.kernel.limits import RECORD_KEY_CHARS_MAX


class RecordNotFound(NotFound):
    """There is no record with this key in the key-value store."""


class InvalidRecordKey(Invalid):
    """The record key is not valid."""

    type = "invalid-record-key"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The record key {key[:80]!r} is not valid: use 1 to {RECORD_KEY_CHARS_MAX} of the characters "
            "a-z, A-Z, 0-9 and !-_.'()"
        )


class UnknownCollection(Invalid):
    """The key-value store's schema has no such collection."""

    type = "invalid-collection"


class StoreSchemaInvalid(Invalid):
    """The key-value store's schema cannot be used."""

    type = "store-schema-invalid"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f'The field "{field}" of the key-value store is not valid: {reason}.')
        self.field, self.reason = field, reason


class RecordInvalid(Invalid):
    """The record is not as its collection in the key-value store's schema wants it."""

    type = "schema-validation-failed"


class CompressedHtml(Forbidden):
    """HTML records cannot be uploaded compressed. Send the body without a content coding."""

    type = "content-encoding-forbidden-for-html"


class ServiceWorkerRefused(Forbidden):
    """Records cannot be registered as service workers."""

    type = "service-worker-registration-not-allowed"
