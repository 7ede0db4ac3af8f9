"""The trivial spider behind the imports of warm starts; only there, as Scrapy loads every file of spiders."""

import os
import sys
import time

sys.path.append(os.environ["BENCH_PACKAGES"])

from apify import Actor  # noqa: F401  # importing is what is measured
from crawlee.crawlers import BeautifulSoupCrawler  # noqa: F401  # as above

FIRST = time.time()

import scrapy  # noqa: E402  # the program does without it


class Imports(scrapy.Spider):
    """Says when its imports were done."""

    name = "imports"

    async def start(self):
        self.logger.warning("first line %.6f", FIRST)
        return
        yield
