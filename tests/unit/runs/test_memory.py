"""Memory by the Actor's expression: what it means, what it refuses, and that no text and no input brings it down."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorium.kernel.limits import EXPRESSION_CHARS_MAX, EXPRESSION_DEPTH_MAX
from actorium.runs.errors import InvalidMemory
from actorium.runs.memory.choice import Bounds, bounds_of, checked, of_definition
from actorium.runs.memory.errors import ExpressionError
from actorium.runs.memory.evaluation import evaluate

INPUT: dict[str, Any] = {
    "pages": 40,
    "fast": True,
    "none": None,
    "count": "3",
    "mode": "deep",
    "empty": [],
    "urls": [{"url": "a"}, {"url": "b"}, {"url": "c"}],
    "sizes": [5, 9, 2],
    "a": {"b": {"c": 7}, "and": 2},
}
OPTIONS = {"timeoutSecs": 300, "maxItems": 20, "build": "latest"}
NAMES = {"input": INPUT, "runOptions": OPTIONS}

MEANINGS: list[tuple[str, Any]] = [
    ("1 + 2 * 3 - 4 / 2", 5),
    ("(1 + 2) * 3 % 5", 4),
    ("2 ^ 3 ^ 2", 512),
    ("-2 ^ 2", -4),
    ("2 ^ -1 * 4", 2),
    ("7 mod 4 + mod(9, 5)", 7),
    ("5 % 0", 5),
    ("1 < 2 and 2 <= 2 and 3 > 2 and 3 >= 4", False),
    ("not true or 1 == 1 xor false", True),
    ("false ? 1 : true ? 2 : 3", 2),
    ("true ? 1 : nothing_is_looked_up_here_but_read ? 1 : 2", ExpressionError),
    ("false and 1 / 0 > 1", False),
    ("true or 1 / 0 > 1", True),
    ("min(3, 1, 2) + max(4, 9)", 10),
    ("min(input.sizes) + max(input.sizes)", 11),
    ("round(2.5) + round(-2.5) + round(1.26, 1) + floor(1.9) + ceil(1.1)", 1.3 + 3),
    ("abs(-3) + sqrt(16) + log2(8) + log10(100) + log(8, 2) + pow(2, 2) + sign(-9)", 3 + 4 + 3 + 2 + 3 + 4 - 1),
    ("input.pages * 10 + runOptions.timeoutSecs", 700),
    ("{{input.pages}} * 2 + {{ runOptions.maxItems }}", 100),
    ("input.urls.length + length(input.mode) + input.empty.length", 7),
    ("get(input, 'a.b.c', 1) + get(input, 'a.x.y.z', 100) + get(input, 'urls.length')", 110),
    ("compareText(get(input, 'urls.1.url', 'no'), 'b') + compareText(get(input, 'urls.0.url'), \"b\")", -1),
    ("get(input, 'urls.9.url', 5) + get(input, 'none', 6) + get(input, 'urls.1x', 7)", 18),
    ("get(input, 'sizes[0]', 100) + get(input, 'a[\"b\"].c', 10) + get(input, 'a..b', 1)", 111),  # none is a path
    ("compareText(input.urls[1].url, 'a') == 0 and input.urls[0] == null", True),
    ("input['pages'] == '40' and input.mode != null", True),
    ("input.count + 1", 4),
    ("input.fast + 1", 2),
    ("compareText(input.mode, 'deep') == 0 ? 4096 : 512", 4096),
    ("input.absent ? 4096 : 512", 512),
    ("input.absent.below == undefined", True),
    ("input.a.and + 1", 3),
    ("1e3 + .5 + 2.", 1002.5),
    ("0x400 + 0b11 + 0o10", 1035),
    ("# a remark\n1024 # and one more # here", 1024),
    ("compareText('#', '#') # '", 0),
    ("add(1, 2) + subtract(5, 1) + multiply(2, 3) + divide(8, 2) + unaryMinus(-1)", 18),
    ("and(larger(2, 1), smaller(1, 2)) and or(false, equal(1, '1')) and xor(true, unequal(1, 1))", True),
    ("isNaN(5) or isZero(1) or isInteger(1.5) or isNumeric('1')", False),
    ("number('12') + 1", 13),
]


@pytest.mark.parametrize(("text", "meant"), MEANINGS)
def test_what_an_expression_means(text: str, meant: Any) -> None:
    if meant is ExpressionError:
        with pytest.raises(ExpressionError):
            evaluate(text, NAMES)
    else:
        assert evaluate(text, NAMES) == pytest.approx(meant)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "value is expected"),
        ("1 +", "value is expected"),
        ("1 2", "'end' is expected"),
        ("(1", "')' is expected"),
        ("min()", "arguments"),
        ("min(1,,2)", "value is expected"),
        ("eval('1')", "no function 'eval'"),
        ("process.env", "'process' is unknown"),
        ("input.__class__.__mro__ + 1", "absent value"),
        ("input.pages.__class__ + 1", "absent value"),
        ("input.absent + 1", "absent value"),
        ("input.mode * 2", "a text"),
        ("input.urls + 1", "a list"),
        ("input == input", "cannot be compared"),
        ("input.mode == 'deep'", "compareText"),
        ("'a' != 'b'", "compareText"),
        ("compareText(1, 'a')", "two texts"),
        ("{{input.pages * 2}}", "}}' is expected"),
        ("{{5}}", "'name' is expected"),
        ("0xZZ", "'end' is expected"),
        ("# nothing", "value is expected"),
        ("1 / 0", "no result"),
        ("0 ^ -1", "no result"),
        ("10 ^ 400", "no result"),
        ("(-8) ^ 0.5", "no real result"),
        ("sqrt(-1)", "no result"),
        ("get(input, 1)", "path"),
        ("'a\\'b'", "unknown at character 1"),
        ("1 ; 2", "unknown at character"),
        ("input.5", "'end' is expected"),
        ("(" * (EXPRESSION_DEPTH_MAX + 1), "nested deeper"),
        ("-" * 900 + "1", "nested deeper"),
        ("1" * (EXPRESSION_CHARS_MAX + 1), "longer than 1000"),
    ],
)
def test_an_error_says_what_is_wrong(text: str, word: str) -> None:
    with pytest.raises(ExpressionError, match=word.replace("(", r"\(").replace(")", r"\)")):
        evaluate(text, NAMES)


SCRAPS = """input runOptions get min max round log ( ) [ ] { {{ }} } . , ? : + - * / % ^ < <= == != and or not xor mod
    true null 0 0xff 1 9e99 1e308 .5 'urls' 'a.b' "x" pages urls sizes length a b ' " $ # é 1e999"""
PIECES = st.sampled_from(SCRAPS.split())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["pages", "urls", "a"]), inner),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=60).map(" ".join) | st.text(max_size=200), JSON)
def test_no_text_and_no_input_raises_anything_but_its_own_error(text: str, value: Any) -> None:
    started = time.thread_time()
    try:
        memory = of_definition(text, {"input": value, "runOptions": OPTIONS}, Bounds())
    except ExpressionError:
        pass
    else:
        assert memory.bit_count() == 1
        assert 128 <= memory <= 32_768
    assert time.thread_time() - started < 5


@pytest.mark.parametrize(
    "text",
    [
        "9^" * 499 + "9",
        "#" * 999 + "\n",
        " #\n" * 333,
        "multiply(9e99," * 66 + "1" + ")" * 66,
        "1+" * 499 + "1",
        "1?" * 300 + "1",
        "max(" * 40 + "input.huge" + ")" * 40,
        "+".join(["max(input.many)"] * 60),
        "get(input, '" + "a." * 450 + "')",
        "+".join(["get(input, input.path, 1)"] * 30),
    ],
)
def test_the_worst_texts_end_at_once(text: str) -> None:
    names = {"input": {"huge": 10**5000, "many": list(range(10_000)), "path": "a." * 500_000}}
    started = time.thread_time()
    with pytest.raises(ExpressionError):
        evaluate(text, names)
        evaluate("1 +", names)  # those that have a value end in this error instead
    assert time.thread_time() - started < 5


@pytest.mark.parametrize(
    ("said", "bounds", "memory"),
    [
        (1024, Bounds(), 1024),
        (1000, Bounds(), 1024),
        (1448, Bounds(), 1024),  # the ratio to 1024 and to 2048 is equal at 1448.15
        (1449, Bounds(), 2048),
        ("input.pages", Bounds(), 128),
        ("1e300", Bounds(), 32_768),
        ("0.001", Bounds(), 128),
        ("input.pages * 100", Bounds(), 4096),
        ("input.pages * 100", bounds_of(None, 3000), 2048),
        ("input.pages", bounds_of(300, None), 512),
    ],
)
def test_the_nearest_power_of_two_within_bounds(said: int | str, bounds: Bounds, memory: int) -> None:
    assert of_definition(said, NAMES, bounds) == memory


@pytest.mark.parametrize("text", ["0", "-1", "input.none", "'abc'", "0 * -1", "'1024'", "true", "input.count"])
def test_no_memory_is_no_result(text: str) -> None:
    with pytest.raises(ExpressionError):
        of_definition(text, NAMES, Bounds())


def test_bounds_are_powers_of_two_or_none() -> None:
    assert bounds_of(None, None) == Bounds(128, 32_768)
    assert bounds_of(256, 4096) == Bounds(256, 4096)
    assert bounds_of(129, 4095) == Bounds(256, 2048)
    assert bounds_of(300, 400) == Bounds()
    assert bounds_of(4096, 512) == Bounds()
    assert bounds_of(4096, 4096) == Bounds(4096, 4096)


@given(st.floats() | st.integers(-10, 70_000))
def test_memory_that_was_asked_for_is_given_or_refused(memory: float) -> None:
    good = {2**n for n in range(8, 13)}
    try:
        assert checked(memory, Bounds(256, 4096)) in good
        assert round(memory) in good
    except InvalidMemory as error:
        assert "MB" in error.message
        assert not math.isfinite(memory) or round(memory) not in good
