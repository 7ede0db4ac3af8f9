"""From ``:name`` parameters, which SQLite reads as they are, to PostgreSQL's ``$1``."""

from __future__ import annotations

import re
from functools import lru_cache

_TOKEN = re.compile(
    r"""
    '(?:[^']|'')*'          # text
  | "(?:[^"]|"")*"          # a quoted name
  | --[^\n]*                # a comment
  | /\*.*?\*/
  | ::\w+                   # a cast
  | :(?P<name>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)


@lru_cache(maxsize=4096)  # statements are constants of the code: far fewer than this
def numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """The statement with ``$1``, ``$2`` …, and the names in that order. A name used twice has one number."""
    names: list[str] = []

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return match[0]
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _TOKEN.sub(replace, sql), tuple(names)
