"""SQL that tries to leave its box, SQL that eats its box, and what a box is as a process."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from actorium.datasets.sql.boxes import Answer, Bounds, Boxes, Question
from actorium.datasets.sql.errors import SqlRefused, SqlTimedOut
from live_server import LiveServer
from storage_world import open_storages

pytestmark = [pytest.mark.process, pytest.mark.anyio]

GONE_SECS_MAX = 30.0
ENDLESS = "SELECT count(*) FROM range(1000000000000)"

FILES = [
    "FROM read_csv('/etc/passwd')",
    "FROM read_text('/etc/passwd')",
    "FROM read_blob('/etc/passwd')",
    "FROM read_json('/proc/self/environ')",
    "FROM read_text('/dev/fd/0')",
    "FROM read_text('/proc/self/fd/1')",
    "FROM read_parquet('/tmp/x.parquet')",
    "FROM '/etc/passwd.csv'",
    "FROM 'file:///etc/passwd.csv'",
    "FROM glob('/*')",
    "FROM sniff_csv('/etc/passwd')",
    "FROM parquet_metadata('/etc/passwd')",
    "FROM read_duckdb('/tmp/x.db')",
    "FROM read_parquet('actorium://answer')",
    "COPY dataset TO '/tmp/stolen.csv'",
    "COPY (SELECT 1) TO 'actorium://answer' (FORMAT parquet)",
    "EXPLAIN ANALYZE COPY dataset TO '/tmp/stolen.csv'",
    "explain analyze copy (select 1) to 'actorium://answer' (format csv)",
    "EXPLAIN (ANALYZE, FORMAT json) DELETE FROM dataset",
    "/* */ EXPLAIN -- \n ANALYZE CREATE TABLE zz AS SELECT 1",
    "SELECT * FROM query('COPY dataset TO ''/tmp/stolen.csv''')",
    "EXPORT DATABASE '/tmp/stolen'",
    "IMPORT DATABASE '/tmp/stolen'",
    "ATTACH '/tmp/stolen.db' AS x",
    "ATTACH ':memory:' AS x",
]
NETWORK = [
    "INSTALL httpfs",
    "LOAD httpfs",
    "FORCE INSTALL spatial",
    "UPDATE EXTENSIONS",
    "FROM read_csv('http://127.0.0.1:9/x.csv')",
    "FROM 'https://example.com/x.parquet'",
    "FROM read_text('s3://bucket/key')",
    "ATTACH 'postgres:host=127.0.0.1' AS x",
    "CREATE SECRET (TYPE s3)",
]
SETTINGS = [
    "SET enable_external_access = true",
    "RESET enable_external_access",
    "SET memory_limit = '100GB'",
    "SET allowed_paths = ['/etc/passwd']",
    "PRAGMA threads = 9",
    "PRAGMA database_list",
    "CALL enable_logging()",
    "FROM enable_logging(storage := 'file')",
    "FROM enable_profiling()",
    "SET VARIABLE a = 1",
    "SELECT getenv('PATH')",
]
WRITES = [
    "CREATE TABLE x (a INT)",
    "INSERT INTO dataset VALUES (2)",
    "DELETE FROM dataset",
    "WITH x AS (DELETE FROM dataset RETURNING *) FROM x",
    "DROP TABLE dataset",
    "SELECT 1; DROP TABLE dataset",
    "SELECT 1) TO '/tmp/stolen'; --",
    "BEGIN",
    "CHECKPOINT",
    "VACUUM",
    "USE main",
    "DETACH memory",
    "PREPARE p AS SELECT 1",
    "SELECT $1",
    "",
    ";;",
]
PYTHON = ["FROM connection", "FROM question", "FROM sys", "FROM os.environ"]
DEEP = [
    "SELECT " + "(" * 40_000 + "1" + ")" * 40_000,
    "SELECT " + "+".join(["1"] * 40_000),
    "SELECT json_structure('" + "[" * 150 + "]" * 150 + "')",
]
HARMLESS = {
    "FROM duckdb_secrets()": [],
    "FROM duckdb_temporary_files()": [],
    "FROM duckdb_logs()": [],
    "SELECT name FROM (SHOW TABLES)": [{"name": "dataset"}],
    "SELECT current_setting('enable_external_access') a": [{"a": False}],
    "SELECT current_setting('lock_configuration') a": [{"a": True}],
}


@pytest.mark.parametrize("table", [FILES, NETWORK, SETTINGS, WRITES, PYTHON, DEEP], ids=len)
async def test_what_tries_to_leave_gets_a_clean_refusal(table: list[str], subtests: pytest.Subtests) -> None:
    async with open_storages() as world:
        dataset = (await world.alice.post("/v2/datasets"))["id"]
        await world.alice.request("POST", f"/v2/datasets/{dataset}/items", json={"n": 1})
        for sql in table:
            with subtests.test(sql=sql[:80]):
                answer = await world.alice.request("POST", f"/v2/datasets/{dataset}/query", json={"sql": sql})
                assert (answer.status, answer.json["error"]["type"]) == (400, "invalid-input"), answer.body
                message = answer.json["error"]["message"]
                assert message
                assert "root:" not in message
                assert "Traceback" not in message
        after = await world.alice.request("POST", f"/v2/datasets/{dataset}/query", json={"sql": "FROM dataset"})
        assert after.json == [{"n": 1}]
    assert not list(Path("/tmp").glob("stolen*"))


async def test_what_may_be_asked_tells_nothing() -> None:
    async with open_storages() as world:
        dataset = (await world.alice.post("/v2/datasets"))["id"]
        for sql, rows in HARMLESS.items():
            answer = await world.alice.request("POST", f"/v2/datasets/{dataset}/query", json={"sql": sql})
            assert answer.json == rows, sql


GREEDY = [
    "SELECT length(repeat('x', 4000000000))",
    "SELECT repeat('x', 1000000000)",
    "SELECT list(range) FROM range(1000000000)",
    "SELECT string_agg(range::VARCHAR) FROM range(10000000000)",
    "SELECT count(*) FROM (SELECT repeat('x', 1000000) s, range FROM range(100000) ORDER BY s)",
    "SELECT count(DISTINCT repeat('x', 100) || range) FROM range(1000000000)",
    "SELECT range(1000000000)",
    "SELECT array_agg(repeat('x', 1000000)) FROM range(10000)",
    "WITH RECURSIVE t AS (SELECT repeat('x', 100000) x UNION ALL SELECT x || 'y' FROM t) SELECT * FROM t",
]
SLOW = [
    ENDLESS,
    "WITH RECURSIVE t AS (SELECT 1 x UNION ALL SELECT x + 1 FROM t) SELECT count(*) FROM t",
    "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range + b.range = -1",
    "SELECT max(md5(range::VARCHAR)) FROM range(100000000000)",
    "SELECT count(*) FROM (SELECT unnest(range(1000000)) FROM range(1000000))",
    "SELECT sleep_ms(100000000)",
]


@pytest.mark.parametrize("sql", GREEDY)
async def test_too_much_memory_is_refused(sql: str) -> None:
    async with open_storages(boxes=Boxes(Bounds(memory_mbytes=256))) as world:
        answer = await asked(world.alice, sql)
        assert (answer.status, answer.json["error"]["type"]) == (400, "invalid-input")
        assert "memory" in answer.json["error"]["message"]


@pytest.mark.parametrize("sql", SLOW)
async def test_too_much_time_is_refused(sql: str) -> None:
    async with open_storages(boxes=Boxes(Bounds(secs=2))) as world:
        answer = await asked(world.alice, sql)
        assert (answer.status, answer.json["error"]["type"]) == (408, "query-timeout")
        assert "2 seconds" in answer.json["error"]["message"]


async def asked(client: Any, sql: str) -> Any:
    dataset = (await client.post("/v2/datasets"))["id"]
    return await client.request("POST", f"/v2/datasets/{dataset}/query", json={"sql": sql}, timeout=90)


# The process


async def nothing() -> AsyncGenerator[bytes, None]:
    for piece in (b'{"n":1}\n',):
        yield piece


async def long_answer(boxes: Boxes) -> Answer:
    """An answer that is far from being fetched: its box waits."""
    sql = "SELECT repeat('x', 1000) FROM range(100000)"
    answer = await boxes.ask("alice", Question(tables={"dataset": nothing()}, sql=sql, format="csv"))
    assert answer.whole is None
    return answer


async def test_what_a_box_has_and_has_not() -> None:
    answer = await long_answer(Boxes())
    try:
        place = Path(f"/proc/{answer.pid}")
        status = dict(line.split(":\t", 1) for line in (place / "status").read_text().splitlines())
        assert status["Seccomp"] == "2"
        assert status["NoNewPrivs"] == "1"
        assert int(status["CapEff"], 16) == 0
        for task in (place / "task").iterdir():
            assert "Seccomp:\t2" in (task / "status").read_text()
        if os.geteuid() == 0:
            assert status["Uid"].split() == ["65534"] * 4
            assert (place / "environ").read_bytes().split(b"\0")[:-1] == [b"LC_ALL=C.UTF-8", b"TZ=UTC"]
            assert sorted(path.name for path in (place / "fd").iterdir()) == ["0", "1", "2"]
            assert [*(place / "root").iterdir()] == []
        for name in ("net", "mnt", "ipc", "uts"):
            assert (place / "ns" / name).readlink() != Path("/proc/self/ns", name).readlink()
        limits = (place / "limits").read_text()
        assert "Max file size             0 " in limits
        assert "Max core file size        0 " in limits
        assert int((place / "oom_score_adj").read_text()) == 1000
    finally:
        await answer.aclose()
    assert not psutil.pid_exists(answer.pid or 0)


async def test_an_answer_nobody_fetches_is_given_up() -> None:
    boxes = Boxes(Bounds(send_secs=0.2))
    answer = await long_answer(boxes)
    await asyncio.to_thread(wait_gone, answer.pid)
    with pytest.raises(SqlRefused):
        async for _ in answer:
            pass
    await answer.aclose()
    assert boxes.in_use == 0


async def test_a_box_that_dies_is_a_refusal_and_leaves_room() -> None:
    boxes = Boxes()
    answer = await long_answer(boxes)
    os.kill(answer.pid or 0, signal.SIGSEGV)
    with pytest.raises(SqlRefused, match="code -11"):
        async for _ in answer:
            pass
    await answer.aclose()
    assert boxes.in_use == 0


async def test_items_that_stop_coming_end_with_the_time() -> None:
    closed = asyncio.Event()

    async def stalled() -> AsyncGenerator[bytes, None]:
        try:
            yield b'{"n":1}\n'
            await asyncio.Event().wait()
        finally:
            closed.set()

    boxes = Boxes(Bounds(secs=2))
    with pytest.raises(SqlTimedOut):
        await boxes.ask("alice", Question(tables={"dataset": stalled()}, sql="SELECT 1", format="json"))
    assert closed.is_set()
    assert boxes.in_use == 0


SERVER = """
import asyncio, structlog
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
from actorium.datasets.sql.boxes import Boxes, Question
async def nothing():
    yield b""
async def main():
    sql = "SELECT repeat('x', 1000) FROM range(100000)"
    answer = await Boxes().ask("alice", Question(tables={"dataset": nothing()}, sql=sql, format="csv"))
    print(answer.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def test_a_box_ends_with_its_server() -> None:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            pid = int(server.stdout.readline())
            with open_pid(pid) as handle:
                server.kill()
                assert select.select([handle], [], [], GONE_SECS_MAX)[0], "the box outlived its server"
        finally:
            server.kill()


def test_a_box_ends_when_the_client_leaves(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        _, made = server.api("POST", "/v2/datasets")
        dataset = made["data"]["id"]
        assert server.api("POST", f"/v2/datasets/{dataset}/items", [{"n": 1}])[0] == 201
        body = json.dumps({"sql": ENDLESS})
        host, _, port = server.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(
                f"POST /v2/datasets/{dataset}/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            box = box_of(server.pid)
            handle = open_pid(box)
        with handle:
            assert select.select([handle], [], [], GONE_SECS_MAX)[0], "the box outlived its client"
        status, rows = server.api("POST", f"/v2/datasets/{dataset}/query", {"sql": "FROM dataset"})
        assert (status, rows) == (200, [{"n": 1}])


def box_of(server: int) -> int:
    """The first box of a server, as soon as there is one."""
    process = psutil.Process(server)
    while True:
        for child in process.children():
            with suppress(psutil.NoSuchProcess):
                if any("sql/box" in part for part in child.cmdline()):
                    return child.pid


class open_pid:
    """A process as something that can be waited for."""

    def __init__(self, pid: int) -> None:
        self._fd = os.pidfd_open(pid)

    def fileno(self) -> int:
        return self._fd

    def __enter__(self) -> open_pid:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def wait_gone(pid: int | None) -> None:
    with suppress(ProcessLookupError), open_pid(pid or 0) as handle:
        assert select.select([handle], [], [], GONE_SECS_MAX)[0]
