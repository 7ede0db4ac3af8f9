"""The official command line, unchanged, against a server: what people do with it, from login to results.

By default the commands run one after the other in one Node.js process, because starting one costs seconds; with
``long`` each is a process of its own, as people type them.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.command_line import HERE, MANIFESTS, TEMPLATE, ZIP, CommandLine, Done, Elsewhere, World
from clients.conftest import ACTORS
from live_server import LiveServer

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

SECRET = "a word that nobody may read"
LARGE_BYTES = 3_300_000
TRIES = 8
TEMPLATE_FILES = {
    "Dockerfile": 'FROM apify/actor-python:3.13\nCOPY . ./\nCMD ["python3", "-m", "src"]\n',
    ".actor/actor.json": json.dumps({"actorSpecification": 1, "name": "start", "version": "0.0"}),
    "README.md": "# Start\n",
    "src/__init__.py": "",
    "src/__main__.py": "print('started')\n",
}


@pytest.fixture(scope="module", params=["one process", pytest.param("each its own", marks=pytest.mark.long)])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("command-line")
    with LiveServer(folder / "server") as server, Elsewhere.opened(TEMPLATE_FILES) as elsewhere:
        apify = CommandLine(server, folder / "work", elsewhere, stays=request.param == "one process")
        try:
            login = apify("login", "--token", server.token)
            pushed = World(server, elsewhere, apify, folder / "work" / "pushed", login)
            shutil.copytree(ACTORS / "cli", pushed.folder, ignore=shutil.ignore_patterns("__pycache__"))
            apify("secrets", "add", "cliPassword", SECRET)
            pushed.push = apify("push", "--json", folder=pushed.folder).json
            yield pushed
        finally:
            apify.close()


def test_login_info_and_token(world: World) -> None:
    assert (world.login.code, "logged in to Apify as local" in world.login.text) == (0, True), world.login.text
    info = world.apify("info")
    assert info.out.split() == ["username:", "local", "userId:", world.get("/v2/users/me")["id"]]
    assert world.apify("auth", "token").out.strip() == world.server.token
    kept = json.loads((world.apify.folder / "home" / ".apify" / "auth.json").read_text())
    assert kept["username"] == "local"
    wrong = world.apify("login", "--token", "nobody", HOME=str(world.apify.folder))
    assert "Login to Apify failed" in wrong.text


def test_templates_create_and_init(world: World) -> None:
    listed = world.apify("templates", "ls", "--json").json
    assert TEMPLATE in json.dumps(listed)
    made = world.apify("create", "made", "--template", TEMPLATE, "--skip-dependency-install", "--skip-git-init")
    assert made.code == 0, made.text
    assert json.loads((world.apify.folder / "made" / ".actor" / "actor.json").read_text())["name"] == "made"
    assert "On this machine" in (world.apify.folder / "made" / "README.md").read_text()

    package = world.apify.folder / "bare" / "src"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("print('bare')\n")
    begun = world.apify("init", "bare-actor", "--yes", folder=package.parent)
    assert begun.code == 0, begun.text
    assert json.loads((package.parent / ".actor" / "actor.json").read_text())["name"] == "bare-actor"
    assert set(world.elsewhere.asked) == {f"{MANIFESTS}/templates/manifest.json", f"{MANIFESTS}/suffix.md", ZIP}


def test_validate_schema_secrets_and_a_local_run(world: World) -> None:
    checked = world.apify("validate-schema", folder=world.folder)
    assert (checked.code, checked.err.count("Success:")) == (0, 2), checked.text
    assert "cliPassword" in world.apify("secrets", "ls").out
    world.apify("secrets", "add", "other", "value")
    world.apify("secrets", "rm", "other")
    assert "other" not in world.apify("secrets", "ls").out
    # Without compiled files: the command line takes any file that is newer than the last push for a change.
    ran = world.apify.alone("run", "--input", '{"times": 1}', folder=world.folder, PYTHONDONTWRITEBYTECODE="1")
    assert (ran.code, "good day 0" in ran.text, "good day 1" in ran.text) == (0, True, False), ran.text


def test_push_and_pull(world: World) -> None:
    build = world.get(f"/v2/actor-builds/{world.push['build']['id']}")
    assert (world.push["ok"], build["status"], build["meta"]["origin"]) == (True, "SUCCEEDED", "CLI")
    actor = world.get(f"/v2/actors/{world.actor}")
    assert actor["taggedBuilds"]["latest"]["buildId"] == build["id"]
    assert [(one["name"], one.get("value")) for one in actor["versions"][0]["envVars"]] == [
        ("GREETING", "good day"),
        ("PASSWORD", None),
    ]
    again = world.apify("push", folder=world.folder)
    assert (again.code, "newer changes than your local copy" in again.text) == (1, True), again.text
    forced = world.apify("push", "--force", folder=world.folder)
    assert (forced.code, "Build: SUCCEEDED" in forced.out) == (0, True), forced.text
    assert "FROM apify/actor-python:3.13" in forced.err, "the build's log is not shown"

    pulled = world.apify("pull", "local/pushed", "--dir", "pulled")
    assert pulled.code == 0, pulled.text
    for name in ("Dockerfile", "src/__main__.py", ".actor/input_schema.json"):
        assert (world.apify.folder / "pulled" / name).read_text() == (ACTORS / "cli" / name).read_text()
    assert world.apify("pull", folder=world.folder).code == 0
    nobody = world.apify("pull", "local/nobody")
    assert (nobody.code, "Cannot find Actor" in nobody.text) == (1, True)


def test_push_without_templates_and_of_an_actor_in_standby(world: World) -> None:
    """Where the list of templates cannot be asked for, the Actor is made first."""
    asked = len(world.elsewhere.asked)
    actor = json.loads(world.apify("api", "POST", "actors", "--body", '{"name": "offline", "versions": []}').out)[
        "data"
    ]
    for standby in (True, False):
        folder = world.apify.folder / f"standby-{standby}"  # each its own: the process that stays reads actor.json once
        shutil.copytree(world.folder, folder, ignore=shutil.ignore_patterns("storage"))
        spec = json.loads((folder / ".actor" / "actor.json").read_text()) | {
            "name": "offline",
            "usesStandbyMode": standby,
        }
        (folder / ".actor" / "actor.json").write_text(json.dumps(spec))
        assert world.apify("push", "--json", "--force", folder=folder).json["ok"]
        assert world.get(f"/v2/actors/{actor['id']}")["actorStandby"]["isEnabled"] is standby
    assert len(world.elsewhere.asked) == asked
    (folder / "Dockerfile").write_text("FROM apify/actor-python:3.13\nRUN echo broken && false\n")
    failed = world.apify("push", "--json", "--force", folder=folder)
    told = json.loads(failed.out)
    assert (failed.code, told["build"]["status"], "broken" in failed.err) == (1, "FAILED", True), failed.text
    assert world.apify("actors", "rm", "local/offline", "--yes").code == 0
    assert world.server.api("GET", f"/v2/actors/{actor['id']}")[0] == 404


def push_large(world: World, folder: Path) -> Any:
    """Push until the archive is whole: the command line reads it while it is still being written to the disk, so that
    on a busy machine its end is missing. The build says so."""
    for _ in range(TRIES):
        pushed = world.apify("push", "--json", "--force", folder=folder)
        if "The zip archive cannot be read" not in pushed.text:
            return pushed.json
    raise AssertionError(pushed.text)


def test_a_large_push_goes_through_a_key_value_store(world: World) -> None:
    """From 3 MiB on the sources are a ZIP in a store of this server, which the build reads by a signed address."""
    folder = world.apify.folder / "large"
    shutil.copytree(world.folder, folder, ignore=shutil.ignore_patterns("storage"))
    spec = folder / ".actor" / "actor.json"
    spec.write_text(spec.read_text().replace('"pushed"', '"large"'))
    (folder / "ballast.bin").write_bytes(random.Random(5).randbytes(LARGE_BYTES))
    pushed = push_large(world, folder)
    actor = world.get(f"/v2/actors/{pushed['actor']['id']}")
    version = actor["versions"][0]
    assert version["sourceType"] == "TARBALL"
    assert version["tarballUrl"].startswith(f"{world.server.url}/v2/key-value-stores/")
    assert "signature=" in version["tarballUrl"]
    called = world.apify("call", "large", "--json", "--input", '{"times": 2}').json
    assert world.get(f"/v2/datasets/{called['storage']['defaultDatasetId']}")["itemCount"] == 2
    (folder / "src" / "more.py").touch()
    assert push_large(world, folder)["ok"], "a push over an archive that is there"
    assert world.apify("pull", "local/large", "--dir", "unpacked").code == 0
    unpacked = [path for path in (world.apify.folder / "unpacked").rglob("*") if path.is_file()]
    assert len(unpacked) == 1, "the command line unpacks more than the first file now: say so in the how-to"
    assert world.apify("actors", "rm", "local/large", "--yes").code == 0
    assert world.server.api("GET", f"/v2/actors/{actor['id']}")[0] == 404


def test_actors(world: World) -> None:
    listed = world.apify("actors", "ls", "--my", "--json").json
    assert [one["name"] for one in listed["items"]] == ["pushed"]
    told = world.apify("actors", "info", "pushed")
    assert "Information about Actor local/pushed" in told.out, told.text
    assert "/ latest" in told.out, told.text
    schema = json.loads((world.folder / ".actor" / "input_schema.json").read_text())
    assert json.loads(world.apify("actors", "info", "pushed", "--input").out) == schema
    assert "It repeats." in world.apify("actors", "info", "pushed", "--readme").out
    # Its exit code is 1 while the run is READY: the command takes what it does not know for a failure.
    started = json.loads(world.apify("actors", "start", "pushed", "--json", "--input", '{"times": 1}').out)
    waited = world.apify("runs", "wait", started["run"]["id"], "--json").json
    assert waited["run"]["status"] == "SUCCEEDED"
    assert world.get(f"/v2/actor-runs/{started['run']['id']}")["meta"]["origin"] == "CLI"


def test_call(world: World) -> None:
    shown = world.apify("call", "pushed", "--input", '{"times": 3}', "--output-dataset")
    items = [{"n": n, "greeting": "good day"} for n in range(3)]
    assert json.loads(shown.out[shown.out.index("[{") :]) == items, shown.text
    assert "good day 2" in shown.err, "the run's log is not shown"
    here = world.apify("call", "--json", folder=world.folder)
    assert here.json["run"]["status"] == "SUCCEEDED"
    failed = world.apify("call", "pushed", "--input", '{"code": 7}')
    assert (failed.code, "Actor failed with exit code 7" in failed.out) == (7, True), failed.text
    wrong = world.apify("call", "pushed", "--input", '{"times": "often"}')
    assert (wrong.code, "times" in wrong.err) == (1, True), wrong.text


def test_runs(world: World) -> None:
    run = world.call(times=2)
    listed = world.apify("runs", "ls", "pushed", "--json", "--desc").json
    assert listed["items"][0]["id"] == run["id"]
    assert run["id"] in world.apify("runs", "ls", "pushed", "--desc").out
    told = world.apify("runs", "info", run["id"], "--verbose")
    assert "Status: Succeeded (exit code: 0)" in told.out, told.text
    assert "Results: 2" in told.out, told.text
    assert "Dataset writes" in told.out, told.text
    assert "good day 1" in world.apify("runs", "log", run["id"]).text
    assert world.apify("runs", "rm", run["id"], "--yes").code == 0
    assert world.server.api("GET", f"/v2/actor-runs/{run['id']}")[0] == 404
    assert "was not found" in world.apify("runs", "info", run["id"]).err

    waiting = world.waiting()["id"]
    assert world.apify("runs", "wait", waiting, "--timeout", "1").code == 6, "it waits for what does not end"
    assert "immediate abort" in world.apify("runs", "abort", waiting, "--force").out
    assert world.apify("runs", "wait", waiting).code == 3
    assert "resurrected successfully" in world.apify("runs", "resurrect", waiting).out
    assert world.get(f"/v2/actor-runs/{waiting}")["status"] in {"READY", "RUNNING"}
    assert "should finish aborting" in world.apify("runs", "abort", waiting).out
    assert world.get(f"/v2/actor-runs/{waiting}")["status"] in {"ABORTING", "ABORTED"}


def test_builds(world: World) -> None:
    created = world.apify("builds", "create", "pushed", "--json").json
    build, number = created["build"]["id"], created["build"]["number"]
    assert world.apify("builds", "wait", build).code == 0
    assert number in world.apify("builds", "ls", "pushed").out
    assert world.apify("builds", "info", build, "--json").json["status"] == "SUCCEEDED"
    assert f"Build Number: {number} (tagged as latest)" in world.apify("builds", "info", build).out
    assert "Successfully built" in world.apify("builds", "log", build).text
    assert "added" in world.apify("builds", "add-tag", "--build", build, "--tag", "beta").out
    tagged = world.get(f"/v2/actors/{world.actor}")["taggedBuilds"]
    assert (tagged["beta"]["buildId"], tagged["latest"]["buildId"]) == (build, build)
    assert "removed" in world.apify("builds", "remove-tag", "--build", build, "--tag", "beta", "--yes").out
    assert "beta" not in world.get(f"/v2/actors/{world.actor}")["taggedBuilds"]
    logged = world.apify("builds", "create", "pushed", "--log", "--tag", "latest")
    assert (logged.code, "Successfully built" in logged.text) == (0, True), logged.text
    assert world.apify("builds", "rm", build, "--yes").code == 0
    assert world.server.api("GET", f"/v2/actor-builds/{build}")[0] == 404


def test_datasets(world: World) -> None:
    made = world.apify("datasets", "create", "words", "--json").json["id"]
    world.apify("datasets", "push-items", "words", '[{"a": 1}, {"a": 2}]')
    world.apify("datasets", "push-items", made, '{"a": 3}')
    assert json.loads(world.apify("datasets", "get-items", "words").out) == [{"a": 1}, {"a": 2}, {"a": 3}]
    table = world.apify("datasets", "get-items", made, "--format", "csv", "--limit", "1", "--offset", "1")
    assert table.out.lstrip("\ufeff").split() == ["a", "2"]
    listed = world.apify("datasets", "ls").out
    assert ("local/words" in listed, "N/A" in listed) == (True, False), listed  # its size
    assert "3 clean / 3 total" in world.apify("datasets", "info", "words").out
    assert world.apify("datasets", "rename", "words", "names").code == 0
    assert world.apify("datasets", "rename", "names", "--unname").code == 0
    assert world.get(f"/v2/datasets/{made}")["name"] is None
    assert world.apify("datasets", "rm", made, "--yes").code == 0
    assert "not found" in world.apify("datasets", "info", made).err


def test_key_value_stores_and_request_queues(world: World) -> None:
    made = world.apify("key-value-stores", "create", "pairs", "--json").json["id"]
    world.apify("key-value-stores", "set-value", "pairs", "one", '{"b": 1}')
    world.apify("key-value-stores", "set-value", made, "two", "hello", "--content-type", "text/plain")
    assert json.loads(world.apify("key-value-stores", "get-value", "pairs", "one").out) == {"b": 1}
    assert (
        world.apify("key-value-stores", "get-value", "pairs", "two", "--only-content-type").err.strip() == "text/plain"
    )
    assert world.server.api("GET", f"/v2/key-value-stores/{made}/records/two") == (200, b"hello")
    assert [one["key"] for one in world.apify("key-value-stores", "keys", made, "--json").json["items"]] == [
        "one",
        "two",
    ]
    assert "two" in world.apify("key-value-stores", "keys", made).out
    listed = world.apify("key-value-stores", "ls").out
    assert ("local/pairs" in listed, "N/A" in listed) == (True, False), listed  # its size
    assert made in world.apify("key-value-stores", "info", "pairs").out
    world.apify("key-value-stores", "delete-value", made, "one", "--yes")
    assert world.server.api("GET", f"/v2/key-value-stores/{made}/records/one")[0] == 404
    assert world.apify("key-value-stores", "rename", "pairs", "couples").code == 0
    assert world.apify("key-value-stores", "rm", "couples", "--yes").code == 0
    assert world.server.api("GET", f"/v2/key-value-stores/{made}")[0] == 404
    assert "No subcommands are available" in world.apify("request-queues").text, "the command line has more now"


def test_tasks_and_the_api(world: World) -> None:
    body = {"actId": world.actor, "name": "three-times", "input": {"times": 3}}
    made = json.loads(world.apify("api", "POST", "actor-tasks", "--body", json.dumps(body)).out)["data"]
    ran = world.apify("task", "run", "three-times", "--json").json
    run = world.get(f"/v2/actor-runs/{ran['run']['id']}")
    assert (run["status"], run["actorTaskId"], run["meta"]["origin"]) == ("SUCCEEDED", made["id"], "CLI")
    assert len(world.get(f"/v2/datasets/{ran['storage']['defaultDatasetId']}/items")) == 3
    assert world.apify("task", "publish", "three-times").code == 0
    assert world.apify("task", "unpublish", "three-times").code == 0
    missing = world.apify("api", "GET", "actor-tasks/local~nothing")
    assert (missing.code, "record-not-found" in missing.text) == (1, True), missing.text


PRICE = {
    "pricingModel": "PAY_PER_EVENT",
    "pricingPerEvent": {
        "actorChargeEvents": {
            "thing": {"eventTitle": "Thing", "eventPriceUsd": 0.1, "eventDescription": "One thing"},
        }
    },
}


def test_actor_in_a_run(world: World) -> None:
    """The commands that an Actor calls in its run, here beside it with what the run was given."""
    status, reply = world.server.api("PUT", f"/v2/actors/{world.actor}", {"pricingInfos": [PRICE]})
    assert status == 200, reply
    try:
        run = world.waiting(maxTotalChargeUsd=5)
    finally:
        world.server.api("PUT", f"/v2/actors/{world.actor}", {"pricingInfos": []})
    told = world.told(run)
    home = world.apify.folder / "home of the run"
    home.mkdir(exist_ok=True)
    assert told["PASSWORD"] == SECRET
    assert told["APIFY_CLIENT_BASE_URL"] == told["APIFY_API_BASE_URL"]

    def actor(*args: str, given: str | None = None) -> Done:
        around = {name: value for name, value in told.items() if name.startswith(("ACTOR_", "APIFY_"))}
        around["APIFY_CLIENT_BASE_URL"] = world.server.url  # this is outside of the run's network
        around["HOME"] = str(home)  # there the command line remembers the run's token
        if given is not None:
            return world.apify.alone(*args, name="actor", given=given, **around)
        done = world.apify(*args, name="actor", **around)
        assert done.code == 0, done.text
        return done

    assert json.loads(actor("get-input").out) == {"times": 1, "code": 0, "wait": True}
    actor("set-value", "KEY", '{"a": 1}')
    assert json.loads(actor("get-value", "KEY").out) == {"a": 1}
    piped = actor("set-value", "TEXT", "-", "--content-type", "text/plain", given="hello")
    assert piped.code == 0, piped.text
    assert world.server.api("GET", f"/v2/key-value-stores/{run['defaultKeyValueStoreId']}/records/TEXT") == (
        200,
        b"hello",
    )
    actor("push-data", '[{"n": 5}, {"n": 6}]')
    assert [one["n"] for one in world.get(f"/v2/datasets/{run['defaultDatasetId']}/items")] == [0, 5, 6]
    actor("charge", "thing", "--count", "2")
    assert world.get(f"/v2/actor-runs/{run['id']}")["chargedEventCounts"]["thing"] == 2
    world.server.api("POST", f"/v2/actor-runs/{run['id']}/abort")


@pytest.mark.long
@pytest.mark.parametrize("world", ["one process"], indirect=True)
def test_an_interrupted_call_aborts_its_run(world: World) -> None:
    with world.apify.begun("call", "pushed", "--input", '{"wait": true}') as call:
        assert call.stderr is not None
        for line in call.stderr:
            if "good day 1" in line:
                break
        call.send_signal(signal.SIGINT)
        call.communicate(timeout=60)
    run = world.get(f"/v2/actors/{world.actor}/runs?desc=1&limit=1")["items"][0]
    assert run["status"] in {"ABORTING", "ABORTED"}


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("world", ["one process"], indirect=True)
def test_an_actor_that_has_the_command_line_in_its_image(world: World) -> None:
    folder = world.apify.folder / "inside"
    shutil.copytree(ACTORS / "cli_inside", folder)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    pushed = world.apify("push", folder=folder)
    assert (pushed.code, "Build: SUCCEEDED" in pushed.out) == (0, True), pushed.text
    done = world.apify("call", "inside", "--json", "--input", '{"word": "hello"}')
    run = world.get(f"/v2/actor-runs/{done.json['run']['id']}")
    assert world.get(f"/v2/key-value-stores/{run['defaultKeyValueStoreId']}/records/COPY") == {"word": "hello"}
    assert world.get(f"/v2/datasets/{run['defaultDatasetId']}/items") == [{"n": 1}, {"n": 2}]
