from collections.abc import Iterator

from scrapy import Request, Spider
from scrapy.http import TextResponse


class TitleSpider(Spider):
    name = "titles"

    def parse(self, response: TextResponse) -> Iterator[dict[str, str | None] | Request]:
        yield {"url": response.url, "title": response.css("title::text").get()}
        yield from response.follow_all(css="a")
