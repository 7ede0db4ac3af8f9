"""Request bodies: read with caps on what arrives and on what it decodes to, and turned into what the route asks for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cache
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.types import Receive

from actorium.http.codings import Decoder
from actorium.http.errors import BodyStalled, InvalidContentType, RequestAborted, explain
from actorium.http.route import RawBody
from actorium.kernel.errors import InvalidInput, InvalidJson, RequestTooLarge
from actorium.kernel.json_texts import lenient
from actorium.kernel.limits import BODY_BYTES_MAX, BODY_STALL_SECS
from actorium.kernel.structs import dec_hook

Headers = Mapping[bytes, bytes]
BodyReader = Callable[[bytes, Headers], Any]
"""From a decoded body and its headers to what the handler gets."""

_INT_MAX = 2**63 - 1  # what databases hold
_DIGITS_TO_ZERO = bytes.maketrans(b"0123456789", b"0" * 10)
_LONG_NUMBER = b"0" * 19
_INT_WANTED = ("Expected `int`, got `float`", "Expected `int | null`, got `float`")
_CHARSETS = ("", "utf-8", "utf8", "us-ascii", "ascii")


async def read_body(
    receive: Receive,
    headers: Headers,
    *,
    whole: bytes | None = None,
    cap: int = BODY_BYTES_MAX,
    stall_secs: float = BODY_STALL_SECS,
) -> bytes:
    """The whole body, decoded. ``cap`` bytes may arrive, and as many may come out of the decoding.

    whole: what was sent, if it is all here.
    Raises RequestTooLarge, UnsupportedContentEncoding, BodyBroken, BodyStalled, RequestAborted.
    """
    if whole is not None:
        return _decode_whole(whole, headers, cap=cap)
    _refuse_declared(headers, cap=cap)
    decoder = Decoder(_text(headers.get(b"content-encoding")), cap=cap)
    pieces = [decoder.feed(piece) async for piece in _pieces(receive, cap=cap, stall_secs=stall_secs)]
    decoder.finish()
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _decode_whole(whole: bytes, headers: Headers, *, cap: int) -> bytes:
    if len(whole) > cap:
        raise _too_large(cap)
    coding = headers.get(b"content-encoding")
    if coding is None:
        return whole
    decoder = Decoder(_text(coding), cap=cap)
    content = decoder.feed(whole)
    decoder.finish()
    return content


async def stream_body(
    request: Request, *, cap: int, stall_secs: float = BODY_STALL_SECS, decode: bool = True
) -> AsyncIterator[bytes]:
    """The body in decoded pieces, for handlers of routes without a body of their own. Raises as ``read_body`` does.

    decode: False gives the bytes as they were sent; ``cap`` then counts those.
    """
    headers = dict(request.scope["headers"])
    _refuse_declared(headers, cap=cap)
    decoder = Decoder(_text(headers.get(b"content-encoding")) if decode else None, cap=cap)
    async for piece in _pieces(request.receive, cap=cap, stall_secs=stall_secs):
        for decoded in decoder.each(piece):
            if decoded:
                yield decoded
    decoder.finish()


async def _pieces(receive: Receive, *, cap: int, stall_secs: float) -> AsyncIterator[bytes]:
    arrived, more = 0, True
    while more:
        try:
            async with asyncio.timeout(stall_secs):
                message = await receive()
        except TimeoutError:
            raise BodyStalled from None
        if message["type"] == "http.disconnect":
            raise RequestAborted
        piece: bytes = message.get("body", b"")
        arrived += len(piece)
        if arrived > cap:
            raise _too_large(cap)
        if piece:
            yield piece
        more = message.get("more_body", False)


def _refuse_declared(headers: Headers, *, cap: int) -> None:
    """Refuse what says it is too large before any of it is read. What arrives is counted all the same."""
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared[:20]) > cap:
        raise _too_large(cap)


def _too_large(cap: int) -> RequestTooLarge:
    return RequestTooLarge(f"The request body is larger than the limit of {cap} bytes.")


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")


@cache
def body_reader(kind: type | None, *, optional: bool) -> BodyReader | None:
    """The reader for a route's ``body``; None for a route that takes none."""
    if kind is None:
        return None
    if kind is RawBody:
        return _raw_body
    decode = json_decoder(kind)

    def read(body: bytes, headers: Headers) -> Any:
        if optional and (not body or body.strip() in (b"", b"null")):
            return None
        _check_json_type(_text(headers.get(b"content-type")))
        if not body:
            raise InvalidInput("The request has no body; send a JSON body.")
        return decode(body)

    return read


def json_decoder(kind: Any) -> Callable[[bytes], Any]:
    """From untrusted JSON to the type, with messages that name the field. Raises InvalidInput, InvalidJson."""
    typed = _typed(kind)

    def decode(body: bytes) -> Any:
        try:
            if not body.isascii():
                body.decode()  # msgspec lets broken UTF-8 inside strings pass
            value = lenient(body, typed)
            if _LONG_NUMBER in body.translate(_DIGITS_TO_ZERO):
                _refuse_long_numbers(value)
        except msgspec.ValidationError as error:
            raise InvalidInput(explain(error, what="request body")) from None
        except msgspec.DecodeError as error:
            raise InvalidJson(f"The request body is not valid JSON: {error}.") from None
        except UnicodeDecodeError:
            raise InvalidJson("The request body is not valid UTF-8.") from None
        except RecursionError:
            raise InvalidJson("The request body is nested too deeply.") from None
        return value

    return decode


def _typed(kind: Any) -> Callable[[bytes], Any]:
    """From a JSON text to the type. A whole number may be written as 60.0, as languages do that have one kind of them.

    Raises what msgspec raises, and InvalidInput.
    """
    strict = msgspec.json.Decoder(kind, dec_hook=dec_hook)
    lax = msgspec.json.Decoder(kind, dec_hook=dec_hook, strict=False)

    def typed(text: bytes) -> Any:
        try:
            return strict.decode(text)
        except msgspec.ValidationError as error:
            if not str(error).startswith(_INT_WANTED):
                raise
            try:
                value = lax.decode(text)
            except msgspec.ValidationError:
                raise error from None
            _refuse_long_numbers(value)
            return value

    return typed


def _refuse_long_numbers(value: object) -> None:
    """No field may hold an integer that a database cannot; plain JSON inside ``Any`` and ``Raw`` may."""
    if isinstance(value, msgspec.Struct):
        for name, wire_name in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
            field = getattr(value, name)
            if isinstance(field, int) and abs(field) > _INT_MAX:
                raise InvalidInput(f'The field "{wire_name}" is not valid: {json.dumps(field)} is out of range.')
            _refuse_long_numbers(field)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            _refuse_long_numbers(item)
    elif isinstance(value, dict):
        for item in value.values():
            _refuse_long_numbers(item)


def _raw_body(body: bytes, headers: Headers) -> RawBody:
    return RawBody(
        content=body,
        content_type=_text(headers.get(b"content-type")),
        content_encoding=_text(headers.get(b"content-encoding")),
    )


def _check_json_type(content_type: str | None) -> None:
    """JSON by name, or nothing said. Anything else is a mistake that is better told than guessed at."""
    if not content_type:
        return
    media_type, _, parameters = content_type.partition(";")
    name = media_type.strip().lower()
    if name != "application/json" and not (name.startswith("application/") and name.endswith("+json")):
        raise InvalidContentType(
            f'The Content-Type header is "{content_type}", but this endpoint reads JSON: send application/json.'
        )
    _, _, charset = parameters.lower().partition("charset=")
    if charset.strip(' "').split(";")[0].strip(' "') not in _CHARSETS:
        raise InvalidContentType(f'The Content-Type header is "{content_type}", but JSON is read in UTF-8 only.')
