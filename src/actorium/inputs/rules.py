"""From an input schema, which has words of its own, to a plain JSON schema that checks the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Any

from actorium.inputs.resources import is_resource
from actorium.storages.schemas import SchemaInvalid

Json = dict[str, Any]

_REMARKS = frozenset(
    (
        "$schema", "title", "description", "default", "prefill", "example", "examples", "schemaVersion",
        "sectionCaption", "sectionDescription", "$comment",
    )
)  # fmt: skip
"""What is for people and editors only. Schemas of the wild are careless with some of it, so none of it is checked."""
_PATTERNS = ("patternKey", "patternValue")
_URL = r"^[hH][tT][tT][pP][sS]?://"
_PROXY_URL = r"^\s*(?:(?:socks(?:4a?|5h?)?|https?)://(?:[^@]*@)?[^.:@]+\.[^:]+:[0-9]+\s*)?$"
"""One with nothing in it is not used, and not looked at."""
_RESOURCE = r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*[~/])?[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$"
_RESOURCE_CHARS_MAX = 160
_UNSAID = [None, False, 0, ""]
"""What counts as not given in the fields of a proxy and of a source of requests."""
_COUNTRIES = """
    AC AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA
    CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB
    GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG
    KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV
    MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB
    SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM
    US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"""


class Rule(Enum):
    """What is asked of a value besides what its author wrote in the words of JSON schema."""

    KEYS = auto()
    VALUES = auto()
    URLS = auto()
    PROXY_CHOSEN = auto()
    PROXY_URLS = auto()
    PROXY_COUNTRY = auto()
    PROXY_COUNTRY_ALONE = auto()
    RESOURCE = auto()


def rules_of(schema: Mapping[str, Any]) -> Json:
    """The JSON schema of the whole input. Raises SchemaInvalid."""
    if schema.get("type", "object") != "object":
        raise SchemaInvalid("it must be object: an input is a JSON object", path="type")
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        raise SchemaInvalid("it must be an object of fields", path="properties")
    needed = schema.get("required")
    required = frozenset(each for each in needed if isinstance(each, str)) if isinstance(needed, list) else frozenset()
    rules = _without_remarks(schema)
    rules["type"] = "object"
    rules["properties"] = {
        name: _field(field, f"properties.{name}", is_required=name in required) for name, field in properties.items()
    }
    return rules


def _without_remarks(schema: Mapping[str, Any]) -> Json:
    return {name: value for name, value in schema.items() if name not in _REMARKS}


def _field(field: Any, path: str, *, is_required: bool) -> Any:
    if not isinstance(field, dict):
        raise SchemaInvalid("it must be an object", path=path)
    rules = _without_remarks(field)
    if field.get("nullable") is True and isinstance(field.get("enum"), list) and None not in field["enum"]:
        rules["enum"] = [*field["enum"], None]
    for name in _PATTERNS:
        if not isinstance(field.get(name, ""), str):
            raise SchemaInvalid("it must be a regular expression, which is a text", path=f"{path}.{name}")
    more = [rule for _, rule in rules_besides(field, is_required=is_required)]
    if more:
        own = field.get("allOf", [])
        if not isinstance(own, list):
            raise SchemaInvalid("it must be a list of schemas", path=f"{path}.allOf")
        rules["allOf"] = [*own, *more]
    return rules


def rule_at(place: int, field: Mapping[str, Any]) -> Rule | None:
    """Which rule stands at a place of the ``allOf`` that a field's rules have; None: one that its author wrote."""
    own = field.get("allOf", [])
    place -= len(own) if isinstance(own, list) else 0
    besides = [kind for kind, _ in rules_besides(field, is_required=True)]
    return besides[place] if 0 <= place < len(besides) else None


def rules_besides(field: Mapping[str, Any], *, is_required: bool) -> Iterator[tuple[Rule, Json]]:
    """What is asked besides. Whether a field is required changes nothing but the last ones."""
    yield from _patterns(field)
    if is_resource(field):
        name = {"pattern": _RESOURCE, "maxLength": _RESOURCE_CHARS_MAX}
        yield Rule.RESOURCE, {**name, "items": {"type": "string", **name}}
    if field.get("editor") == "requestListSources":
        yield Rule.URLS, _requests()
    elif field.get("editor") == "proxy":
        yield from _proxy(is_required=is_required)


def _patterns(field: Mapping[str, Any]) -> Iterator[tuple[Rule, Json]]:
    """Patterns for the keys and values of objects, of lists of keys with values, and of lists of texts."""
    key, value = ({"type": "string", "pattern": field.get(name)} for name in _PATTERNS)
    match field.get("type"), field.get("editor"):
        case "object", _:
            keys, values = {"propertyNames": key}, {"additionalProperties": value}
        case "array", "keyValue":
            keys, values = _each_with("key", key), _each_with("value", value)
        case "array", "stringList":
            keys, values = {}, {"items": value}
        case _:
            return
    if keys and key["pattern"]:
        yield Rule.KEYS, keys
    if value["pattern"]:
        yield Rule.VALUES, values


def _each_with(name: str, rules: Json) -> Json:
    return {"items": {"type": "object", "required": [name], "properties": {name: rules}}}


def _requests() -> Json:
    """Each has a URL, or where URLs are, and what it has is one."""
    url = {"type": "string", "pattern": _URL}
    names = ("url", "requestsFromUrl")
    return {
        "items": {
            "type": "object",
            "anyOf": [{"required": [name], "properties": {name: url}} for name in names],
            "properties": {name: {"anyOf": [{"enum": _UNSAID}, url]} for name in names},
        }
    }


def _proxy(*, is_required: bool) -> Iterator[tuple[Rule, Json]]:
    offered = {"required": ["useApifyProxy"], "properties": {"useApifyProxy": {"not": {"enum": _UNSAID}}}}
    urls = {"proxyUrls": {"items": {"type": "string", "pattern": _PROXY_URL}}}
    yield Rule.PROXY_URLS, {"if": offered, "else": {"properties": urls}}
    country = {"apifyProxyCountry": {"enum": [*_UNSAID, *_COUNTRIES.split()]}}
    yield Rule.PROXY_COUNTRY, {"if": offered, "then": {"properties": country}}
    unsaid = {"apifyProxyCountry": {"enum": _UNSAID}}
    yield Rule.PROXY_COUNTRY_ALONE, {"if": offered, "else": {"properties": unsaid}}
    if is_required:
        own = {"properties": {"proxyUrls": {"type": "array", "minItems": 1}}, "required": ["proxyUrls"]}
        yield Rule.PROXY_CHOSEN, {"anyOf": [offered, own]}
