"""Paths: static before parameter, decoding, methods, aliases and twins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from actorium.http.errors import InvalidParameter
from actorium.http.route import Alias, Call, Reply
from actorium.http.router import expand
from actorium.http.trie import Trie, param_places, split_path
from actorium.kernel.errors import NotFound
from actorium.kernel.structs import Wire

pytestmark = pytest.mark.anyio


class LastRun(Wire, kw_only=True, frozen=True):
    status: str | None = None


class Gracefully(Wire, kw_only=True, frozen=True):
    gracefully: bool = False


async def echo(call: Call[Any, Any]) -> Reply:
    shown = {"params": dict(call.params), "method": call.request.method, "caller": call.principal.username}
    return Reply(content=shown)


def found(trie: Trie[str], path: str) -> str | None:
    return trie.find(split_path(path.encode()))


def test_static_segments_win_and_parameters_fill_what_they_lack() -> None:
    trie: Trie[str] = Trie()
    for path in (
        "/",
        "/builds/{buildId}",
        "/builds/{buildId}/openapi.json",
        "/builds/{buildId}/log/{line}",
        "/builds/default",
        "/builds/default/log/first",
    ):
        trie.put(path, path)
    trie.settle()
    assert found(trie, "/") == "/"
    assert found(trie, "/builds/default") == "/builds/default"
    assert found(trie, "/builds/x") == "/builds/{buildId}"
    assert found(trie, "/builds/default/openapi.json") == "/builds/{buildId}/openapi.json"
    assert found(trie, "/builds/default/log/first") == "/builds/default/log/first"
    assert found(trie, "/builds/default/log/7") == "/builds/{buildId}/log/{line}"
    assert found(trie, "/builds/x/log/first") == "/builds/{buildId}/log/{line}"
    assert found(trie, "/builds") is None
    assert found(trie, "/builds/x/nothing") is None
    assert found(trie, "/builds//openapi.json") is None


def test_tail_takes_the_rest_of_a_path() -> None:
    trie: Trie[str] = Trie()
    for path in ("/docs/{page*}", "/docs/assets/style.css", "/v2/{id}"):
        trie.put(path, path)
    trie.settle()
    assert found(trie, "/docs/a/b/c") == "/docs/{page*}"
    assert found(trie, "/docs") == "/docs/{page*}"
    assert found(trie, "/docs/assets/style.css") == "/docs/assets/style.css"
    assert found(trie, "/docs/assets/other.css") == "/docs/{page*}"
    assert found(trie, "/other") is None


def test_paths_are_decoded_segment_by_segment() -> None:
    assert split_path(b"/a%2Fb/c%20d/") == ["a/b", "c d"]
    assert split_path(b"/records/%21-_.'()") == ["records", "!-_.'()"]
    assert split_path(b"/records/!-_.'()") == ["records", "!-_.'()"]
    assert split_path("/records/č".encode()) == ["records", "č"]
    assert split_path(b"/records/%C4%8D") == ["records", "č"]
    assert split_path(b"/records/+") == ["records", "+"]


@pytest.mark.parametrize("path", [b"/a%00b", b"/a\0b", b"/%ff", b"/\xff"])
def test_paths_that_are_no_text_are_refused(path: bytes) -> None:
    with pytest.raises(InvalidParameter):
        split_path(path)


def test_a_template_may_not_repeat_a_parameter() -> None:
    with pytest.raises(ValueError, match="twice"):
        param_places("/a/{id}/b/{id}")


def test_two_equal_routes_are_refused(route: Any) -> None:
    with pytest.raises(ValueError, match="two routes for GET"):
        expand([route("GET", "/a/{id}", echo), route("GET", "/a/{name}", echo)], ())


async def test_params_reach_the_handler_decoded(client: Any, route: Any) -> None:
    caller = client(route("GET", "/v2/stores/{storeId}/records/{recordKey}", echo))
    for raw, key in (
        ("a%2Fb", "a/b"),
        ("!-_.'()", "!-_.'()"),
        ("%21%2D%5F%2E%27%28%29", "!-_.'()"),
        ("%E2%9C%93", "✓"),
    ):
        answer = await caller.request("GET", f"/v2/stores/s1/records/{raw}")
        assert answer.json["data"]["params"] == {"storeId": "s1", "recordKey": key}
    assert (await caller.request("GET", "/v2/stores/s1/records/x/")).status == 200


async def test_405_lists_exactly_the_methods_of_that_path(client: Any, route: Any) -> None:
    caller = client(
        route("GET", "/v2/runs", echo), route("PUT", "/v2/runs/{id}", echo), route("GET", "/v2/runs/{id}", echo)
    )
    answer = await caller.request("DELETE", "/v2/runs")
    assert answer.status == 405
    assert answer.json["error"] == {
        "type": "method-not-allowed",
        "message": "This API end-point can only be accessed using the following HTTP methods: OPTIONS,GET",
    }
    assert answer.headers["allow"] == "OPTIONS, GET, HEAD"
    answer = await caller.request("POST", "/v2/runs/x")
    assert answer.json["error"]["message"].endswith(": OPTIONS,GET,PUT")


async def test_unknown_path_is_404(client: Any, route: Any) -> None:
    answer = await client(route("GET", "/v2/runs", echo)).request("GET", "/v2/nothing")
    assert answer.status == 404
    assert answer.json["error"]["type"] == "page-not-found"


async def test_method_override(client: Any, route: Any) -> None:
    async def name(call: Call[Any, Any]) -> Reply:
        return Reply(content="put")

    caller = client(route("PUT", "/v2/runs/{id}", name), route("GET", "/v2/runs/{id}", echo))
    for method in ("GET", "POST"):
        for value in ("PUT", "put", "Put"):
            assert (await caller.request(method, f"/v2/runs/x?method={value}")).json == {"data": "put"}
    assert (await caller.request("PUT", "/v2/runs/x?method=GET")).json == {"data": "put"}
    assert (await caller.request("GET", "/v2/runs/x?method=DELETE")).status == 405
    answer = await caller.request("GET", "/v2/runs/x?method=HEAD")
    assert answer.status == 200
    assert answer.body


def aliases() -> list[Alias]:
    async def run_of_last(call: Call[LastRun, None]) -> Mapping[str, str]:
        if call["actorId"] == "none":
            raise NotFound("No last run.")
        return {"runId": f"last-of-{call['actorId']}-{call.query.status}"}

    async def dataset_of_run(call: Call[Any, None]) -> Mapping[str, str]:
        return {"datasetId": f"dataset-of-{call['runId']}"}

    return [
        Alias(
            prefix="/v2/actors/{actorId}/runs/last",
            target="/v2/actor-runs/{runId}",
            resolve=run_of_last,
            query=LastRun,
            tag="Last run",
            only=frozenset({("GET", ""), ("POST", "/abort"), ("GET", "/dataset"), ("GET", "/dataset/items/{n}")}),
        ),
        Alias(
            prefix="/v2/actor-runs/{runId}/dataset",
            target="/v2/datasets/{datasetId}",
            resolve=dataset_of_run,
            operation_ids={"GET /items/{index}": "named_by_hand"},
        ),
    ]


def routes(route: Any) -> list[Any]:
    return [
        route("GET", "/v2/actors/{actorId}/runs/{runId}", echo, operation_id="actors_run_get"),
        route("GET", "/v2/actor-runs/{runId}", echo, operation_id="actorRun_get"),
        route("POST", "/v2/actor-runs/{runId}/abort", echo, operation_id="actorRun_abort_post", query=Gracefully),
        route("POST", "/v2/actor-runs/{runId}/resurrect", echo, operation_id="PostResurrectRun"),
        route("GET", "/v2/datasets", echo, operation_id="datasets_get"),
        route("GET", "/v2/datasets/{datasetId}", echo, operation_id="dataset_get"),
        route("DELETE", "/v2/datasets/{datasetId}", echo, operation_id="dataset_delete"),
        route("GET", "/v2/datasets/{datasetId}/items/{index}", echo, operation_id="dataset_item_get"),
    ]


def test_aliases_expand_to_named_operations(route: Any) -> None:
    made = {f"{one.method} {one.path}": one for one in expand(routes(route), aliases())}
    ids = {path: one.operation_id for path, one in made.items()}
    assert ids["GET /v2/actor-runs/{runId}/dataset"] == "actorRun_dataset_get"
    assert ids["DELETE /v2/actor-runs/{runId}/dataset"] == "actorRun_dataset_delete"
    assert ids["GET /v2/actor-runs/{runId}/dataset/items/{index}"] == "named_by_hand"
    assert ids["GET /v2/actors/{actorId}/runs/last"] == "actor_runs_last_get"
    assert ids["POST /v2/actors/{actorId}/runs/last/abort"] == "actor_runs_last_abort_post"
    assert ids["GET /v2/actors/{actorId}/runs/last/dataset"] == "actor_runs_last_dataset_get"
    assert ids["GET /v2/acts/{actorId}/runs/last/dataset"] == "actor_runs_last_dataset_get__acts"
    assert ids["GET /v2/acts/{actorId}/runs/{runId}"] == "actors_run_get__acts"
    assert made["GET /v2/acts/{actorId}/runs/{runId}"].deprecated
    assert made["GET /v2/actors/{actorId}/runs/last/dataset"].tag == "Last run"
    assert not {path for path in made if "last" in path and ("resurrect" in path or path.startswith("DELETE"))}
    assert len(made["GET /v2/actors/{actorId}/runs/last/dataset"].steps) == 2


def test_aliases_in_a_circle_are_refused(route: Any) -> None:
    async def resolve(call: Call[Any, None]) -> Mapping[str, str]:
        return {}

    circle = [
        Alias(prefix="/a/{id}/b", target="/b/{id}", resolve=resolve),
        Alias(prefix="/b/{id}/a", target="/a/{id}", resolve=resolve),
    ]
    with pytest.raises(ValueError, match="circle"):
        expand([route("GET", "/a/{x}", echo), route("GET", "/b/{x}", echo)], circle)


@pytest.mark.parametrize("namespace", ["actors", "acts"])
async def test_alias_chains_resolve_in_order(client: Any, route: Any, namespace: str) -> None:
    caller = client(*routes(route), aliases=aliases())
    answer = await caller.request("GET", f"/v2/{namespace}/bob~crawler/runs/last/dataset/items/7?status=SUCCEEDED")
    assert answer.json["data"]["params"] == {
        "actorId": "bob~crawler",
        "runId": "last-of-bob~crawler-SUCCEEDED",
        "datasetId": "dataset-of-last-of-bob~crawler-SUCCEEDED",
        "index": "7",
    }
    answer = await caller.request("GET", f"/v2/{namespace}/none/runs/last/dataset")
    assert (answer.status, answer.json["error"]["message"]) == (404, "No last run.")
    answer = await caller.request("GET", f"/v2/{namespace}/a1/runs/other")
    assert answer.json["data"]["params"] == {"actorId": "a1", "runId": "other"}


async def test_resolvers_run_only_for_callers_with_a_token(client: Any, route: Any) -> None:
    caller = client(*routes(route), aliases=aliases(), token=None)
    assert (await caller.request("GET", "/v2/actors/none/runs/last/dataset")).status == 401
