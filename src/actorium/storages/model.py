"""What the three kinds of storage have in common on the wire and in their rows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from actorium.database import Row
from actorium.http.paging import PageQuery
from actorium.kernel.instant import Instant
from actorium.kernel.structs import UNSET, UnsetType, Wire


class GeneralAccess(StrEnum):
    """Who but the owner may read a storage. The account's own setting is: nobody."""

    ANYONE_WITH_ID_CAN_READ = "ANYONE_WITH_ID_CAN_READ"
    ANYONE_WITH_NAME_CAN_READ = "ANYONE_WITH_NAME_CAN_READ"
    FOLLOW_USER_SETTING = "FOLLOW_USER_SETTING"
    RESTRICTED = "RESTRICTED"


class Ownership(StrEnum):
    """Whose storages a list shows."""

    OWNED_BY_ME = "ownedByMe"
    SHARED_WITH_ME = "sharedWithMe"


class NameQuery(Wire, kw_only=True, frozen=True):
    """Query of get-or-create; without a name there is always a new one."""

    name: str | None = None


class CreateStorage(Wire, kw_only=True, frozen=True):
    """Optional body of get-or-create."""

    schema: dict[str, Any] | None = None


class UpdateStorage(Wire, kw_only=True, frozen=True):
    """What may be changed; absent stays, a null name makes the storage unnamed, null elsewhere is the default."""

    name: str | None | UnsetType = UNSET
    title: str | None | UnsetType = UNSET
    general_access: GeneralAccess | None | UnsetType = UNSET


class ListQuery(PageQuery, kw_only=True, frozen=True):
    """Query of a list of storages."""

    unnamed: bool = False
    ownership: Ownership | None = None


class Profile(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, rename="camel"):
    """What no SQL looks at: the JSON document of a storage's row."""

    signing_secret: str
    title: str | None = None
    general_access: GeneralAccess = GeneralAccess.FOLLOW_USER_SETTING
    schema: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A storage as its row holds it."""

    id: str
    owner_id: str
    name: str | None
    created_by_run: str | None
    act_id: str | None
    """The Actor of that run."""
    idle_since: Instant | None
    """Of an unnamed one: no later use was known when it was looked at last; retention begins its search here."""
    created_at: Instant
    modified_at: Instant
    accessed_at: Instant
    read_count: int
    list_count: int
    write_count: int
    delete_count: int
    byte_count: int
    profile: Profile
    own: Row
    """The columns of its kind."""
