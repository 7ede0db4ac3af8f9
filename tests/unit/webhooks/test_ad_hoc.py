"""The webhooks in a start's URL: every way to write them, and everything that can be wrong with them."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.kernel.errors import InvalidValue
from actorium.kernel.limits import AD_HOC_WEBHOOKS_MAX, WEBHOOK_URL_CHARS_MAX
from actorium.webhooks import ad_hoc

ONE: dict[str, Any] = {"eventTypes": ["ACTOR.RUN.SUCCEEDED"], "requestUrl": "https://example.com/?a=ü~ÿ>>"}


def text_of(value: Any, *, encode: Any = base64.b64encode) -> str:
    return str(encode(json.dumps(value, ensure_ascii=False).encode()).decode())


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("strip", ["", "="])
def test_every_alphabet_and_padding_is_read(encode: Any, strip: str) -> None:
    text = text_of([ONE, ONE | {"payloadTemplate": "{}"}], encode=encode).rstrip(strip or "\0")
    assert any(sign in text for sign in "+/-_")
    first, second = ad_hoc.read(text)
    assert (first.request_url, second.payload_template) == (ONE["requestUrl"], "{}")
    assert ad_hoc.read(text.replace("+", " ")) == [first, second]


def test_what_is_stored_has_no_doubles_and_no_nulls() -> None:
    asked = ONE | {"eventTypes": ["TEST", "ACTOR.RUN.FAILED", "TEST"], "ignoreSslErrors": None, "unknown": 1}
    document = ad_hoc.document(ad_hoc.read(text_of([asked]))[0])
    assert document.event_types == ("TEST", "ACTOR.RUN.FAILED")
    assert document.ignore_ssl_errors is False


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("%%%", "no base64"),
        ("a", "no base64"),
        (base64.b64encode(b'["\xff"]').decode(), "no base64 text of UTF-8"),
        (base64.b64encode(b"[{").decode(), "no valid JSON"),
        (base64.b64encode(b"[" * 90_000).decode(), "should be"),
        (text_of({}), "Expected `array`"),
        (text_of([1]), "Expected `object`"),
        (text_of([{"requestUrl": "http://a"}]), "eventTypes"),
        (text_of([{"eventTypes": ["TEST"]}]), "requestUrl"),
        (text_of([ONE | {"eventTypes": []}]), "length >= 1"),
        (text_of([ONE | {"eventTypes": ["ACTOR.RUN.DONE"]}]), "ACTOR.RUN.DONE"),
        (text_of([ONE | {"requestUrl": None}]), "requestUrl"),
        (text_of([ONE | {"doNotRetry": "yes"}]), "doNotRetry"),
        (text_of([ONE | {"idempotencyKey": ""}]), "idempotencyKey"),
        (text_of([ONE] * (AD_HOC_WEBHOOKS_MAX + 1)), "100 webhooks at most"),
        *(
            (text_of([ONE | {"requestUrl": url}]), "no http or https address")
            for url in (
                "", "example.com", "ftp://example.com", "javascript:alert(1)", "http://", "https:///path",
                "http://exa mple.com", "http://a\r\nX: y", "http://[::1", "http://a:99999", "http://a:b",
                "http://a/" + "x" * WEBHOOK_URL_CHARS_MAX,
            )
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(text: str, word: str) -> None:
    with pytest.raises(InvalidValue, match=word):
        ad_hoc.read(text)


@given(
    st.binary(max_size=60) | st.recursive(st.none() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_nothing_raises_another_error(value: Any) -> None:
    text = base64.b64encode(value).decode() if isinstance(value, bytes) else text_of(value)
    with suppress(InvalidValue):
        assert ad_hoc.read(text) == []
