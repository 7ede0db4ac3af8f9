"""A Scrapy project under the SDK: its requests and items are the run's."""

from apify import Actor
from apify.scrapy import apply_apify_settings


async def main() -> None:
    from scrapy.crawler import AsyncCrawlerRunner  # not before the reactor is chosen

    async with Actor:
        wanted = await Actor.get_input() or {}
        runner = AsyncCrawlerRunner(apply_apify_settings())
        await runner.crawl("titles", start_urls=[each["url"] for each in wanted["startUrls"]])
