"""Keeping secrets out of logs, also as JSON, URLs and base64 show them, and where a long line was cut."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from functools import lru_cache
from urllib.parse import quote, quote_plus

from actorium.kernel.limits import LOG_SECRET_TEXTS_MAX
from actorium.kernel.lines import is_cut
from actorium.logs.service import Line

MASK = b"*****"
SECRET_BYTES_MIN = 4  # shorter values would blacken ordinary words, and are no secrets
BASE64_CHARS_MIN = 8  # of base64 that depends on the secret alone: fewer occur by chance
BEGINNING_BYTES_MAX = 16_384  # of a secret whose rest is not read yet

_BLACK = b"\xff"  # occurs in no UTF-8, so in no secret; covers one byte each, so that places stay
_BLACKENED = re.compile(rb"\xff+")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_LINE = re.compile(rb"[^\s][^\n]*")
_WORD = re.compile(rb"(?:[^\s\"'\\]|\\(?![nrt]))+")  # a text in JSON has \n between its lines


class Masker:
    """Blackens secrets. Its work is linear in the text: one search for each of a bounded number of texts.

    Where there are more of them, as in a long secret of many lines, the others are found as whole lines and words.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        values = dict[bytes, None]()
        forms = dict[bytes, None]()
        for secret in secrets:
            parts = [part.strip() for part in secret.splitlines()]
            values |= dict.fromkeys([secret] if len(parts) == 1 else ())
            forms |= dict.fromkeys(part for part in parts if len(part) >= SECRET_BYTES_MIN)
        for secret in secrets:
            parts = [part.strip() for part in secret.splitlines()]
            forms |= dict.fromkeys(_encoded(secret))
            forms |= dict.fromkeys(form for part in parts if len(part) >= SECRET_BYTES_MIN for form in _quoted(part))
        wanted = [*filter(_is_secret, values)]
        others = [form for form in forms if _is_secret(form) and form not in values]
        self._wanted = sorted([*wanted, *others[:LOG_SECRET_TEXTS_MAX]], key=len, reverse=True)
        self._more = frozenset(others[LOG_SECRET_TEXTS_MAX:])

    def text(self, text: bytes) -> bytes:
        """A text of whole lines without the secrets."""
        black = self._blackened(text)
        return text if black is text else _BLACKENED.sub(MASK, black)

    def lines(self, lines: Sequence[Line]) -> list[Line]:
        """The lines without the secrets, also those that go on from a line that was cut to the next.

        Of a last line that was cut, an end that may be the beginning of a secret is blackened as well.
        """
        joined = b"".join(line if is_cut(line) else line + b"\n" for _, line in lines)
        black = self._blackened(joined)
        if lines and is_cut(lines[-1][1]) and (begun := self._begun(black)):
            black = black[:-begun].replace(_BLACK, b"\xfe") if black is joined else black[:-begun]
            black += _BLACK * begun
        if black is joined:
            return [*lines]
        masked: list[Line] = []
        start = 0
        for at, line in lines:
            end = start + len(line)
            masked.append((at, _BLACKENED.sub(MASK, black[start:end])))
            start = end if is_cut(line) else end + 1
        return masked

    def _blackened(self, text: bytes) -> bytes:
        """The text with the secrets covered, the longest first; the same object if there is none."""
        black = text
        for wanted in self._wanted:
            if wanted in black:
                if black is text:
                    black = text.replace(_BLACK, b"\xfe")  # is no UTF-8 either, and shown in the same way
                black = black.replace(wanted, _BLACK * len(wanted))
        if self._more:
            black = self._without_more(text.replace(_BLACK, b"\xfe") if black is text else black)
        return black

    def _without_more(self, text: bytes) -> bytes:
        more = self._more

        def covered(found: re.Match[bytes]) -> bytes:
            part = found[0]
            return _BLACK * len(part) if part in more or part.rstrip() in more else part

        return _WORD.sub(covered, _LINE.sub(covered, text))

    def _begun(self, text: bytes) -> int:
        return max((_beginning(text, wanted) for wanted in self._wanted), default=0)


@lru_cache(maxsize=256)
def masker(secrets: tuple[bytes, ...]) -> Masker:
    """The masker of these secrets: building one takes longer than masking a few lines."""
    return Masker(secrets)


def masked(lines: Sequence[Line], secrets: Sequence[bytes]) -> list[Line]:
    """The lines without the secrets."""
    return masker(tuple(secrets)).lines(lines)


def _beginning(text: bytes, wanted: bytes) -> int:
    """How many bytes at the end of a text are the beginning of a secret, but not all of it (Knuth, Morris, Pratt)."""
    size = min(len(wanted) - 1, BEGINNING_BYTES_MAX)
    tail, wanted = text[max(len(text) - size, 0) :], wanted[:size]
    fallback, matched = [0], 0
    for byte in wanted[1:]:
        while matched and wanted[matched] != byte:
            matched = fallback[matched - 1]
        matched += wanted[matched] == byte
        fallback.append(matched)
    matched = 0
    for byte in tail:
        while matched and (matched == size or wanted[matched] != byte):
            matched = fallback[matched - 1]
        matched += wanted[matched] == byte
    return matched


def _is_secret(text: bytes) -> bool:
    return len(text) >= SECRET_BYTES_MIN and b"\n" not in text and text.strip(b"*") != b""


def _encoded(secret: bytes) -> Iterator[bytes]:
    """A whole secret in one line of JSON or of a URL, and in base64, even of a longer text that holds it."""
    yield from _quoted(secret)
    yield from _quoted(secret.strip())
    for shift in range(3):  # base64 shows three bytes as four characters: there are three ways to fall into that
        coded = b64encode(bytes(shift) + secret).rstrip(b"=")
        core = coded[(0, 2, 3)[shift] : (shift + len(secret)) * 8 // 6]
        if len(core) >= BASE64_CHARS_MIN:
            yield core
            yield core.translate(_URL_SAFE)


def _quoted(secret: bytes) -> Iterator[bytes]:
    text = secret.decode("utf-8", "replace")
    yield json.dumps(text)[1:-1].encode()
    yield json.dumps(text, ensure_ascii=False)[1:-1].encode()
    yield repr(text)[1:-1].encode("utf-8", "replace")
    for quoted in (quote(text), quote(text, safe=""), quote_plus(text)):
        yield quoted.encode()
