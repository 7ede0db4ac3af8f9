"""A spider that does nothing and one that follows every link. The first line of both notes the time."""

import time

FIRST = time.time()

import scrapy  # noqa: E402  # the time is noted before anything else


class Empty(scrapy.Spider):
    """The trivial program."""

    name = "empty"

    async def start(self):
        self.logger.warning("first line %.6f", FIRST)
        return
        yield


class Crawl(scrapy.Spider):
    """All pages that can be reached from one."""

    name = "crawl"

    def __init__(self, first_url: str = "", **more):
        super().__init__(**more)
        self.first_url = first_url
        self.pages = 0

    async def start(self):
        yield scrapy.Request(self.first_url)

    def parse(self, response):
        self.pages += 1
        yield {"url": response.url, "title": response.css("title::text").get()}
        yield from response.follow_all(css="a", callback=self.parse)

    def closed(self, reason):
        self.logger.warning("first line %.6f, %d pages, %s", FIRST, self.pages, reason)
