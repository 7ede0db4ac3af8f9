"""The Actor: reads the input, crawls, leaves in good order when it is told to."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from apify import Actor, Event
from crawlee import ConcurrencySettings
from crawlee.crawlers import BasicCrawlingContext, BeautifulSoupCrawler, BeautifulSoupCrawlingContext

from site_crawler.page import NOT_PAGES, describe, is_page
from site_crawler.progress import Progress
from site_crawler.wanted import Wanted, WrongInput, read

CONCURRENCY_MAX = 4  # friendly to small sites and small machines
MESSAGE_PERIOD_SECS = 1.0


async def main() -> None:
    async with Actor:
        try:
            wanted = read(await Actor.get_input())
        except WrongInput as error:
            await Actor.fail(status_message=f"The input cannot be used: {error}")
            return
        crawl = Crawl(wanted, await Progress.open(max_pages=wanted.max_pages))
        Actor.on(Event.ABORTING, crawl.leave)
        await crawl.run()


class Crawl:
    """One attempt of the run."""

    def __init__(self, wanted: Wanted, progress: Progress) -> None:
        self._wanted = wanted
        self._progress = progress
        self._leaving = asyncio.Event()
        self._fetched = False
        self._failed = 0
        self._told_at = 0.0
        self._crawler = self._make_crawler()

    async def run(self) -> None:
        if self._progress.attempt > 1:
            Actor.log.info(f"Attempt {self._progress.attempt}: {self._progress.pages} pages are already written")
        await Actor.set_status_message(self._progress.message)
        if not self._progress.is_full and not self._leaving.is_set():
            await self._crawler.run(list(self._wanted.start_urls))
        await self._progress.persist()
        await self._conclude()

    def leave(self) -> None:
        """Finish the page at hand and stop. What is left stays in the request queue for a later attempt."""
        Actor.log.info("The run is being aborted: finishing the current page")
        self._leaving.set()
        self._crawler.stop("the run is being aborted")

    def _make_crawler(self) -> BeautifulSoupCrawler:
        at_once = 1 if self._wanted.delay_secs else CONCURRENCY_MAX
        crawler = BeautifulSoupCrawler(
            concurrency_settings=ConcurrencySettings(
                min_concurrency=1, desired_concurrency=min(2, at_once), max_concurrency=at_once
            ),
            max_request_retries=2,
            request_handler_timeout=timedelta(seconds=60),
            request_handler=self._handle,
            status_message_callback=self._silent,
            statistics_log_format="inline",
        )
        crawler.pre_navigation_hook(self._wait)
        crawler.failed_request_handler(self._count_failed)
        return crawler

    async def _wait(self, _: BasicCrawlingContext) -> None:
        """Be polite: wait before each page but the first. An abort ends the wait."""
        if self._fetched and self._wanted.delay_secs:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), self._wanted.delay_secs)
        self._fetched = True

    async def _handle(self, context: BeautifulSoupCrawlingContext) -> None:
        url = (context.request.loaded_url or context.request.url).split("#")[0]
        content_type = context.http_response.headers.get("content-type")
        if not is_page(content_type):
            context.log.info(f"Not a page, {content_type}: {url}")
            return
        if not self._progress.claim(url):
            return
        item = describe(context.soup, url=url, crawled_at=datetime.now(UTC), attempt=self._progress.attempt)
        if await self._progress.write(item):
            context.log.info(f"{self._progress.message}: {url}")
        if self._progress.is_full:
            self._crawler.stop("the page limit is reached")
        else:
            strategy = "same-hostname" if self._wanted.same_host else "all"
            await context.enqueue_links(strategy=strategy, exclude=[NOT_PAGES])
        await self._tell()

    async def _tell(self) -> None:
        """Set the status message, at most once a second."""
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= MESSAGE_PERIOD_SECS:
            self._told_at = now
            await Actor.set_status_message(self._progress.message)

    async def _count_failed(self, context: BasicCrawlingContext, error: Exception) -> None:
        self._failed += 1
        reason = re.sub(r"\s+", " ", str(error)) or type(error).__name__
        context.log.warning(f"Could not be crawled: {context.request.url}: {reason}")

    async def _silent(self, *_: object) -> None:
        """Crawlee's own status line would only repeat ours."""

    async def _conclude(self) -> None:
        pages, failed = self._progress.pages, self._failed
        if self._leaving.is_set():
            Actor.status_message = f"Stopped after {pages} pages; what is left waits in the request queue"
        elif not pages and failed:
            await Actor.fail(status_message=f"No page could be crawled; {failed} failed, the log says why")
        else:
            Actor.status_message = f"Crawled {pages} pages" + (f", {failed} failed" if failed else "")
