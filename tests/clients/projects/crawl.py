"""A Crawlee project that knows nothing of where it stores: ``crawl.py SITE STORAGE`` (a folder, or ``actorium``).

Prints what it finds in its storages afterwards, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta
from typing import Any

from crawlee import ConcurrencySettings, Request, service_locator
from crawlee.configuration import Configuration
from crawlee.crawlers import BasicCrawlingContext, BeautifulSoupCrawler, BeautifulSoupCrawlingContext
from crawlee.storages import Dataset, KeyValueStore, RequestQueue


def choose(storage: str) -> None:
    if storage == "actorium":
        from apify import Configuration as ApifyConfiguration
        from apify.storage_clients import ApifyStorageClient

        service_locator.set_configuration(ApifyConfiguration(purge_on_start=False))
        service_locator.set_storage_client(ApifyStorageClient())
    else:
        from crawlee.storage_clients import FileSystemStorageClient

        service_locator.set_configuration(Configuration(storage_dir=storage))
        service_locator.set_storage_client(FileSystemStorageClient())


async def crawl(site: str) -> dict[str, Any]:
    dataset = await Dataset.open(name="pages")
    store = await KeyValueStore.open(name="things")
    queue = await RequestQueue.open(name="links")
    one_by_one = ConcurrencySettings(desired_concurrency=1, max_concurrency=1)
    crawler = BeautifulSoupCrawler(
        request_manager=queue,
        concurrency_settings=one_by_one,
        max_request_retries=2,
        request_handler_timeout=timedelta(seconds=30),
        configure_logging=False,
    )
    failed: list[str] = []

    @crawler.router.default_handler
    async def page(context: BeautifulSoupCrawlingContext) -> None:
        title = context.soup.title.string if context.soup.title else None
        await dataset.push_data(
            {
                "url": context.request.url,
                "title": title,
                "retries": context.request.retry_count,
                "label": context.request.label,
                "links": [link["href"] for link in context.soup.select("a[href]")],
                "deep": {"é": [1, None, {"x": True}]},
            }
        )
        await store.set_value(f"page-{(title or 'none').lower()}", str(context.soup), content_type="text/html")
        await context.enqueue_links(label="LINKED")

    @crawler.router.handler("LINKED")
    async def linked(context: BeautifulSoupCrawlingContext) -> None:
        await page(context)

    @crawler.failed_request_handler
    async def lost(context: BasicCrawlingContext, error: Exception) -> None:
        failed.append(context.request.url)

    first = Request.from_url(f"{site}/start", unique_key="start", user_data={"n": 1, "deep": {"list": [1, 2]}})
    last = Request.from_url(f"{site}/late")
    await queue.add_requests([last, first, first])
    await queue.add_request(Request.from_url(f"{site}/front"), forefront=True)
    stats = await crawler.run()
    await store.set_value("bytes", b"\x00\xff", content_type="application/octet-stream")
    await store.set_value("json", {"é": [1.5, None]})
    await store.set_value("gone", "x")
    await store.set_value("gone", None)
    return await found(dataset, store, queue, site) | {
        "failed": [url.removeprefix(site) for url in failed],
        "finished": stats.requests_finished,
        "retries": stats.retry_histogram,
    }


async def found(dataset: Dataset, store: KeyValueStore, queue: RequestQueue, site: str) -> dict[str, Any]:
    values = {}
    async for entry in store.iterate_keys():
        value = await store.get_value(entry.key)
        values[entry.key] = value.hex() if isinstance(value, bytes) else value
    told = await queue.get_metadata()
    page = await dataset.get_data(offset=1, limit=2, desc=True)
    shown = {
        "items": [item async for item in dataset.iterate_items()],
        "page": [item["title"] for item in page.items],
        "page_total": page.total,
        "values": values,
        "queue": [told.total_request_count, told.handled_request_count, told.pending_request_count],
        "is_finished": await queue.is_finished(),
    }
    return json.loads(json.dumps(shown).replace(site, ""))


if __name__ == "__main__":
    choose(sys.argv[2])
    print(json.dumps(asyncio.run(crawl(sys.argv[1])), sort_keys=True, indent=1))
