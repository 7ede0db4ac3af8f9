"""What the rules of input schemas say of a field that breaks them: one line, in the words that users know.

Facts: what the official check answers, also where it leaves a quotation mark open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from actorium.inputs.rules import Rule
from actorium.inputs.schema import value_of
from actorium.storages.schema_anatomy import at, steps_of
from actorium.storages.schema_errors import Found

_NAME_CHARS_MAX = 200
_NAMES_CHARS_MAX = 500
_PROXY_FORM = "socks[4|4a|5|5h]|http[s]://[username[:password]]@hostname:port"


class Wrong(NamedTuple):
    """All that the rules found in one field."""

    name: str
    field: Mapping[str, Any]
    """What the input schema says of it."""
    errors: Sequence[tuple[Rule, Found]]
    raw: msgspec.Raw
    """The field's value."""

    def of(self, rule: Rule) -> list[Found]:
        """The errors of one rule."""
        return [error for kind, error in self.errors if kind is rule]

    def steps(self, rule: Rule) -> list[str]:
        """Where inside of the field they are, one level down, each once."""
        paths = [steps_of(error["instancePath"]) for error in self.of(rule)]
        return list(dict.fromkeys(str(path[1]) for path in paths if len(path) > 1))


def told_together(wrong: Wrong) -> str:
    """One line about all of it."""
    chosen = wrong.of(Rule.PROXY_CHOSEN)
    if chosen:
        where = name_of((wrong.name,), wrong.field)
        return f"Field {where} is required. Please provide custom proxy URLs or use Apify Proxy."
    kinds = [kind for kind in _WORDS if wrong.of(kind)]
    return ", ".join(dict.fromkeys(line for kind in kinds for line in _WORDS[kind](wrong)))


def name_of(path: Sequence[str | int], field: Mapping[str, Any]) -> str:
    """A field as users write it. Of what is inside a secret nothing is told."""
    steps = path[:1] if is_secret(field) else path
    return cut(".".join(("input", *map(str, steps))))


def is_secret(field: Mapping[str, Any]) -> bool:
    """Whether a field's values are nobody's business."""
    return field.get("isSecret") is True


def cut(text: str, most: int = _NAME_CHARS_MAX) -> str:
    """A text that may be long, as it is shown."""
    return text if len(text) <= most else f"{text[:most]}…"


def _keys(wrong: Wrong) -> Iterator[str]:
    where, pattern = name_of((wrong.name,), wrong.field), wrong.field["patternKey"]
    if wrong.field["type"] == "array":
        yield f'Keys in {where}{_positions(wrong, Rule.KEYS)} must match regular expression "{pattern}"'
    elif is_secret(wrong.field):
        yield f'Keys in {where} must match regular expression "{pattern}"'
    else:
        names = dict.fromkeys(str(each["propertyName"]) for each in wrong.of(Rule.KEYS) if "propertyName" in each)
        yield f'Keys [{_listed(names)}] in {where} must match regular expression "{pattern}'


def _values(wrong: Wrong) -> Iterator[str]:
    where, pattern = name_of((wrong.name,), wrong.field), wrong.field["patternValue"]
    if wrong.field["type"] == "array":
        yield f'Values in {where}{_positions(wrong, Rule.VALUES)} must match regular expression "{pattern}"'
    elif is_secret(wrong.field):
        yield f'Values in {where} must match regular expression "{pattern}"'
    else:
        names = _listed(wrong.steps(Rule.VALUES))
        yield f'Keys [{names}] in {where} must have string value which matches regular expression "{pattern}"'


def _urls(wrong: Wrong) -> Iterator[str]:
    yield f"Items in {name_of((wrong.name,), wrong.field)}{_positions(wrong, Rule.URLS)} do not contain valid URLs"


def _proxy_urls(wrong: Wrong) -> Iterator[str]:
    for error in wrong.of(Rule.PROXY_URLS):
        path = steps_of(error["instancePath"])
        if error["keyword"] == "type":
            yield f"Field {name_of(path, wrong.field)} {error['message']}"
        elif error["keyword"] == "pattern":
            shown = "" if is_secret(wrong.field) else f'"{cut(str(at(value_of(wrong.raw), path[1:])).strip())}" '
            yield f"Proxy URL {shown}has invalid format, it must be {_PROXY_FORM}."


def _country(wrong: Wrong) -> Iterator[str]:
    shown = "" if is_secret(wrong.field) else f'"{cut(str(at(value_of(wrong.raw), ("apifyProxyCountry",))))}" '
    yield f"Country code {shown}is invalid. Only ISO 3166-1 alpha-2 country codes are supported."


def _country_alone(_: Wrong) -> Iterator[str]:
    yield "The country for Apify Proxy can be specified only when using Apify Proxy."


_WORDS: dict[Rule, Callable[[Wrong], Iterator[str]]] = {
    Rule.KEYS: _keys,
    Rule.VALUES: _values,
    Rule.URLS: _urls,
    Rule.PROXY_URLS: _proxy_urls,
    Rule.PROXY_COUNTRY: _country,
    Rule.PROXY_COUNTRY_ALONE: _country_alone,
}


def _positions(wrong: Wrong, rule: Rule) -> str:
    places = sorted(int(each) for each in wrong.steps(rule) if each.isdigit())
    return "" if is_secret(wrong.field) else f" at positions [{','.join(map(str, places))}]"


def _listed(names: Sequence[str] | dict[str, None]) -> str:
    return cut(",".join(names), _NAMES_CHARS_MAX)
