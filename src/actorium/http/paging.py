"""Paging by offset: the query that asks for a page and the object that holds one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from msgspec import Meta

from actorium.kernel.limits import PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX
from actorium.kernel.structs import Wire

T = TypeVar("T")

Count = Annotated[int, Meta(ge=0)]


class PageQuery(Wire, kw_only=True, frozen=True):
    """Query of a paged list. Subclass it for lists that take more parameters."""

    offset: Count = 0
    limit: Count | None = None
    """None and 0 both mean that none was given; ``most`` says how many that is."""
    desc: bool = False

    def most(self, *, default: int = PAGE_ITEMS_DEFAULT, cap: int = PAGE_ITEMS_MAX) -> int:
        """How many items to return: the limit, clamped, not refused."""
        return clamp_limit(self.limit, default=default, cap=cap)


class Page(Wire, Generic[T], kw_only=True, frozen=True):
    """One page of a list, as the API prints it."""

    total: int
    offset: int
    limit: int
    count: int
    desc: bool
    items: list[T]


class StoragePage(Page[T], Generic[T], kw_only=True, frozen=True):
    """One page of a list of storages: tells whether unnamed ones are in it."""

    unnamed: bool


def clamp_limit(limit: int | None, *, default: int = PAGE_ITEMS_DEFAULT, cap: int = PAGE_ITEMS_MAX) -> int:
    """How many items a ``limit`` means: none given (None or 0) is the default, too many is the cap."""
    return min(limit, cap) if limit else default


def page_of(items: Sequence[T], *, total: int, query: PageQuery, default: int = PAGE_ITEMS_DEFAULT) -> Page[T]:
    """The page for items that were fetched with ``query.offset`` and ``query.most()``."""
    return Page(
        total=total,
        offset=query.offset,
        limit=query.most(default=default),
        count=len(items),
        desc=query.desc,
        items=list(items),
    )
