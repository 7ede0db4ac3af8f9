"""Request bodies: codings, caps, JSON with named fields, and bodies that stop."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.http.app import HttpLimits
from actorium.http.body import json_decoder, stream_body
from actorium.http.codings import Decoder
from actorium.http.route import Call, RawBody, Reply
from actorium.kernel.errors import ActoriumError, Invalid, RequestTooLarge
from actorium.kernel.instant import Instant
from actorium.kernel.limits import BODY_BYTES_MAX
from actorium.kernel.structs import UNSET, UnsetType, Wire

pytestmark = pytest.mark.anyio


class Options(Wire, kw_only=True, frozen=True):
    memory_mbytes: int = 1024


class Create(Wire, kw_only=True, frozen=True):
    name: str
    options: Options | None = None
    sizes: list[int] = []
    started_at: Instant | None = None
    title: str | None | UnsetType = UNSET
    user_data: msgspec.Raw | UnsetType = UNSET


async def echo(call: Call[Any, Any]) -> Reply:
    if isinstance(call.body, RawBody):
        shown = {"type": call.body.content_type, "coding": call.body.content_encoding, "size": len(call.body.content)}
        return Reply(content={**shown, "absent": call.body.absent})
    return Reply(status=201, content=call.body)


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "br": brotli.compress,
    "deflate": zlib.compress,
    "identity": bytes,
}
PACKERS = [*CODINGS.items(), ("deflate", raw_deflate), ("x-gzip", gzip.compress), ("GZIP", gzip.compress)]


@pytest.fixture
def caller(client: Any, route: Any) -> Any:
    return client(
        route("POST", "/json", echo, body=Create),
        route("POST", "/optional", echo, body=Create, optional_body=True),
        route("POST", "/raw", echo, body=RawBody),
        route("POST", "/list", echo, body=list[Options]),
        limits=HttpLimits(body_stall_secs=0.05),
    )


@pytest.mark.parametrize(("coding", "pack"), PACKERS)
@pytest.mark.parametrize("pieces", [1, 7])
async def test_codings(caller: Any, coding: str, pack: Any, pieces: int) -> None:
    packed = pack(b'{"name": "%b"}' % (b"x" * 5000))
    size = len(packed) // pieces + 1
    body = [packed[at : at + size] for at in range(0, len(packed), size)]
    headers = {"Content-Encoding": coding, "Content-Type": "application/json; charset=utf-8"}
    answer = await caller.request("POST", "/json", headers=headers, body=body)
    assert answer.status == 201
    assert answer.json["data"]["name"] == "x" * 5000


async def test_gzip_members_may_follow_each_other(caller: Any) -> None:
    body = gzip.compress(b"a" * 10) + gzip.compress(b"b" * 10)
    answer = await caller.request("POST", "/raw", headers={"Content-Encoding": "gzip"}, body=body)
    assert answer.json["data"]["size"] == 20


@pytest.mark.parametrize("coding", ["zstd", "compress", "gzip, br", "nonsense"])
async def test_unknown_codings(caller: Any, coding: str) -> None:
    answer = await caller.request("POST", "/json", headers={"Content-Encoding": coding}, body=b"{}")
    assert (answer.status, answer.json["error"]["type"]) == (415, "unsupported-content-encoding")


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate"])
async def test_broken_codings(caller: Any, coding: str) -> None:
    whole = CODINGS[coding](b'{"name": "x"}' * 50)
    for body in (b"no such data", whole[:-3], whole + b"more", whole[: len(whole) // 2] + b"\xff" * 20):
        answer = await caller.request("POST", "/raw", headers={"Content-Encoding": coding}, body=body)
        assert (answer.status, answer.json["error"]["type"]) == (400, "invalid-request"), body
        assert coding in answer.json["error"]["message"]


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate"])
async def test_an_empty_body_is_empty_in_every_coding(caller: Any, coding: str) -> None:
    answer = await caller.request("POST", "/raw", headers={"Content-Encoding": coding})
    assert answer.json["data"]["absent"] is True


@pytest.mark.parametrize(("coding", "pack"), PACKERS)
async def test_bombs_and_bodies_over_the_cap(caller: Any, coding: str, pack: Any) -> None:
    body = pack(b"\0" * (BODY_BYTES_MAX + 1))
    answer = await caller.request("POST", "/raw", headers={"Content-Encoding": coding}, body=[body[:-1], body[-1:]])
    assert (answer.status, answer.json["error"]["type"]) == (413, "request-too-large")
    body = pack(b"\0" * BODY_BYTES_MAX)
    answer = await caller.request("POST", "/raw", headers={"Content-Encoding": coding}, body=body)
    assert answer.json["data"]["size"] == BODY_BYTES_MAX


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate"])
def test_a_bomb_is_left_as_soon_as_it_is_over_the_cap(coding: str) -> None:
    bomb = CODINGS[coding](b"\0" * 50_000_000)
    decoder = Decoder(coding, cap=1_000_000)
    made = 0
    with pytest.raises(RequestTooLarge):
        for piece in decoder.each(bomb):
            made += len(piece)
    assert made <= 1_000_000


async def test_a_declared_size_over_the_cap_is_refused_unread(caller: Any) -> None:
    headers = {"Content-Length": "99999999999999999999999", "Expect": "100-continue"}
    answer = await caller.request("POST", "/raw", headers=headers, body=[b"x"])
    assert answer.status == 413
    assert answer.headers["connection"] == "close"


async def test_a_stalled_body_times_out(make_app: Any, route: Any) -> None:
    from asgi_client import AsgiClient

    app = make_app([route("POST", "/raw", echo, body=RawBody)], limits=HttpLimits(body_stall_secs=0.02))

    async def never(scope: Any, receive: Any, send: Any) -> None:
        pieces = [{"type": "http.request", "body": b"x", "more_body": True}]

        async def stalling() -> Any:
            return pieces.pop() if pieces else await receive()

        await app(scope, stalling, send)

    waiting = AsgiClient(never, token="alice-token")
    answer = await waiting.request("POST", "/raw", body=[])
    assert (answer.status, answer.json["error"]["type"]) == (408, "timeout")
    assert answer.headers["connection"] == "close"


async def test_a_client_that_leaves_in_the_middle(make_app: Any, route: Any) -> None:
    from asgi_client import AsgiClient

    app = make_app([route("POST", "/raw", echo, body=RawBody)])

    async def leaving(scope: Any, receive: Any, send: Any) -> None:
        async def gone() -> Any:
            return {"type": "http.disconnect"}

        await app(scope, gone, send)

    answer = await AsgiClient(leaving, token="alice-token").request("POST", "/raw", body=b"x")
    assert (answer.status, answer.json["error"]["type"]) == (400, "request-aborted-prematurely")


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (b"", "invalid-input", "send a JSON body"),
        (b"null", "invalid-input", "request body is not valid"),
        (b"{", "invalid-request", "not valid JSON"),
        (b"[]", "invalid-input", "expected `object`, got `array`"),
        (b'{"name": 5}', "invalid-input", 'The field "name" is not valid: expected `str`, got `int`.'),
        (b"{}", "invalid-input", 'The field "name" is required.'),
        (b'{"name":"a","options":{"memoryMbytes":"x"}}', "invalid-input", 'The field "options.memoryMbytes"'),
        (b'{"name":"a","sizes":[1,"x"]}', "invalid-input", 'The field "sizes[1]"'),
        (b'{"name":"a","options":{"memoryMbytes":-99999999999999999999}}', "invalid-input", '"memoryMbytes"'),
        (b'{"name":"a","options":{"memoryMbytes":512.5}}', "invalid-input", "expected `int`, got `float`"),
        (b'{"name":"a","options":{"memoryMbytes":1e30}}', "invalid-input", '"options.memoryMbytes"'),
        (b'{"name":5,"options":{"memoryMbytes":512.0}}', "invalid-input", 'The field "name"'),
        (b'{"name":"a","options":{"memoryMbytes":"512"}}', "invalid-input", "expected `int`, got `str`"),
        (b'{"name":"a","startedAt":5}', "invalid-input", 'The field "startedAt"'),
        (b'{"name":"a","startedAt":"soon"}', "invalid-input", 'The field "startedAt"'),
        (b'{"name":"a","startedAt":"0001-01-01T00:00:00+14:00"}', "invalid-input", 'The field "startedAt"'),
        (b'{"name":"\xff"}', "invalid-request", "UTF-8"),
        (b'{"name":"a","userData":' + b"[" * 5000 + b"]" * 5000 + b"}", "invalid-request", "nested too deeply"),
    ],
)
async def test_refusals_name_the_field(caller: Any, body: bytes, kind: str, says: str) -> None:
    answer = await caller.request("POST", "/json", body=body)
    assert (answer.status, answer.json["error"]["type"]) == (400, kind)
    assert says in answer.json["error"]["message"]


@pytest.mark.parametrize("number", [b"512.0", b"512.000", b"5.12e2"])
async def test_a_whole_number_may_be_written_as_another_language_writes_it(caller: Any, number: bytes) -> None:
    body = b'{"name":"a","options":{"memoryMbytes":%b},"userData":{"n":1.0}}' % number
    answer = await caller.request("POST", "/json", body=body)
    assert answer.json["data"]["options"]["memoryMbytes"] == 512
    assert b'"userData":{"n":1.0}' in answer.body


async def test_plain_json_inside_a_body_may_hold_any_number(caller: Any) -> None:
    body = b'{"name":"a","userData":{"n":99999999999999999999},"extra":99999999999999999999}'
    answer = await caller.request("POST", "/json", body=body)
    assert b'"userData":{"n":99999999999999999999}' in answer.body


@pytest.mark.parametrize("body", [b"", b"null", b" null\n"])
@pytest.mark.parametrize("content_type", ["application/json", None, "text/plain"])
async def test_optional_bodies_may_be_absent_or_null(caller: Any, body: bytes, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = await caller.request("POST", "/optional", headers=headers, body=body)
    assert (answer.status, answer.body) == (201, b"") or answer.json == {"data": None}


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (None, 201),
        ("application/json", 201),
        ("application/json;charset=utf-8", 201),
        ('Application/JSON; charset="UTF-8"; x=y', 201),
        ("application/vnd.api+json", 201),
        ("text/plain", 400),
        ("application/x-www-form-urlencoded", 400),
        ("application/json; charset=utf-16", 400),
        ("nonsense", 400),
    ],
)
async def test_content_types_of_json_routes(caller: Any, content_type: str | None, status: int) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = await caller.request("POST", "/json", headers=headers, body=b'{"name":"a"}')
    assert answer.status == status
    if status == 400:
        assert answer.json["error"]["type"] == "invalid-content-type-header"
        assert content_type in answer.json["error"]["message"]


async def test_raw_bodies_take_any_type(caller: Any) -> None:
    answer = await caller.request("POST", "/raw", headers={"Content-Type": "image/png"}, body=b"\x89PNG")
    assert answer.json["data"] == {"type": "image/png", "coding": None, "size": 4, "absent": False}


async def test_lists_as_bodies(caller: Any) -> None:
    answer = await caller.request("POST", "/list", json=[{"memoryMbytes": 1}, {}])
    assert answer.json["data"] == [{"memoryMbytes": 1}, {"memoryMbytes": 1024}]


async def test_handlers_may_stream_a_body(client: Any, route: Any) -> None:
    async def measure(call: Call[Any, None]) -> Reply:
        sizes = [len(piece) async for piece in stream_body(call.request, cap=20_000_000)]
        return Reply(content={"total": sum(sizes), "largest": max(sizes)})

    caller = client(route("PUT", "/record", measure))
    packed = gzip.compress(b"x" * 19_000_000)
    answer = await caller.request("PUT", "/record", headers={"Content-Encoding": "gzip"}, body=packed)
    assert answer.json["data"]["total"] == 19_000_000
    assert answer.json["data"]["largest"] <= 300_000
    packed = gzip.compress(b"x" * 21_000_000)
    answer = await caller.request("PUT", "/record", headers={"Content-Encoding": "gzip"}, body=packed)
    assert answer.status == 413


decode_create = json_decoder(Create)


@given(st.one_of(st.binary(max_size=300), st.text(max_size=100).map(str.encode)))
def test_any_bytes_are_decoded_or_refused(raw: bytes) -> None:
    try:
        decode_create(raw)
    except ActoriumError as error:
        assert isinstance(error, Invalid)


plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
fields = st.sampled_from(list(Create.__struct_encode_fields__))


@given(st.dictionaries(fields, plain_json))
def test_any_json_is_decoded_or_refused_and_what_is_decoded_can_be_sent(value: dict[str, Any]) -> None:
    from actorium.kernel.structs import encode

    try:
        made = decode_create(msgspec.json.encode(value))
    except ActoriumError as error:
        assert isinstance(error, Invalid)
    else:
        encode(made)


@given(st.sampled_from(["gzip", "br", "deflate"]), st.binary(max_size=200), st.binary(max_size=20), st.integers(0, 60))
def test_any_coded_bytes_are_decoded_or_refused(coding: str, data: bytes, noise: bytes, at: int) -> None:
    packed = CODINGS[coding](data)
    decoder = Decoder(coding, cap=1000)
    try:
        made = decoder.feed(packed[:at] + noise) + decoder.feed(packed[at:])
        decoder.finish()
    except ActoriumError:
        return
    assert noise or made == data
