"""API tokens: random texts of which only the hash is stored."""

from __future__ import annotations

import hashlib

from actorium.kernel.ids import Ids

PREFIX = "actorium_api_"


def new_token(ids: Ids) -> str:
    """A token that cannot be guessed. Its prefix lets people and secret scanners recognise it."""
    return PREFIX + ids.secret()


def token_hash(token: str) -> str:
    """What is stored of a token. One round is enough: a token is random, not a password."""
    return hashlib.sha256(token.encode()).hexdigest()
