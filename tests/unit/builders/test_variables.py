"""Variable expansion against what Docker's own documentation and shells do."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.builders.process.variables import ExpansionError, expand, split_words

KNOWN = {"A": "one", "EMPTY": "", "B": "t w o", "V": "3.11.4", "PATH_": "/a/*/b", "LAST": "b"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("$A", "one"),
        ("${A}x$A-x", "onexone-x"),
        ("$A_x", ""),
        ("$UNSET.", "."),
        ("${UNSET:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${UNSET-d}", "d"),
        ("${A:-d}", "one"),
        ("${A:+d}", "d"),
        ("${EMPTY:+d}", ""),
        ("${EMPTY+d}", "d"),
        ("${UNSET:+d}", ""),
        ("${UNSET:-${A}/$A}", "one/one"),
        ("${UNSET:-${NOPE:-x y}}", "x y"),
        ("'$A'", "$A"),
        ('"$A"', "one"),
        ('"a\\"b\\$A"', 'a"b$A'),
        ("\\$A", "$A"),
        ("a\\ b", "a b"),
        ("'it'\"'s\"", "it's"),
        ("$", "$"),
        ("100$ $1", "100$ $1"),
        ("$B", "t w o"),
        ("a\\", "a\\"),
        ("${V%.*}", "3.11"),
        ("${V%%.*}", "3"),
        ("${V#*.}", "11.4"),
        ("${V##*.}", "4"),
        ("${V#3.}", "11.4"),
        ("${V%nope}", "3.11.4"),
        ("${V/./-}", "3-11.4"),
        ("${V//./-}", "3-11-4"),
        ("${V//1?/x}", "3.x.4"),
        ("${V//./}", "3114"),
        ("${V/1*/}", "3."),
        ("${PATH_//\\//_}", "_a_*_b"),
        ("${PATH_/\\*/x}", "/a/x/b"),
        ("${PATH_%/$LAST}", "/a/*"),
        ("${UNSET%.*}${UNSET/a/b}", ""),
        ("a${V%.${UNSET:-4}}b", "a3.11b"),
    ],
)
def test_expand(text: str, result: str) -> None:
    assert expand(text, KNOWN) == result


@pytest.mark.parametrize(
    "text", ["${A", "${}", "${A:-x", "'a", '"a', "${A%x", "${A/x}", "${A^}", "${UNSET:?is needed}", "${1}"]
)
def test_mistakes(text: str) -> None:
    with pytest.raises(ExpansionError):
        expand(text, KNOWN)


def test_the_escape_can_be_another() -> None:
    assert expand("`$A \\$A", KNOWN, escape="`") == "$A \\one"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b\tc", ["a", "b", "c"]),
        ("A=1 B='2 3' C=\"4 5\"", ["A=1", "B='2 3'", 'C="4 5"']),
        ("A=a\\ b c", ["A=a\\ b", "c"]),
        ("", []),
    ],
)
def test_split_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@given(st.text(alphabet="$ {}:-+?%#/*'\"\\aA_ ", max_size=80))
def test_nothing_but_its_own_error(text: str) -> None:
    for work in (lambda: expand(text, KNOWN), lambda: split_words(text)):
        try:
            work()
        except ExpansionError:
            continue


def test_deep_nesting_ends() -> None:
    with pytest.raises(ExpansionError, match="too deeply"):
        expand("${X:-" * 5000, {})


def test_long_texts_take_linear_time() -> None:
    started = time.thread_time()
    expand("$A" * 50_000 + "\\" * 50_000, KNOWN)
    split_words("a' b'" * 20_000)
    assert time.thread_time() - started < 5


def test_no_pattern_takes_long() -> None:
    began = time.thread_time()
    known = {"LONG": "a" * 400, "LONGER": "a" * 100_000}
    assert expand("${LONG//*a*b/x}${LONG%%*a*a*a*a*a*b}", known) == "a" * 800
    with pytest.raises(ExpansionError, match="too long for such a pattern"):
        expand("${LONGER//a*b/x}", known)
    assert time.thread_time() - began < 5
