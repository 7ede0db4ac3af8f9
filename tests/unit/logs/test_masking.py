"""No secret is left in a log: not in part, not quoted, not encoded, not across a cut."""

from __future__ import annotations

import base64
import json
import random
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.kernel.instant import Instant
from actorium.kernel.limits import LOG_LINE_BYTES_MAX, LOG_SECRET_TEXTS_MAX
from actorium.kernel.lines import cut
from actorium.logs.masking import MASK, Masker, masked

T0 = Instant(1_700_000_000_123)
KEY = b"-----BEGIN KEY-----\r\nMIIEvQIBADANBgkq+hkiG9w0\n  QUFB/kJCQkI=\n}\n-----END KEY-----\n"


def after_masking(secret: bytes, *lines: bytes) -> list[bytes]:
    return [line for _, line in masked([(T0, line) for line in lines], [secret])]


def test_secrets_are_blackened_the_longest_first() -> None:
    lines = [(T0, b"token=secret-and-more; secret; abc")]
    assert masked(lines, [b"secret", b"secret-and-more", b"abc"]) == [(T0, b"token=%b; %b; abc" % (MASK, MASK))]


def test_each_line_of_a_key_is_a_secret_unless_it_says_nothing() -> None:
    assert after_masking(KEY, *KEY.splitlines()) == [MASK, MASK, b"  " + MASK, b"}", MASK]
    assert after_masking(KEY, b"x " + json.dumps(KEY.decode()).encode()) == [b'x "' + MASK + b'"']


@pytest.mark.parametrize("before", [b"", b"u:", b"me:"])
@pytest.mark.parametrize("coded", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_of_a_secret_in_something_else(before: bytes, coded: type[bytes]) -> None:
    secret = b"hunter22??>>~~ so secret"
    shown = after_masking(secret, b"Authorization: Basic " + coded(before + secret + b"@host"))
    assert MASK in shown[0]
    left = max(shown[0].removeprefix(b"Authorization: Basic ").split(MASK), key=len)
    assert len(left) <= 10  # what two characters more or less, and the words beside it, are


@pytest.mark.parametrize("form", [json.dumps, quote_plus, repr, lambda text: json.dumps(text, ensure_ascii=False)])
def test_quoted_forms(form: type[str]) -> None:
    secret = 'pä"ss & w\\örd/1'
    assert after_masking(secret.encode(), f"x={form(secret)}".encode())[0].replace(b'"', b"").strip(b"'") in (
        b"x=" + MASK,
        b"x='" + MASK,
    )


@given(st.integers(LOG_LINE_BYTES_MAX - 40, LOG_LINE_BYTES_MAX + 40), st.sampled_from([20, 70_000]))
def test_a_secret_across_a_cut_is_left_on_neither_side(at: int, size: int) -> None:
    secret = (b"0123456789abcdef" * 5000)[:size]
    pieces = cut(b"x" * at + secret + b" and more\nnot a secret"[:9])
    shown = after_masking(secret, *pieces)
    assert b"".join(shown).replace(MASK, b"") == b"x" * at + b" and more"


def test_the_beginning_of_a_secret_at_the_end_of_a_cut_line_is_blackened_and_else_stays() -> None:
    piece = b"x" * (LOG_LINE_BYTES_MAX - 7) + b"hhunter"
    assert after_masking(b"hunter22", piece) == [piece[:-6] + MASK]
    assert after_masking(b"hunter22", b"a hunter", b"22") == [b"a hunter", b"22"]


def test_bytes_that_are_no_utf8_stay_beside_a_secret() -> None:
    shown = after_masking(b"hunter22", b"\xff hunter22 \xff\xfe")[0]
    assert shown.decode("utf-8", "replace") == "\ufffd ***** \ufffd\ufffd"


def test_stars_are_no_secret() -> None:
    assert after_masking(b"*" * 8, b"*" * 20) == [b"*" * 20]


def test_the_lines_of_a_very_long_secret_are_found_as_lines_and_as_words() -> None:
    chance = random.Random(1)
    lines = [base64.b64encode(chance.randbytes(30)) for _ in range(LOG_SECRET_TEXTS_MAX)]
    secret = b"\n".join(lines)
    assert after_masking(secret, *(b"  %b  " % line for line in lines)) == [b"  " + MASK + b"  "] * len(lines)
    shown = after_masking(secret, b'{"key": ' + json.dumps(secret.decode()).encode() + b"}", b"key: " + lines[-1])
    assert not any(line in text for line in lines for text in shown)


@pytest.mark.timeout(60)  # quadratic, it takes minutes
def test_masking_is_bounded_and_linear() -> None:
    """Many long secrets that are like each other and like the text: what a hostile user can do."""
    secrets = [b"\n".join(b"a" * n + b"b%d" % n for n in range(4, 2000)) for _ in range(3)]
    masker = Masker(secrets)
    assert len(masker._wanted) <= LOG_SECRET_TEXTS_MAX + len(secrets)
    lines = [(T0, b"a" * LOG_LINE_BYTES_MAX) for _ in range(4)]
    assert len(masker.lines(lines)) == 4
