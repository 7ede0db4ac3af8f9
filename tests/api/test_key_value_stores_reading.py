"""Records over HTTP: ranges, revalidation, HEAD, and that what is stored cannot attack who looks at it."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorium.kernel.limits import INLINE_BYTES_MAX
from storage_world import StorageWorld, open_storages

pytestmark = pytest.mark.anyio

LARGE = bytes(at * at % 251 for at in range(INLINE_BYTES_MAX + 300_000))
SMALL = b"0123456789"


async def stored(world: StorageWorld, content: bytes, content_type: str = "text/csv", **headers: str) -> str:
    made = await world.alice.post("/v2/key-value-stores")
    target = f"/v2/key-value-stores/{made['id']}/records/r"
    sent = {"content-type": content_type} | {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await world.alice.request("PUT", target, body=content, headers=sent)
    assert answer.status == 201
    return target


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["inline", "blob"])
async def test_ranges(content: bytes) -> None:
    async with open_storages() as world:
        target = await stored(world, content)
        whole = await world.alice.request("GET", target)
        assert (whole.status, whole.headers["accept-ranges"]) == (200, "bytes")
        assert "content-range" not in whole.headers
        size = len(content)
        for header, start, end in (
            ("bytes=0-0", 0, 1),
            ("bytes=3-6", 3, 7),
            ("bytes=7-", 7, size),
            ("bytes=-2", size - 2, size),
            (f"bytes=5-{size + 9}", 5, size),
            (f"bytes=-{size + 9}", 0, size),
        ):
            part = await world.alice.request("GET", target, headers={"range": header})
            assert (part.status, part.body) == (206, content[start:end])
            assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
            assert part.headers["content-length"] == str(end - start)
            assert part.headers["content-type"] == "text/csv"
            assert part.headers["etag"] == whole.headers["etag"]


@pytest.mark.parametrize("header", [f"bytes={len(SMALL)}-", "bytes=-0", "bytes=99-100"])
async def test_ranges_without_a_byte(header: str) -> None:
    async with open_storages() as world:
        target = await stored(world, SMALL)
        refused = await world.alice.request("GET", target, headers={"range": header})
        assert (refused.status, refused.headers["content-range"]) == (416, f"bytes */{len(SMALL)}")
        assert refused.json["error"]["type"] == "invalid-value"


@pytest.mark.parametrize("header", ["bytes=0-1,3-4", "bytes=x", "lines=0-1", "bytes=5-2"])
async def test_ranges_that_are_answered_whole(header: str) -> None:
    async with open_storages() as world:
        target = await stored(world, SMALL)
        answer = await world.alice.request("GET", target, headers={"range": header})
        assert (answer.status, answer.body) == (200, SMALL)


async def test_ranges_are_of_the_bytes_as_stored() -> None:
    async with open_storages() as world:
        coded = gzip.compress(LARGE)
        target = await stored(world, coded, content_encoding="gzip")
        headers = {"range": "bytes=10-99", "accept-encoding": "gzip"}
        part = await world.alice.request("GET", target, headers=headers)
        assert (part.status, part.body, part.headers["content-encoding"]) == (206, coded[10:100], "gzip")
        assert part.headers["content-range"] == f"bytes 10-99/{len(coded)}"
        plain = await world.alice.request("GET", target, headers={"range": "bytes=10-99"})
        assert (plain.status, plain.body) == (200, LARGE)
        assert "accept-ranges" not in plain.headers


async def test_parts_of_a_record_that_was_written_over() -> None:
    async with open_storages() as world:
        target = await stored(world, SMALL)
        tag = (await world.alice.request("GET", target)).headers["etag"]
        headers = {"range": "bytes=2-3", "if-range": tag}
        assert (await world.alice.request("GET", target, headers=headers)).body == b"23"
        await world.alice.request("PUT", target, body=b"abcdefgh")
        answer = await world.alice.request("GET", target, headers=headers)
        assert (answer.status, answer.body) == (200, b"abcdefgh")


async def test_revalidation() -> None:
    async with open_storages() as world:
        target = await stored(world, LARGE)
        tag = (await world.alice.request("GET", target)).headers["etag"]
        for header in (tag, f"W/{tag}", f'"other", W/{tag}', "*"):
            for method in ("GET", "HEAD"):
                answer = await world.alice.request(method, target, headers={"if-none-match": header})
                assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)
        for header in ('"other"', tag[:-1], "nothing"):
            answer = await world.alice.request("GET", target, headers={"if-none-match": header})
            assert answer.status == 200
        ranged = await world.alice.request("GET", target, headers={"if-none-match": tag, "range": "bytes=0-1"})
        assert ranged.status == 304


async def test_copies_with_and_without_a_coding_are_told_apart() -> None:
    async with open_storages() as world:
        target = await stored(world, gzip.compress(SMALL), content_encoding="gzip")
        coded = await world.alice.request("GET", target, headers={"accept-encoding": "gzip"})
        plain = await world.alice.request("GET", target)
        assert coded.headers["etag"] != plain.headers["etag"]
        assert coded.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        answer = await world.alice.request("GET", target, headers={"if-none-match": coded.headers["etag"]})
        assert answer.body == SMALL


@pytest.mark.parametrize("content", [b"", SMALL, LARGE], ids=["empty", "inline", "blob"])
async def test_head_tells_what_get_sends(content: bytes) -> None:
    async with open_storages() as world:
        target = await stored(world, content)
        for headers in ({}, {"range": "bytes=1-2"}):
            whole = await world.alice.request("GET", target)
            head = await world.alice.request("HEAD", target, headers=headers)
            assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(content)))
            ids = {"x-request-id"}
            assert {name: head.headers[name] for name in head.headers if name not in ids} == {
                name: whole.headers[name] for name in whole.headers if name not in ids
            }


async def test_head_says_nothing_of_a_length_it_does_not_know() -> None:
    async with open_storages() as world:
        target = await stored(world, gzip.compress(SMALL), content_encoding="gzip")
        plain = await world.alice.request("HEAD", target)
        assert (plain.status, plain.headers.get("content-length")) == (200, None)
        coded = await world.alice.request("HEAD", target, headers={"accept-encoding": "gzip"})
        assert coded.headers["content-length"] == str(len(gzip.compress(SMALL)))


PASSIVE = [
    "text/plain; charset=utf-8",
    'text/plain;charset="utf-8"',
    "text/csv",
    "application/json; charset=utf-8",
    "application/ld+json",
    "application/octet-stream",
    "image/png",
    "IMAGE/JPEG",
    "video/mp4",
    "audio/mpeg",
    "application/pdf",
]
ACTIVE = [
    "text/html",
    "Text/HTML; charset=utf-8",
    "application/xhtml+xml",
    "image/svg+xml",
    "application/xml",
    "text/xml; charset=utf-8",
    "application/rss+xml",
    "application/mathml+xml",
    "multipart/related",
    "message/rfc822",
    "text/javascript",
    "application/javascript",
    "text/css",
    "x/y",
    "nonsense",
    "text/plain, text/html",
    "image/png;, text/html",
    "text/plain; charset=utf-8, text/html",
    "text/plain\ttext/html",
]


@pytest.mark.parametrize("content_type", PASSIVE)
async def test_what_runs_nothing_is_shown_as_it_is(content_type: str) -> None:
    async with open_storages() as world:
        found = await world.alice.request("GET", await stored(world, SMALL, content_type))
        assert found.headers["x-content-type-options"] == "nosniff"
        assert "content-security-policy" not in found.headers


@pytest.mark.parametrize("content_type", ACTIVE)
async def test_what_may_run_runs_alone(content_type: str) -> None:
    async with open_storages() as world:
        target = await stored(world, SMALL, content_type)
        for suffix in ("", "?attachment=1"):
            for method in ("GET", "HEAD"):
                found = await world.alice.request(method, target + suffix)
                policy = found.headers["content-security-policy"].split()
                assert policy[0] == "sandbox"
                assert "allow-scripts" in policy
                assert not {"allow-same-origin", "allow-top-navigation", "allow-forms"} & set(policy)
                assert found.headers["x-content-type-options"] == "nosniff"
                assert found.headers["referrer-policy"] == "no-referrer"
        part = await world.alice.request("GET", target, headers={"range": "bytes=0-1"})
        assert part.headers["content-security-policy"].startswith("sandbox")


async def test_a_page_whose_address_holds_a_token_runs_nothing() -> None:
    async with open_storages() as world:
        target = await stored(world, b"<script>send(location.href)</script>", "text/html")
        made = await world.users.create("carol")
        listed = (await world.alice.get(target.replace("/records/r", "/keys")))["items"]
        signature = listed[0]["recordPublicUrl"].partition("?")[2]
        signed = await world.nobody.request("GET", f"{target}?{signature}")
        assert "allow-scripts" in signed.headers["content-security-policy"]
        await world.alice.put(target.rpartition("/records")[0], {"generalAccess": "ANYONE_WITH_ID_CAN_READ"})
        shown = await world.nobody.request("GET", f"{target}?token={made[1]}")
        assert shown.status == 200
        assert "allow-scripts" not in shown.headers["content-security-policy"]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=60_000), min_size=1, max_size=4),
    st.integers(0, 250_000),
    st.integers(0, 250_000),
)
async def test_parts_of_anything(pieces: list[bytes], first: int, length: int) -> None:
    async with open_storages() as world:
        made = await world.alice.post("/v2/key-value-stores")
        target = f"/v2/key-value-stores/{made['id']}/records/r"
        assert (await world.alice.request("PUT", target, body=pieces)).status == 201
        content = b"".join(pieces)
        part = await world.alice.request("GET", target, headers={"range": f"bytes={first}-{first + length}"})
        if first >= len(content):
            assert part.status == 416
        else:
            assert (part.status, part.body) == (206, content[first : first + length + 1])
