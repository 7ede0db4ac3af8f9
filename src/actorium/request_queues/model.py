"""Request queues and their requests on the wire."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from actorium.http.paging import Count
from actorium.kernel.instant import Instant
from actorium.kernel.structs import UNSET, UnsetType, Wire
from actorium.storages.model import GeneralAccess


class RequestQueueStats(Wire, kw_only=True, frozen=True):
    """How often a queue was used, and how many bytes its requests take."""

    read_count: int
    write_count: int
    delete_count: int
    head_item_read_count: int
    storage_bytes: int


class RequestQueueShort(Wire, kw_only=True, frozen=True):
    """A queue in a list."""

    id: str
    name: str | None
    user_id: str
    username: str | UnsetType = UNSET
    created_at: Instant
    modified_at: Instant
    accessed_at: Instant
    expire_at: Instant | UnsetType = UNSET
    total_request_count: int
    handled_request_count: int
    pending_request_count: int
    act_id: str | None
    act_run_id: str | None
    had_multiple_clients: bool
    title: str | None
    general_access: GeneralAccess
    stats: RequestQueueStats


class RequestQueueView(RequestQueueShort, kw_only=True, frozen=True):
    """A request queue."""

    console_url: str


class Method(StrEnum):
    """HTTP methods of requests."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    DELETE = "DELETE"
    CONNECT = "CONNECT"
    OPTIONS = "OPTIONS"
    TRACE = "TRACE"
    PATCH = "PATCH"


class RequestFields(Wire, kw_only=True, frozen=True):
    """What the server reads of a request; everything else in it is kept as it is."""

    url: str
    unique_key: str | None = None
    id: str | None = None
    method: Method | None = None
    retry_count: int | None = None
    handled_at: Instant | None = None


class RequestView(Wire, kw_only=True, frozen=True):
    """A request, with whatever else its sender put into it."""

    id: str
    unique_key: str
    url: str
    method: Method
    retry_count: int
    handled_at: Instant | None = None
    lock_expires_at: Instant | UnsetType = UNSET


class Registration(Wire, kw_only=True, frozen=True):
    """What became of a request that was added or updated."""

    request_id: str
    was_already_present: bool
    was_already_handled: bool


class AddedRequest(Registration, kw_only=True, frozen=True):
    """The same within a batch."""

    unique_key: str


class RequestDraft(Wire, kw_only=True, frozen=True):
    """A request of a batch that was not processed; clients send it again."""

    id: str | UnsetType = UNSET
    unique_key: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    method: Method | UnsetType = UNSET


class BatchAdded(Wire, kw_only=True, frozen=True):
    """What became of a batch that was added."""

    processed_requests: list[AddedRequest]
    unprocessed_requests: list[RequestDraft]


class DeletedRequest(Wire, kw_only=True, frozen=True):
    """Names a request to delete, or one that was deleted: by its id, its uniqueKey, or both."""

    id: str | None | UnsetType = UNSET
    unique_key: str | None | UnsetType = UNSET


class BatchDeleted(Wire, kw_only=True, frozen=True):
    """What became of a batch to delete."""

    processed_requests: list[DeletedRequest]
    unprocessed_requests: list[RequestDraft]


class HeadRequest(Wire, kw_only=True, frozen=True):
    """A request at the head of a queue."""

    id: str
    unique_key: str
    url: str
    method: Method
    retry_count: int
    lock_expires_at: Instant | UnsetType = UNSET


class Head(Wire, kw_only=True, frozen=True):
    """The next requests to do."""

    limit: int
    queue_modified_at: Instant
    had_multiple_clients: bool
    items: list[HeadRequest]


class LockedHead(Head, kw_only=True, frozen=True):
    """The next requests to do, locked for one client."""

    lock_secs: int
    client_key: str
    queue_has_locked_requests: bool


class LockInfo(Wire, kw_only=True, frozen=True):
    """Until when a request is locked."""

    lock_expires_at: Instant


class Unlocked(Wire, kw_only=True, frozen=True):
    """How many requests were unlocked."""

    unlocked_count: int


class ListOfRequests(Wire, kw_only=True, frozen=True):
    """A page of requests; without ``nextCursor`` it is the last one."""

    items: list[msgspec.Raw]
    limit: int
    cursor: str | UnsetType = UNSET
    next_cursor: str | UnsetType = UNSET
    exclusive_start_id: str | UnsetType = UNSET


class State(StrEnum):
    """States of requests that a list can be narrowed to."""

    LOCKED = "locked"
    PENDING = "pending"


class ClientQuery(Wire, kw_only=True, frozen=True):
    """Query of what one client of a queue does."""

    client_key: str | None = None


class PlaceQuery(ClientQuery, kw_only=True, frozen=True):
    """The same, with where a request goes: to the end of the queue, or before everything."""

    forefront: bool = False


class HeadQuery(ClientQuery, kw_only=True, frozen=True):
    """Query of the head."""

    limit: Count = 0


class LockHeadQuery(HeadQuery, kw_only=True, frozen=True):
    """Query of the head to lock."""

    lock_secs: float


class ProlongQuery(PlaceQuery, kw_only=True, frozen=True):
    """Query of a lock to prolong."""

    lock_secs: float


class RequestsQuery(ClientQuery, kw_only=True, frozen=True):
    """Query of a list of requests."""

    limit: Count = 0
    cursor: str | None = None
    exclusive_start_id: str | None = None
    filter: list[State] | None = None
