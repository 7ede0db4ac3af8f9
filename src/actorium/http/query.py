"""Query strings to structs: lenient where clients differ, exact about what is wrong.

An empty value is the same as no value; the last of repeated parameters wins; unknown ones are ignored.
Booleans are ``1``, ``0``, ``true``, ``false`` in any case; integers may be written ``300.0`` and are rounded;
lists are joined by commas; dates are ISO 8601.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from functools import cache, partial
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from urllib.parse import unquote_plus

import msgspec
from msgspec import UnsetType

from actorium.http.errors import InvalidParameter, ParameterRequired, ParamNotOneOf
from actorium.kernel.errors import InvalidValue
from actorium.kernel.instant import Instant
from actorium.kernel.limits import QUERY_PARAMS_MAX
from actorium.kernel.structs import Wire

Parse = Callable[[str], Any]
QueryReader = Callable[[Mapping[str, str]], Any]

_INT_MAX = 2**53  # what JavaScript counts exactly, and above every sentinel clients send
_TRUTH = {"1": True, "true": True, "0": False, "false": False}
NO_PARAMS: Mapping[str, str] = {}
W = TypeVar("W", bound=Wire)


class _Unfit(Exception):
    """A value that does not fit; its text says what would."""


def parse_query(raw: bytes) -> Mapping[str, str]:
    """Names and values of a query string, decoded. Raises InvalidParameter."""
    if not raw:
        return NO_PARAMS
    parts = raw.decode("utf-8", "replace").split("&")
    if len(parts) > QUERY_PARAMS_MAX:
        raise InvalidParameter(f"The URL has more than {QUERY_PARAMS_MAX} query parameters.")
    found = {}
    for part in parts:
        name, _, value = part.partition("=")
        if "%" in part or "+" in part:
            name, value = unquote_plus(name), unquote_plus(value)
            if "\0" in value:
                raise InvalidParameter(f'The query parameter "{name}" contains a zero character.')
        if value:
            found[name] = value
        else:
            found.pop(name, None)
    return found


@cache
def query_reader(kind: type[Wire]) -> QueryReader:
    """The reader for a query struct, compiled once. Raises TypeError for a field no query can hold."""
    hints = get_type_hints(kind, include_extras=True)
    fields = {
        field.encode_name: _Field(field, hints[field.name], where=f"{kind.__name__}.{field.name}")
        for field in msgspec.structs.fields(kind)
    }
    required = [name for name, field in fields.items() if field.required]
    nothing = None if required else kind()

    def read(query: Mapping[str, str]) -> Any:
        if not query and nothing is not None:
            return nothing
        for name in required:
            if name not in query:
                raise ParameterRequired(f'The query parameter "{name}" is required.')
        found = {}
        for name, text in query.items():
            field = fields.get(name)
            if field is not None:
                found[field.name] = field.read(text)
        return kind(**found) if found or nothing is None else nothing

    return read


def joined(name: str, *kinds: type[Wire], without: Collection[str] = ()) -> type[Wire]:
    """A query struct with the fields of several, for a call that hands each of them its ``part``."""
    fields: dict[str, Any] = {}
    for kind in kinds:
        hints = get_type_hints(kind, include_extras=True)
        for one in msgspec.structs.fields(kind):
            if one.name not in without:
                fields[one.name] = (one.name, hints[one.name], *([] if one.required else [one.default]))
    made: Any = msgspec.defstruct(name, fields.values(), bases=(Wire,), kw_only=True, frozen=True, module=__name__)
    return cast("type[Wire]", made)


def part(query: Wire, kind: type[W]) -> W:
    """What a joined query says of one of its kinds; what it leaves out has its default."""
    names = [one.name for one in msgspec.structs.fields(kind)]
    return kind(**{name: getattr(query, name) for name in names if hasattr(query, name)})


class _Field:
    """One parameter: its name on the wire and how its text is read."""

    def __init__(self, field: msgspec.structs.FieldInfo, hint: Any, *, where: str) -> None:
        self.name = field.name
        self.wire_name = field.encode_name
        self.required = field.required
        self._parse = _parser(hint, where=where)
        self._constrained = hint if _has_meta(hint) else None

    def read(self, text: str) -> Any:
        try:
            value = self._parse(text)
            return value if self._constrained is None else msgspec.convert(value, self._constrained)
        except _Unfit as unfit:
            raise InvalidParameter(self._message(text, accepted=str(unfit))) from None
        except _NotOneOf as unfit:
            raise ParamNotOneOf(self._message(text, accepted=str(unfit))) from None
        except msgspec.ValidationError as error:
            reason = str(error).partition(" - at")[0]
            raise InvalidValue(self._message(text, accepted=reason[:1].lower() + reason[1:])) from None

    def _message(self, text: str, *, accepted: str) -> str:
        return f'The query parameter "{self.wire_name}" has the value "{_short(text)}": {accepted}.'


class _NotOneOf(Exception):
    """A value outside its list; its text names the list."""


def _parser(hint: Any, *, where: str) -> Parse:
    if get_origin(hint) is Annotated:
        return _parser(get_args(hint)[0], where=where)
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in get_args(hint) if kind not in (type(None), UnsetType)]
        if len(kinds) == 1:
            return _parser(kinds[0], where=where)
    if get_origin(hint) is Literal:
        return partial(_one_of, {str(value): value for value in get_args(hint)})
    if get_origin(hint) in (list, tuple, frozenset):
        return partial(_list, get_origin(hint), _parser(get_args(hint)[0], where=where))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return partial(_one_of, {str(member.value): member for member in hint})
    if hint in _SCALARS:
        return _SCALARS[hint]
    raise TypeError(f"{where}: a query parameter cannot be {hint!r}")


def _has_meta(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        return any(isinstance(extra, msgspec.Meta) for extra in get_args(hint)[1:])
    return any(_has_meta(part) for part in get_args(hint))


def _bool(text: str) -> bool:
    found = _TRUTH.get(text.lower())
    if found is None:
        raise _Unfit("expected a boolean, which is 1, 0, true or false")
    return found


def _int(text: str) -> int:
    if text.isdecimal() and text.isascii() and len(text) < 16:
        return int(text)
    number = _float(text)
    return math.floor(min(max(number, -_INT_MAX), _INT_MAX) + 0.5)  # limits are clamped, not refused, says the API


def _float(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise _Unfit("expected a number") from None
    if not math.isfinite(number) or "_" in text:
        raise _Unfit("expected a finite number")
    return number


def _instant(text: str) -> Instant:
    try:
        try:
            instant = Instant.parse(text)
        except ValueError:
            instant = Instant.parse(text.replace(" ", "+"))  # the sender did not encode the plus sign of its offset
        str(instant)  # beyond the calendar there is no text for it
    except (ValueError, OverflowError):
        raise _Unfit("expected an ISO 8601 date such as 2026-01-31T12:00:00.000Z") from None
    return instant


def _list(kind: Callable[[list[Any]], Any], parse: Parse, text: str) -> Any:
    return kind([parse(part.strip()) for part in text.split(",") if part.strip()])


def _one_of(members: Mapping[str, Any], text: str) -> Any:
    if text not in members:
        raise _NotOneOf(f"expected one of {', '.join(members)}")
    return members[text]


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}..."


_SCALARS: dict[Any, Parse] = {str: str, bool: _bool, int: _int, float: _float, Instant: _instant}
