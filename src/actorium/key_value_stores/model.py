"""Key-value stores on the wire."""

from __future__ import annotations

from typing import Any

from actorium.http.paging import Count
from actorium.kernel.instant import Instant
from actorium.kernel.structs import UNSET, UnsetType, Wire
from actorium.storages.model import GeneralAccess


class KeyValueStoreStats(Wire, kw_only=True, frozen=True):
    """How often a store was used, and how many bytes its records take."""

    read_count: int
    write_count: int
    delete_count: int
    list_count: int
    storage_bytes: int
    s3_storage_bytes: int
    """The same: the official command line reads this one."""


class KeyValueStoreView(Wire, kw_only=True, frozen=True):
    """A key-value store."""

    id: str
    name: str | None
    user_id: str
    username: str | UnsetType = UNSET
    created_at: Instant
    modified_at: Instant
    accessed_at: Instant
    act_id: str | None
    act_run_id: str | None
    schema: dict[str, Any] | None
    title: str | None
    console_url: str
    keys_public_url: str
    records_public_url: str
    url_signing_secret_key: str | UnsetType = UNSET
    general_access: GeneralAccess
    stats: KeyValueStoreStats


class KeyEntry(Wire, kw_only=True, frozen=True):
    """A key in a list of keys; the size is that of what is stored."""

    key: str
    size: int
    record_public_url: str


class ListOfKeys(Wire, kw_only=True, frozen=True):
    """Keys in the order of their bytes."""

    items: list[KeyEntry]
    count: int
    limit: int
    exclusive_start_key: str | None
    is_truncated: bool
    next_exclusive_start_key: str | None
    """Null on the last page: clients stop on it."""


class KeysQuery(Wire, kw_only=True, frozen=True):
    """Query of a list of keys."""

    exclusive_start_key: str | None = None
    limit: Count = 0
    prefix: str | None = None
    collection: str | None = None
    signature: str | None = None


class RecordsQuery(Wire, kw_only=True, frozen=True):
    """Query of the records as a ZIP file."""

    prefix: str | None = None
    collection: str | None = None
    signature: str | None = None


class RecordQuery(Wire, kw_only=True, frozen=True):
    """Query of one record."""

    attachment: bool = False
    signature: str | None = None
