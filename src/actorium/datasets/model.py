"""Datasets on the wire."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from actorium.http.paging import Count
from actorium.kernel.instant import Instant
from actorium.kernel.structs import UNSET, UnsetType, Wire
from actorium.storages.model import GeneralAccess


class DatasetStats(Wire, kw_only=True, frozen=True):
    """How often a dataset was used, and how many bytes its items take."""

    read_count: int
    write_count: int
    storage_bytes: int
    s3_storage_bytes: int
    """The same: the official command line reads this one."""


class DatasetView(Wire, kw_only=True, frozen=True):
    """A dataset."""

    id: str
    name: str | None
    user_id: str
    username: str | UnsetType = UNSET
    created_at: Instant
    modified_at: Instant
    accessed_at: Instant
    item_count: int
    clean_item_count: int
    act_id: str | None
    act_run_id: str | None
    fields: list[str] | None
    schema: dict[str, Any] | None
    title: str | None
    console_url: str
    items_public_url: str
    url_signing_secret_key: str | UnsetType = UNSET
    general_access: GeneralAccess
    stats: DatasetStats


class DatasetShort(Wire, kw_only=True, frozen=True):
    """A dataset in a list."""

    id: str
    name: str
    """Clients require one in a list: that of an unnamed dataset is its id."""
    user_id: str
    username: str
    created_at: Instant
    modified_at: Instant
    accessed_at: Instant
    item_count: int
    clean_item_count: int
    act_id: str | None
    act_run_id: str | None
    title: str | None
    general_access: GeneralAccess
    stats: DatasetStats


class DatasetFieldStatistics(Wire, kw_only=True, frozen=True):
    """Of one field: numbers by value, texts and arrays by length, objects by number of keys, booleans as 0 or 1."""

    min: int | float | None
    max: int | float | None
    null_count: int
    empty_count: int
    """Items without the field."""


class DatasetStatistics(Wire, kw_only=True, frozen=True):
    """Of all fields that the dataset's schema names."""

    field_statistics: dict[str, DatasetFieldStatistics]


class Format(StrEnum):
    """What items can be read as."""

    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    HTML = "html"
    XLSX = "xlsx"
    XML = "xml"
    RSS = "rss"
    PARQUET = "parquet"  # beyond Apify


class ItemsQuery(Wire, kw_only=True, frozen=True):
    """Query of the items of a dataset."""

    format: Format = Format.JSON
    offset: Count = 0
    limit: Count = 0
    desc: bool = False
    clean: bool = False
    fields: list[str] | None = None
    output_fields: list[str] | None = None
    omit: list[str] | None = None
    unwind: list[str] | None = None
    flatten: list[str] | None = None
    skip_hidden: bool = False
    skip_empty: bool = False
    simplified: bool = False
    skip_failed_pages: bool = False
    view: str | None = None
    attachment: bool = False
    delimiter: str = ","
    bom: bool | None = None
    skip_header_row: bool = False
    xml_root: str = "items"
    xml_row: str = "item"
    feed_title: str | None = None
    feed_description: str | None = None
    signature: str | None = None
