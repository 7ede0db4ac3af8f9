"""What can be wrong with a storage of any kind."""

from __future__ import annotations

from actorium.kernel.errors import Forbidden, Invalid, NotFound
from actorium.kernel.errors import Kind as ErrorKind
from actorium.storages.kinds import Kind

ROLLED_BACK = (ErrorKind.NOT_FOUND, ErrorKind.FORBIDDEN, ErrorKind.INVALID)
"""Kinds that a work raises itself: nothing of it was committed. After others a commit may have happened."""


class NameNotUnique(Invalid):
    """You already have a storage of this kind with this name."""

    type = "name-not-unique"


def missing(kind: Kind) -> NotFound:
    """The same for what is not there and for what the caller may not see. Official clients look for the second half."""
    return NotFound(f"The {kind.noun} does not exist or is not yours. {_insufficient(kind)}")


def refused(kind: Kind) -> Forbidden:
    """For callers without a token or with a signature that does not fit; whether the storage exists or not."""
    return Forbidden(_insufficient(kind))


def read_only(kind: Kind) -> Forbidden:
    """For those who may see it and no more."""
    return Forbidden(f"{_insufficient(kind)} It is shared with you for reading only.")


def out_of_scope(kind: Kind) -> Forbidden:
    """For a run with limited permissions that asks for a storage of its user's which it may not see."""
    return Forbidden(
        f"{_insufficient(kind)} This token is that of a run with limited permissions: it may use storages that it or "
        "earlier runs of its Actor made, and those handed over in its input by a field with editor resourcePicker. "
        "Other storages need an Actor with actorPermissionLevel FULL_PERMISSIONS."
    )


def not_managed(kind: Kind) -> Forbidden:
    """For a run with limited permissions that wants to change what was handed over to be filled."""
    return Forbidden(
        f"{_insufficient(kind)} It was handed over to this run for its contents: a run with limited permissions may "
        "rename, open to others and delete only what runs of its Actor made."
    )


def _insufficient(kind: Kind) -> str:
    return (
        f"Insufficient permissions for the {kind.noun}. Make sure you're passing a correct API token and that it has "
        "the required permissions."
    )
