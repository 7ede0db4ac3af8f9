"""The plain SDK: an input, an item for each thing in it, an output."""

from apify import Actor


async def main() -> None:
    async with Actor:
        wanted = await Actor.get_input() or {}
        urls = [each["url"] for each in wanted.get("startUrls", [])]
        await Actor.push_data([{"url": url, "title": f"Number {number}"} for number, url in enumerate(urls)])
        await Actor.set_value("OUTPUT", {"count": len(urls)})
