"""Wakes within one process: who listens to a channel, and which keys each has not read yet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Self
from weakref import WeakKeyDictionary

from actorium.kernel.store_limits import WAKE_KEYS_MAX

Wake = tuple[str, str]  # channel, key; an empty key means everything


class Listener:
    """The keys woken on one channel, a set a step. Forgotten as soon as nobody holds it."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self._keys: set[str] = set()
        self._all = False
        self._closed = False
        self._news = asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> frozenset[str]:
        await self._news.wait()
        if self._closed:
            raise StopAsyncIteration
        self._news.clear()
        keys = frozenset() if self._all else frozenset(self._keys)
        self._keys.clear()
        self._all = False
        return keys

    def add(self, key: str) -> None:
        """Note a key; an empty one, or more than a listener may hold, means everything."""
        if not key or len(self._keys) >= WAKE_KEYS_MAX:
            self._all = True
        else:
            self._keys.add(key)
        self._news.set()

    def close(self) -> None:
        self._closed = True
        self._news.set()


class Wakes:
    """Delivers wakes to listeners. Used on the event loop's thread only."""

    def __init__(self) -> None:
        self._channels: dict[str, WeakKeyDictionary[Listener, None]] = {}
        """Listeners in the order they came, so that the same seed wakes them in the same order."""
        self._closed = False

    def listen(self, channel: str) -> Listener:
        """A listener of the channel, registered at once."""
        listener = Listener(channel)
        if self._closed:
            listener.close()
        self._channels.setdefault(channel, WeakKeyDictionary())[listener] = None
        return listener

    def publish(self, wakes: Iterable[Wake]) -> None:
        """Tell each channel's listeners."""
        for channel, key in wakes:
            for listener in tuple(self._channels.get(channel, ())):
                listener.add(key)

    def publish_everything(self) -> None:
        """Tell every listener that it may have missed something."""
        for listeners in self._channels.values():
            for listener in tuple(listeners):
                listener.add("")

    def close(self) -> None:
        self._closed = True
        for listeners in self._channels.values():
            for listener in tuple(listeners):
                listener.close()
