"""What is stored: items and requests like those of a crawl, the same in every run."""

from __future__ import annotations

import json
import random
from typing import Any

SEED = 20_260_105
WORDS = [
    *("solid", "wooden", "garden", "chair", "with", "soft", "cushions", "set", "of", "two", "grey", "oak", "steel"),
    *("lamp", "small", "large", "table", "round", "outdoor", "weather", "proof", "foldable", "kitchen", "shelf"),
    *("white", "classic", "modern", "light", "bulb", "warm", "desk", "office", "tray", "box", "blue", "red", "green"),
]


def items(count: int, *, seed: int = SEED) -> list[dict[str, Any]]:
    """Products of a shop: ten fields, one of them nested, about 500 bytes as JSON."""
    chance = random.Random(seed)

    def words(number: int) -> str:
        return " ".join(chance.choices(WORDS, k=number))

    return [
        {
            "url": f"https://shop.example.com/catalogue/{chance.randrange(10**9):09}/{words(3).replace(' ', '-')}",
            "title": words(6).capitalize(),
            "description": words(26),
            "price": round(chance.uniform(1, 900), 2),
            "currency": "EUR",
            "inStock": chance.random() < 0.8,
            "categories": chance.sample(WORDS, k=3),
            "seller": {"id": chance.randrange(10**6), "name": words(2), "rating": round(chance.uniform(1, 5), 1)},
            "scrapedAt": f"2026-01-{chance.randrange(1, 29):02}T{chance.randrange(24):02}:00:00.000Z",
            "depth": chance.randrange(6),
        }
        for _ in range(count)
    ]


def small_items(count: int, *, seed: int = SEED) -> list[dict[str, Any]]:
    """Five fields, about 100 bytes: what a dataset of millions is made of."""
    chance = random.Random(seed)
    return [
        {
            "id": chance.randrange(10**9),
            "title": " ".join(chance.choices(WORDS, k=4)),
            "price": round(chance.uniform(1, 900), 2),
            "inStock": chance.random() < 0.8,
            "currency": "EUR",
        }
        for _ in range(count)
    ]


def requests(prefix: str, count: int) -> list[dict[str, Any]]:
    """Requests of a crawl, about 200 bytes, none twice."""
    return [
        {
            "url": (url := f"https://shop.example.com/catalogue/{prefix}/{number:08}"),
            "uniqueKey": url,
            "method": "GET",
            "userData": {"label": "DETAIL", "depth": number % 6, "from": "https://shop.example.com/catalogue"},
        }
        for number in range(count)
    ]


def record(size: int, *, seed: int = SEED) -> bytes:
    """A JSON record of exactly that many bytes."""
    chance = random.Random(seed)
    words = " ".join(chance.choices(WORDS, k=size // 4))
    frame = len(json.dumps({"text": ""}))
    return json.dumps({"text": words.ljust(size)[: size - frame]}).encode()
