"""What the input asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_PAGES_DEFAULT = 40


class WrongInput(ValueError):
    """The input cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The input, checked."""

    start_urls: tuple[str, ...]
    max_pages: int
    delay_secs: float
    same_host: bool


def read(given: Mapping[str, Any] | None) -> Wanted:
    """The input with its defaults. Raises WrongInput with a line that says what would do."""
    given = given or {}
    urls = tuple(_url(source) for source in given.get("startUrls") or ())
    if not urls:
        raise WrongInput('"startUrls" needs at least one page, such as [{"url": "https://example.com/"}].')
    max_pages = given.get("maxPages", MAX_PAGES_DEFAULT)
    if not isinstance(max_pages, int) or isinstance(max_pages, bool) or max_pages < 1:
        raise WrongInput(f'"maxPages" is {max_pages!r}; it takes a whole number from 1.')
    delay_secs = given.get("delaySecs", 0)
    if not isinstance(delay_secs, int | float) or isinstance(delay_secs, bool) or not 0 <= delay_secs <= 3600:
        raise WrongInput(f'"delaySecs" is {delay_secs!r}; it takes a number of seconds from 0 to 3600.')
    same_host = given.get("sameHost", True)
    if not isinstance(same_host, bool):
        raise WrongInput(f'"sameHost" is {same_host!r}; it takes true or false.')
    return Wanted(start_urls=urls, max_pages=max_pages, delay_secs=float(delay_secs), same_host=same_host)


def _url(source: Any) -> str:
    url = source.get("url") if isinstance(source, Mapping) else source
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise WrongInput(f'"startUrls" holds {source!r}; each must be an address with http:// or https://.')
    return url
