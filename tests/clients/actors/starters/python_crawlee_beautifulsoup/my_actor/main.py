"""Crawlee with BeautifulSoup, in the Actor's own storages."""

from apify import Actor
from crawlee.crawlers import BeautifulSoupCrawler, BeautifulSoupCrawlingContext


async def main() -> None:
    async with Actor:
        wanted = await Actor.get_input() or {}
        crawler = BeautifulSoupCrawler(max_requests_per_crawl=20)

        @crawler.router.default_handler
        async def handle(context: BeautifulSoupCrawlingContext) -> None:
            title = context.soup.title
            await context.push_data({"url": context.request.url, "title": title.string if title else None})
            await context.enqueue_links()

        await crawler.run([each["url"] for each in wanted["startUrls"]])
