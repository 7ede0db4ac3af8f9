"""Crawlee with Parsel, in the Actor's own storages."""

from apify import Actor
from crawlee.crawlers import ParselCrawler, ParselCrawlingContext


async def main() -> None:
    async with Actor:
        wanted = await Actor.get_input() or {}
        crawler = ParselCrawler(max_requests_per_crawl=20)

        @crawler.router.default_handler
        async def handle(context: ParselCrawlingContext) -> None:
            await context.push_data({"url": context.request.url, "title": context.selector.css("title::text").get()})
            await context.enqueue_links()

        await crawler.run([each["url"] for each in wanted["startUrls"]])
