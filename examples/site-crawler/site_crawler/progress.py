"""What is done, over every attempt of the run.

The dataset is the truth: a page is done when its item is there. A request whose page was written but which was not
marked as handled before the process ended comes again after a reboot; its page is not written a second time.
The state beside it, kept with ``Actor.use_state``, counts the attempts and is there for people to read.
"""

from __future__ import annotations

from typing import Any

from apify import Actor


class Progress:
    """The pages of this run. Only ``open`` makes one."""

    def __init__(self, state: Any, *, written: set[str], max_pages: int) -> None:
        self._state = state
        self._written = written
        self._claimed = set(written)
        self._max_pages = max_pages

    @classmethod
    async def open(cls, *, max_pages: int) -> Progress:
        """Take up the run where its last attempt left it."""
        state = await Actor.use_state({"attempt": 0, "pages": 0})
        state["attempt"] = int(str(state["attempt"])) + 1
        written = set[str]()
        if state["attempt"] > 1:
            dataset = await Actor.open_dataset()
            written = {str(item["url"]) async for item in dataset.iterate_items(fields=["url"]) if "url" in item}
        state["pages"] = len(written)
        progress = cls(state, written=written, max_pages=max_pages)
        await progress.persist()
        return progress

    @property
    def attempt(self) -> int:
        """1 in a new run; one more after each reboot, and when an aborted run is taken up again."""
        return int(self._state["attempt"])

    @property
    def pages(self) -> int:
        """Pages written so far."""
        return len(self._written)

    @property
    def is_full(self) -> bool:
        """Whether every page that the limit allows is written or being written."""
        return len(self._claimed) >= self._max_pages

    @property
    def message(self) -> str:
        return f"Crawled {self.pages} of {self._max_pages} pages"

    def claim(self, url: str) -> bool:
        """Take a place under the limit for a page. False if there is none left."""
        if url not in self._claimed:
            if self.is_full:
                return False
            self._claimed.add(url)
        return True

    async def write(self, item: dict[str, Any]) -> bool:
        """Write a page's item, once. False if it is there already."""
        url = item["url"]
        if url in self._written:
            return False
        self._written.add(url)  # before the await, because two requests may lead to one page
        try:
            await Actor.push_data(item)
        except BaseException:
            self._written.discard(url)
            raise
        self._state["pages"] = self.pages
        return True

    async def persist(self) -> None:
        """Save the state now, because a process can end at any moment."""
        store = await Actor.open_key_value_store()
        await store.persist_autosaved_values()
