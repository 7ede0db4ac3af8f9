"""JSON as people write it: comments, commas before a closing bracket and a byte order mark are let pass."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

# A text that never ends is taken to the end of all: beginning anew at each of its quotes would take hours.
_TEXT = r'"(?:[^"\\]|\\.?)*+"?'
_COMMENT = re.compile(_TEXT + r"|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_SEEN = re.compile(r"[^\n]")
_COMMA = re.compile(_TEXT + r"|,(?=\s*[}\]])", re.DOTALL)


def parse(content: bytes) -> Any:
    """The value. Raises ValueError with a reason for people."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8 text") from error
    try:
        return _decode(text)
    except msgspec.DecodeError:
        return _decode_leniently(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _decode_leniently(text: str) -> Any:
    without = _COMMA.sub(_keep_strings, _COMMENT.sub(_keep_strings, text))
    try:
        return _decode(without)
    except msgspec.DecodeError as error:
        raise ValueError(f"it is not valid JSON: {mistake(without) or error}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def mistake(text: str | bytes) -> str:
    """Line, column and what is wrong there with JSON; empty where only the stricter parser sees something."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    except (RecursionError, ValueError):
        pass
    return ""


def _decode(text: str) -> Any:
    return msgspec.json.decode(text)


def _keep_strings(match: re.Match[str]) -> str:
    found = match.group()
    return found if found.startswith('"') else _SEEN.sub(" ", found)  # so that lines and columns stay
