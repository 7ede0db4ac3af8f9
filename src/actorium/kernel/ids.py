"""Ids and secrets as an argument. The only file that asks the machine for randomness."""

from __future__ import annotations

import random
import secrets
from typing import Protocol

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
ID_LENGTH = 17  # the API's own; 36^17 is 88 bits
SECRET_LENGTH = 36  # 186 bits


class Ids(Protocol):
    """Where new ids, secrets and chance come from."""

    def new(self) -> str:
        """A new id: 17 of [a-z0-9], because ids become folder, Pod and host names."""
        ...

    def secret(self) -> str:
        """A new unguessable text for tokens and keys."""
        ...

    def jitter(self) -> float:
        """A number in [0, 1) to spread loops and retries."""
        ...


class RandomIds:
    """Ids from the operating system's generator."""

    def new(self) -> str:
        return _text(secrets.randbits(88), ID_LENGTH)

    def secret(self) -> str:
        return "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))

    def jitter(self) -> float:
        return random.random()


class SeededIds:
    """The same ids for the same seed: for tests and the simulator, never for a server."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def new(self) -> str:
        return _text(self._random.getrandbits(88), ID_LENGTH)

    def secret(self) -> str:
        return "".join(self._random.choice(ALPHABET) for _ in range(SECRET_LENGTH))

    def jitter(self) -> float:
        return self._random.random()


def _text(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(digits)
