"""Routes of the pages: ``/``, ``/docs/`` and below, ``/openapi.json``. They need no token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from actorium.http.reply import JSON
from actorium.http.route import Auth, Call, Reply, Route
from actorium.kernel.structs import encode
from actorium.pages.landing import landing
from actorium.pages.layout import HEADERS, MEDIA_TYPE, document_page, landing_page, missing_page
from actorium.pages.library import INDEX, Library, shipped_or_sources


def pages(*, api_url: str, document: Callable[[], dict[str, Any]], folder: Path | None = None) -> list[Route]:
    """Every page.

    api_url: where the API answers for people, without /v2 and without a slash at the end.
    document: makes the OpenAPI document; asked once, when it is first wanted.
    folder: the Markdown files to show; by default those of this version.
    """
    library = Library(folder or shipped_or_sources())
    shelf = _Shelf(library)
    openapi: list[bytes] = []

    async def home(_: Call[Any, None]) -> Reply:
        return _html(landing_page(landing(api_url)))

    async def contents(call: Call[Any, None]) -> Reply:
        return shelf.show(INDEX) if _path(call).endswith(b"/") else _moved("docs/")

    async def show(call: Call[Any, None]) -> Reply:
        name, path = call["name"], _path(call)
        if name not in library.names or name == INDEX:
            return _html(missing_page(depth=path.count(b"/") - 2), status=404)
        return _moved(f"../{name.rpartition('/')[2]}") if path.endswith(b"/") else shelf.show(name)

    async def api(_: Call[Any, None]) -> Reply:
        if not openapi:
            openapi.append(encode(document()))
        return Reply(content=openapi[0], media_type=JSON)

    return [
        _route("/", home, "page_home_get", "Landing page", MEDIA_TYPE),
        _route("/docs", contents, "page_docs_get", "Contents of the documentation", MEDIA_TYPE),
        _route("/docs/{name*}", show, "page_doc_get", "A page of the documentation", MEDIA_TYPE),
        _route("/openapi.json", api, "page_openapi_get", "The OpenAPI document", JSON),
    ]


class _Shelf:
    """Whole pages, kept once they were made."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._pages: dict[str, bytes] = {}

    def show(self, name: str) -> Reply:
        if name not in self._pages:
            document = self._library.get(name)
            if document is None:
                return _html(missing_page(depth=name.count("/")), status=404)
            self._pages[name] = document_page(document, self._library.sections)
        return _html(self._pages[name])


def _route(path: str, handler: Any, operation_id: str, summary: str, media_type: str) -> Route:
    return Route(
        method="GET",
        path=path,
        handler=handler,
        operation_id=operation_id,
        tag="Pages",
        summary=summary,
        envelope=False,
        media_type=media_type,
        auth=Auth.NONE,
    )


def _path(call: Call[Any, None]) -> bytes:
    scope = call.request.scope
    return bytes(scope.get("raw_path") or scope["path"].encode())


def _html(content: bytes, *, status: int = 200) -> Reply:
    return Reply(status=status, content=content, headers=HEADERS, media_type=MEDIA_TYPE)


def _moved(target: str) -> Reply:
    """To the one address of a page, so that the relative links in it hold."""
    return Reply(status=308, headers={"Location": target})
