"""What every reply has, and what every request passes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog

from actorium.http.route import Auth, Call, Origin, Reply
from actorium.kernel.errors import Conflict, Invalid
from actorium.kernel.instant import Instant
from actorium.kernel.structs import Wire, decode
from asgi_client import AsgiClient

pytestmark = pytest.mark.anyio


class Run(Wire, kw_only=True, frozen=True):
    id: str
    started_at: Instant
    caller: str = ""


async def get_run(call: Call[Any, Any]) -> Run:
    return Run(id=call["runId"], started_at=Instant(1_767_225_600_123), caller=call.principal.username)


@pytest.fixture
def run_route(route: Any) -> Any:
    return route("GET", "/v2/actor-runs/{runId}", get_run)


async def test_a_struct_goes_out_in_the_envelope(client: Any, run_route: Any) -> None:
    answer = await client(run_route).request("GET", "/v2/actor-runs/r1")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.json == {"data": {"id": "r1", "startedAt": "2026-01-01T00:00:00.123Z", "caller": "alice"}}


async def test_headers_of_every_reply(client: Any, run_route: Any) -> None:
    caller = client(run_route)
    seen = set()
    for method, path in (
        ("GET", "/v2/actor-runs/r1"),
        ("GET", "/nothing"),
        ("PUT", "/v2/actor-runs/r1"),
        ("OPTIONS", "/v2/actor-runs/r1"),
    ):
        answer = await caller.request(method, path, headers={"Origin": "http://console"})
        assert answer.headers["x-ratelimit-limit"] == "60"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "X-Apify-Pagination-Total" in answer.headers["access-control-expose-headers"]
        seen.add(answer.headers["x-request-id"])
    assert len(seen) == 4


async def test_request_ids_of_callers_are_kept_when_they_are_sane(client: Any, run_route: Any) -> None:
    caller = client(run_route)
    answer = await caller.request("GET", "/v2/actor-runs/r1", headers={"X-Request-Id": "my-id.7"})
    assert answer.headers["x-request-id"] == "my-id.7"
    for strange in ("two words", "x" * 129, "a;b", ""):
        answer = await caller.request("GET", "/v2/actor-runs/r1", headers={"X-Request-Id": strange})
        assert answer.headers["x-request-id"] not in (strange, "")


async def test_head_keeps_headers_and_drops_the_body(client: Any, run_route: Any) -> None:
    caller = client(run_route)
    got = await caller.request("GET", "/v2/actor-runs/r1")
    head = await caller.request("HEAD", "/v2/actor-runs/r1")
    assert head.status == 200
    assert head.body == b""
    assert head.headers["content-length"] == str(len(got.body))
    assert (await caller.request("HEAD", "/v2/nothing")).status == 404


async def test_preflight_needs_no_token(client: Any, run_route: Any) -> None:
    answer = await client(run_route, token=None).request(
        "OPTIONS",
        "/v2/actor-runs/r1",
        headers={"Origin": "http://console", "Access-Control-Request-Headers": "authorization,x-apify-workflow-key"},
    )
    assert answer.status == 204
    assert answer.headers["access-control-allow-methods"] == "OPTIONS, GET, HEAD"
    assert answer.headers["access-control-allow-headers"] == "authorization,x-apify-workflow-key"
    assert "X-Apify-Pagination-Total" in answer.headers["access-control-expose-headers"]
    assert {"Location", "ETag", "Content-Range"} <= set(answer.headers["access-control-expose-headers"].split(", "))


@pytest.mark.parametrize(
    ("headers", "query", "status", "kind"),
    [
        ({"Authorization": "Bearer alice-token"}, "", 200, None),
        ({"authorization": "bearer   alice-token "}, "", 200, None),
        ({}, "?token=alice-token", 200, None),
        ({"Authorization": "Bearer alice-token"}, "?token=wrong", 200, None),
        ({}, "", 401, "token-not-provided"),
        ({}, "?token=", 401, "token-not-provided"),
        ({"Authorization": "Bearer "}, "", 401, "token-not-provided"),
        ({"Authorization": "Basic YTpi"}, "", 401, "token-not-provided"),
        ({"Authorization": "Bearer wrong"}, "", 401, "user-or-token-not-found"),
        ({"Authorization": "Bearer wrong"}, "?token=alice-token", 401, "user-or-token-not-found"),
        ({}, "?token=wrong", 401, "user-or-token-not-found"),
        ({}, "?token=" + "x" * 5000, 401, "user-or-token-not-found"),
    ],
)
async def test_tokens(client: Any, run_route: Any, headers: Any, query: str, status: int, kind: str | None) -> None:
    answer = await client(run_route, token=None).request("GET", f"/v2/actor-runs/r1{query}", headers=headers)
    assert answer.status == status
    if kind is not None:
        assert answer.json["error"]["type"] == kind
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_optional_auth_lets_strangers_in_but_no_wrong_tokens(client: Any, route: Any) -> None:
    caller = client(
        route("GET", "/v2/open/{runId}", get_run, auth=Auth.OPTIONAL),
        route("GET", "/v2/public/{runId}", get_run, auth=Auth.NONE),
        token=None,
    )
    assert (await caller.request("GET", "/v2/open/r1")).json["data"]["caller"] == ""
    assert (await caller.request("GET", "/v2/open/r1?token=alice-token")).json["data"]["caller"] == "alice"
    answer = await caller.request("GET", "/v2/open/r1?token=wrong")
    assert (answer.status, answer.json["error"]["type"]) == (401, "user-or-token-not-found")
    assert (await caller.request("GET", "/v2/public/r1?token=wrong")).json["data"]["caller"] == ""


async def test_origin_is_what_the_headers_say(client: Any, route: Any) -> None:
    seen: list[Origin] = []

    async def remember(call: Call[Any, Any]) -> Reply:
        seen.append(call.origin)
        return Reply(status=204)

    caller = client(route("POST", "/v2/runs", remember))
    answer = await caller.request(
        "POST",
        "/v2/runs",
        headers={"User-Agent": "ApifyClient/3", "X-Apify-Request-Origin": "CLI", "X-Apify-Workflow-Key": "w"},
    )
    assert (answer.status, answer.body) == (204, b"")
    assert "content-length" not in answer.headers
    assert seen == [Origin(client_ip="127.0.0.1", user_agent="ApifyClient/3", request_origin="CLI", workflow_key="w")]


async def test_errors_have_the_shape_of_the_api(client: Any, route: Any) -> None:
    async def taken(call: Call[Any, Any]) -> None:
        raise Conflict("The name is taken.", data={"name": "x", "at": Instant(0)})

    async def unwritable(call: Call[Any, Any]) -> None:
        raise Invalid(data=object())

    async def stored_badly(call: Call[Any, Any]) -> Run:
        return decode(b'{"id": 5}', Run)

    caller = client(route("GET", "/a", taken), route("GET", "/b", unwritable), route("GET", "/c", stored_badly))
    answer = await caller.request("GET", "/a")
    assert answer.status == 409
    assert answer.json["error"] == {
        "type": "conflict",
        "message": "The name is taken.",
        "data": {"name": "x", "at": "1970-01-01T00:00:00.000Z"},
    }
    answer = await caller.request("GET", "/b")
    assert (answer.status, answer.json["error"]["type"]) == (400, "bad-request")
    answer = await caller.request("GET", "/c")
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid-input")
    assert answer.json["error"]["message"] == 'The field "id" is not valid: expected `str`, got `int`.'


async def test_bugs_are_logged_and_not_shown(client: Any, route: Any) -> None:
    async def broken(call: Call[Any, Any]) -> None:
        raise KeyError("the secret detail")

    with structlog.testing.capture_logs() as logs:
        answer = await client(route("GET", "/v2/broken", broken)).request("GET", "/v2/broken")
    assert answer.status == 500
    error = answer.json["error"]
    assert error["type"] == "internal-server-error"
    assert answer.headers["x-request-id"] in error["message"]
    assert b"secret" not in answer.body
    failed = [line for line in logs if line["event"] == "http.failed"]
    assert isinstance(failed[0]["exc_info"], KeyError)
    assert failed[0]["request_id"] == answer.headers["x-request-id"]


async def test_the_log_never_holds_tokens(client: Any, run_route: Any) -> None:
    with structlog.testing.capture_logs() as logs:
        caller = client(run_route, token=None)
        await caller.request("GET", "/v2/actor-runs/r1?token=alice-token&a=1&signature=abc&TOKEN=other")
    line = next(line for line in logs if line["event"] == "http.request")
    assert line["query"] == "token=***&a=1&signature=***&TOKEN=***"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/v2/actor-runs/r1", 200)
    assert "alice-token" not in repr(logs)


async def test_pages_answer_without_token_and_envelope(client: Any, route: Any) -> None:
    async def page(call: Call[Any, Any]) -> Reply:
        return Reply(content=f"<p>{call['page']}".encode(), media_type="text/html")

    pages = [route("GET", "/docs/{page*}", page, auth=Auth.NONE, envelope=False)]
    caller = client(pages=pages, token=None)
    answer = await caller.request("GET", "/docs/how/to%20run")
    assert (answer.status, answer.body) == (200, b"<p>how/to run")
    assert answer.headers["content-type"] == "text/html"


async def test_routes_may_go_without_the_envelope(client: Any, route: Any) -> None:
    async def plain(call: Call[Any, Any]) -> Any:
        return {"valid": True}

    answer = await client(route("POST", "/v2/validate", plain, envelope=False)).request("POST", "/v2/validate")
    assert answer.json == {"valid": True}


async def test_lifespan_is_entered_and_left(make_app: Any) -> None:
    events = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        events.append("open")
        yield
        events.append("closed")

    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])
        events.append("told")

    await make_app([], lifespan=lifespan)({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert events == ["open", "told", "closed", "told"]


async def test_paths_without_raw_path_are_read_too(make_app: Any, run_route: Any) -> None:
    caller = AsgiClient(make_app([run_route]), token="alice-token")
    scope = caller.scope("GET", "/v2/actor-runs/č", headers={"authorization": "Bearer alice-token"})
    del scope["raw_path"]
    sent = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    await make_app([run_route])(scope, receive, send)
    assert sent[0]["status"] == 200
    assert "č".encode() in sent[1]["body"]
