"""What is wrong with an input is told in the words that users know (facts: what the official check answers)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actorium.inputs.messages import told
from actorium.inputs.schema import InputSchema
from actorium.storages.schemas import JsonSchema

Field = dict[str, Any]
SOURCES: Field = {"type": "array", "editor": "requestListSources"}
PROXY: Field = {"type": "object", "editor": "proxy"}
TEXTS: Field = {"type": "array", "editor": "stringList", "patternValue": "^[a-z]+$"}
PAIRS: Field = {"type": "array", "editor": "keyValue", "patternKey": "^k", "patternValue": "^v"}
OBJECT: Field = {"type": "object", "editor": "json", "patternKey": "^[a-z]+$", "patternValue": "^[0-9]+$"}
UNIQUE: Field = {"type": "array", "uniqueItems": True, "items": {"type": "string"}}


def said(field: Field, value: Any, *, required: bool = False, name: str = "x") -> str | None:
    """What is wrong with the value of a field; None: nothing."""
    schema = InputSchema.read({"properties": {name: field}, "required": [name] if required else []})
    text = msgspec.json.encode({name: value})
    report = JsonSchema.compile(schema.rules).report(text, told_bytes_max=10_000, shorten=False)
    if report is None:
        return None
    values = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    message = told(report.invalid[0]["validationErrors"], schema.fields, values)
    return message.removeprefix("Input is not valid: ")


TEXTS_BAD = 'Values in input.x at positions [{}] must match regular expression "^[a-z]+$"'
KEYS_BAD = 'Keys in input.x at positions [{}] must match regular expression "^k"'
VALUES_BAD = 'Values in input.x at positions [{}] must match regular expression "^v"'
NAMES_BAD = 'Keys [{}] in input.x must match regular expression "^[a-z]+$'  # without a closing quote, indeed
MEMBERS_BAD = 'Keys [{}] in input.x must have string value which matches regular expression "^[0-9]+$"'
ALONE = "The country for Apify Proxy can be specified only when using Apify Proxy."


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ({"type": "string", "enum": ["a", "b"]}, "c", 'equal to one of the allowed values: "a", "b"'),
        ({"type": "integer", "enum": [1, 2.5]}, 3, 'equal to one of the allowed values: "1", "2.5"'),
        ({"type": "string", "enum": ["a"], "nullable": True}, "c", 'equal to one of the allowed values: "a"'),
        (UNIQUE, ["a", "a"], "NOT have duplicate items (items ## 1 and 0 are identical)"),
        (UNIQUE, ["a", "b", "a", "b", "a"], "NOT have duplicate items (items ## 4 and 2 are identical)"),
        (UNIQUE | {"items": {}}, ["a", "b", "b", "a"], "NOT have duplicate items (items ## 0 and 3 are identical)"),
    ],
)
def test_a_field(field: Field, value: Any, message: str) -> None:
    assert said(field, value) == f"Field input.x must be {message}".replace("be NOT", "NOT")


def test_an_unknown_property() -> None:
    inner = {"type": "object", "additionalProperties": False}
    assert said(inner, {"y": 2}) == "Property input.x.y is not allowed."


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (TEXTS, ["a"], None),
        (TEXTS, ["a", "B", "c", 5], TEXTS_BAD.format("1,3")),
        (TEXTS | {"editor": "json"}, ["B"], None),
        (PAIRS, [{"key": "k", "value": "v", "more": 1}], None),
        (PAIRS, [{"key": "k", "value": "v"}, {"key": "a", "value": "v"}], KEYS_BAD.format(1)),
        (PAIRS, [{"key": "k"}], VALUES_BAD.format(0)),
        (PAIRS, ["k", None], f"{KEYS_BAD}, {VALUES_BAD}".format("0,1", "0,1")),
        (PAIRS, [{"key": "b", "value": "v"}, {"key": "b", "value": 1}], f"{KEYS_BAD}, {VALUES_BAD}".format("0,1", 1)),
        (PAIRS | {"editor": "json"}, [{"key": "a"}], None),
        (OBJECT, {"a": "1"}, None),
        (OBJECT, {"A": "1", "b": "1", "C": "1"}, NAMES_BAD.format("A,C")),
        (OBJECT, {"a": "x", "b": 1, "c": "1"}, MEMBERS_BAD.format("a,b")),
        (OBJECT, {"A": "x"}, f"{NAMES_BAD}, {MEMBERS_BAD}".format("A", "A")),
        (OBJECT | {"properties": {"a": {"type": "integer"}}}, {"a": 1}, MEMBERS_BAD.format("a")),
        (OBJECT | {"nullable": True}, None, None),
    ],
)
def test_patterns(field: Field, value: Any, message: str | None) -> None:
    assert said(field, value) == message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"A": "hidden"}, 'Keys in input.x must match regular expression "^[a-z]+$", '
                          'Values in input.x must match regular expression "^[0-9]+$"'),
        ({"a": "hidden"}, 'Values in input.x must match regular expression "^[0-9]+$"'),
    ],
)  # fmt: skip
def test_of_what_is_inside_a_secret_nothing_is_told(value: Any, message: str) -> None:
    assert said(OBJECT | {"isSecret": True}, value) == message
    proxies = said(PROXY | {"isSecret": True}, {"proxyUrls": ["hidden"], "apifyProxyCountry": "hidden"})
    assert proxies is not None
    assert "hidden" not in proxies


@pytest.mark.parametrize("name", ["a%2Fb", "50%25", "a/b", "a~1b", "%"])
def test_a_field_is_itself_whatever_its_name_looks_like(name: str) -> None:
    inner: Field = {"type": "object", "properties": {"hidden": {"type": "string"}}}
    assert said(inner | {"isSecret": True}, {"hidden": 5}, name=name) == f"Field input.{name} must be string"
    assert said(inner, {"hidden": 5}, name=name) == f"Field input.{name}.hidden must be string"
    assert said(OBJECT, {"A": "1"}, name=name) == NAMES_BAD.format("A").replace("input.x", f"input.{name}")


@pytest.mark.parametrize(
    "url",
    ["http://a.b:1", "https://127.0.0.1:80", "http://u:p@h.c:80", "socks4a://h.c:1", "socks5h://u@h.c:1",
     " socks://h.c:1 ", ""],
)  # fmt: skip
def test_proxies_of_ones_own(url: str) -> None:
    assert said(PROXY, {"proxyUrls": [url]}) is None


@pytest.mark.parametrize(
    "url",
    ["nope", "http://u:p@h:80", "http://localhost:80", "http://h.c", "http://h.c:1/", "HTTP://h.c:1", "http://[::1]:80",
     "http://u:p@q@h.c:1", "http://h.c:x", "socks5a://h.c:1"],
)  # fmt: skip
def test_what_is_no_proxy(url: str) -> None:
    bad = f'Proxy URL "{url}" has invalid format, it must be socks[4|4a|5|5h]|http[s]://[username[:password]]@hostname:port.'
    assert said(PROXY, {"useApifyProxy": False, "proxyUrls": ["http://a.b:1", url]}) == bad
    assert said(PROXY, {"useApifyProxy": True, "proxyUrls": [url]}) is None  # they are not used
    assert said(PROXY, {"proxyUrls": [url], "apifyProxyCountry": "US"}) == f"{bad}, {ALONE}"


def test_the_country_of_a_proxy() -> None:
    good: tuple[Any, ...] = ("US", "TW", "", None)
    bad: tuple[Any, ...] = ("us", "XX", "UK", 5)
    for country in good:
        assert said(PROXY, {"useApifyProxy": True, "apifyProxyCountry": country}) is None
    for country in bad:
        message = f'Country code "{country}" is invalid. Only ISO 3166-1 alpha-2 country codes are supported.'
        assert said(PROXY, {"useApifyProxy": True, "apifyProxyCountry": country}) == message
    assert said(PROXY, {"apifyProxyCountry": "US"}) == ALONE


def test_a_proxy_that_is_required() -> None:
    message = "Field input.x is required. Please provide custom proxy URLs or use Apify Proxy."
    nothing: list[Any] = [
        {},
        {"useApifyProxy": False},
        {"proxyUrls": []},
        {"proxyUrls": "x"},
        {"apifyProxyCountry": "US"},
    ]
    for none in nothing:
        assert said(PROXY, none, required=True) == message
        assert said(PROXY | {"nullable": True}, none, required=True) == message
    assert said(PROXY | {"nullable": True}, None, required=True) is None
    for one in ({"useApifyProxy": True}, {"proxyUrls": ["http://a.b:1"]}):
        assert said(PROXY, one, required=True) is None


def test_requests() -> None:
    good = [{"url": "HTTP://a"}, {"url": "", "requestsFromUrl": "http://a.b/list"}, {"url": "http://a", "x": 1}]
    assert said(SOURCES, good) is None
    bad: list[Any] = [
        {},
        5,
        {"url": "ftp://a"},
        {"url": " http://a"},
        {"url": "http://a", "requestsFromUrl": "no"},
        {"url": ""},
    ]
    message = "Items in input.x at positions [{}] do not contain valid URLs"
    assert said(SOURCES, good + bad) == message.format("3,4,5,6,7,8")
