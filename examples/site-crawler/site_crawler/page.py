"""What is written about a page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from bs4 import BeautifulSoup

NOT_PAGES = re.compile(
    r".*\.(?:7z|avi|bin|bz2|css|csv|docx?|exe|gif|gz|ico|jpe?g|js|json|mp[34]|ogg|pdf|png|pptx?|rss|svg|tar|tgz"
    r"|txt|wasm|wav|webm|webp|woff2?|xlsx?|xml|ya?ml|zip)(?:[?#].*)?$",
    re.IGNORECASE,
)
"""Links to files that are no pages are not followed."""

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


def describe(soup: BeautifulSoup, *, url: str, crawled_at: datetime, attempt: int) -> dict[str, Any]:
    """One item of the dataset."""
    title = soup.title.get_text(" ", strip=True) if soup.title else None
    body = soup.body or soup
    return {
        "url": url,
        "title": title or None,
        "headings": len(soup.find_all(_HEADINGS)),
        "links": len(soup.find_all("a", href=True)),
        "textLength": len(body.get_text(" ", strip=True)),
        "crawledAt": crawled_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "attempt": attempt,
    }


def is_page(content_type: str | None) -> bool:
    """Whether a reply's content type is that of a page. Without one, it is taken for a page."""
    return content_type is None or content_type.split(";")[0].strip().lower() in ("text/html", "application/xhtml+xml")
