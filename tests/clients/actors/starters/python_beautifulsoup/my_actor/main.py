"""SDK and BeautifulSoup: a queue of requests by hand."""

from urllib.parse import urljoin

from apify import Actor, Request
from bs4 import BeautifulSoup
from httpx import AsyncClient


async def main() -> None:
    async with Actor, AsyncClient() as http:
        wanted = await Actor.get_input() or {}
        queue = await Actor.open_request_queue()
        for each in wanted.get("startUrls", []):
            await queue.add_request(Request.from_url(each["url"]))
        while request := await queue.fetch_next_request():
            reply = await http.get(request.url)
            page = BeautifulSoup(reply.content, "lxml")
            await Actor.push_data({"url": request.url, "title": page.title.string if page.title else None})
            for link in page.select("a[href]"):
                await queue.add_request(Request.from_url(urljoin(request.url, str(link["href"]))))
            await queue.mark_request_as_handled(request)
