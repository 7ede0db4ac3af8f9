"""Every error a caller can meet, as a tree of kinds.

    ActoriumError
    ├── Invalid          the request is wrong                     400
    ├── Unauthenticated  no token, or an unknown one              401
    ├── Payment          a limit of the account                   402
    ├── Forbidden        known, and not allowed                   403
    ├── NotFound         not there, or not for this caller        404
    ├── NotAllowed       this method is not for this resource     405
    ├── TimedOut         it took longer than the API waits        408
    ├── Conflict         the name is taken                        409
    ├── TooLarge         more bytes than the cap                  413
    ├── Unsupported      a coding or type nobody here reads       415
    ├── Limited          too many requests                        429
    └── Unavailable      a part of the server cannot answer now   503

A class names its API error type; its docstring is the message unless one is given. ``http/errors.py`` turns
kinds into statuses; nothing else knows statuses.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar


class Kind(StrEnum):
    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    PAYMENT = "payment"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    NOT_ALLOWED = "not-allowed"
    TIMED_OUT = "timed-out"
    CONFLICT = "conflict"
    TOO_LARGE = "too-large"
    UNSUPPORTED = "unsupported"
    LIMITED = "limited"
    UNAVAILABLE = "unavailable"


class ActoriumError(Exception):
    """Something went wrong."""

    kind: ClassVar[Kind] = Kind.INVALID
    type: ClassVar[str] = "bad-request"

    def __init__(self, message: str | None = None, *, data: Any = None) -> None:
        self.message = message or " ".join((type(self).__doc__ or "").split())
        self.data = data
        super().__init__(self.message)


class Invalid(ActoriumError):
    """The request is not valid."""


class InvalidInput(Invalid):
    """The input is not valid."""

    type = "invalid-input"


class InvalidValue(Invalid):
    """A parameter has a value that is not valid."""

    type = "invalid-value"


class InvalidJson(Invalid):
    """The request body is not valid JSON."""

    type = "invalid-request"


class Unauthenticated(ActoriumError):
    """User was not found or authentication token is not valid."""

    kind, type = Kind.UNAUTHENTICATED, "user-or-token-not-found"


class TokenNotProvided(Unauthenticated):
    """Authentication token was not provided."""

    type = "token-not-provided"


class Payment(ActoriumError):
    """A limit of the account does not allow this."""

    kind, type = Kind.PAYMENT, "limit-reached"


class Forbidden(ActoriumError):
    """Insufficient permissions to perform this action."""

    kind, type = Kind.FORBIDDEN, "insufficient-permissions"


class LimitedToken(Forbidden):
    """Insufficient permissions: this token is that of a run with limited permissions, which may touch its own storages,
    those that runs of its Actor made and those in its input, and may run Actors with limited permissions. To let it do
    more, set the Actor's actorPermissionLevel to FULL_PERMISSIONS or start the run with
    forcePermissionLevel=FULL_PERMISSIONS.
    """


class NotFound(ActoriumError):
    """The requested resource was not found."""

    kind, type = Kind.NOT_FOUND, "record-not-found"


class MethodNotAllowed(ActoriumError):
    """This method is not allowed here."""

    kind, type = Kind.NOT_ALLOWED, "method-not-allowed"


class TimedOut(ActoriumError):
    """It took too long."""

    kind, type = Kind.TIMED_OUT, "timeout"


class Conflict(ActoriumError):
    """The name is already taken."""

    kind, type = Kind.CONFLICT, "conflict"


class RequestTooLarge(ActoriumError):
    """The request body is larger than the limit."""

    kind, type = Kind.TOO_LARGE, "request-too-large"


class UnsupportedContentEncoding(ActoriumError):
    """The request body has a content coding that is not supported; send br, gzip, deflate or identity."""

    kind, type = Kind.UNSUPPORTED, "unsupported-content-encoding"


class RateLimitExceeded(ActoriumError):
    """You have exceeded the rate limit. Please try again later."""

    kind, type = Kind.LIMITED, "rate-limit-exceeded"


class Unavailable(ActoriumError):
    """A part of the server cannot answer now. Please try again later."""

    kind, type = Kind.UNAVAILABLE, "service-unavailable"


class BackendUnavailable(Unavailable):
    """The storage behind the server cannot answer now. Please try again later."""


class StaleWrite(Exception):
    """A compare-and-set found another revision than it expected: read again, decide again. Never leaves a service."""
