"""The same programs as flows that are served: stamps go to a folder, because a flow's output goes elsewhere."""

import time

FIRST = time.time()

import os  # noqa: E402  # the time is noted before anything else
from pathlib import Path  # noqa: E402  # as above

from prefect import flow, runtime, serve  # noqa: E402  # as above


def note(text: str = "") -> None:
    stamp = Path(os.environ["BENCH_STAMPS"]) / str(runtime.flow_run.id)
    stamp.write_text(f"first line {FIRST:.6f}, {text}")


@flow
def trivial() -> None:
    note()


@flow
def crawl(first_url: str) -> None:
    from bench_spiders import settings
    from bench_spiders.spiders import Crawl
    from scrapy.crawler import CrawlerProcess

    process = CrawlerProcess({name: getattr(settings, name) for name in dir(settings) if name.isupper()})
    crawler = process.create_crawler(Crawl)
    process.crawl(crawler, first_url=first_url)
    process.start(install_signal_handlers=False)
    note(f"{crawler.spider.pages} pages")


if __name__ == "__main__":
    serve(trivial.to_deployment("trivial"), crawl.to_deployment("crawl"))
