"""Where a JSON file that people wrote is wrong, told as they see it."""

from __future__ import annotations

import pytest

from actorium.builds.lenient_json import parse


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{\n  // a remark\n  "a": 1\n  "b": 2\n}', "line 4, column 3: Expecting ',' delimiter"),
        ('{\n  /* two\n lines */ "a": x,\n}', "line 3, column 16: Expecting value"),
        ("{'a': 1}", "line 1, column 2: Expecting property name enclosed in double quotes"),
        ('{"a": 1,}\n}', "line 2, column 1: Extra data"),
        ("", "line 1, column 1: Expecting value"),
        ('{"a": NaN}', "JSON is malformed"),  # which Python alone would take
    ],
)
def test_the_place_of_a_mistake(text: str, told: str) -> None:
    with pytest.raises(ValueError, match="it is not valid JSON") as caught:
        parse(text.encode())
    assert told in str(caught.value)


def test_what_is_let_pass() -> None:
    assert parse(b'\xef\xbb\xbf{"a": "// no remark, ]", /* one */ "b": [1, 2,],}') == {
        "a": "// no remark, ]",
        "b": [1, 2],
    }
