"""Scrapy's own defaults but for what would make a benchmark wait or print."""

import os

BOT_NAME = "bench"
SPIDER_MODULES = ["bench_spiders.imports" if "BENCH_PACKAGES" in os.environ else "bench_spiders.spiders"]
ROBOTSTXT_OBEY = False
TELNETCONSOLE_ENABLED = False
DOWNLOAD_DELAY = 0
CONCURRENT_REQUESTS_PER_DOMAIN = 8
LOG_LEVEL = "WARNING"
