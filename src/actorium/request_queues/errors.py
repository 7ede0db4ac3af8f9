"""What can be wrong with a request in a queue."""

from __future__ import annotations

from actorium.kernel.errors import Invalid, NotFound


class RequestNotFound(NotFound):
    """There is no request with this id in the request queue."""


class RequestIdInvalid(Invalid):
    """The id of the request does not belong to its uniqueKey."""

    type = "request-id-invalid"


class RequestHandledOrLocked(Invalid):
    """The request is handled already, or it is locked by another client."""

    type = "request-handled-or-locked"


class DuplicateRequests(Invalid):
    """A batch holds the same request more than once."""

    type = "request-queue-duplicate-requests"


class InvalidClientKey(Invalid):
    """clientKey must have 1 to 32 characters."""

    type = "invalid-client-key"
