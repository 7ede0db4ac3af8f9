"""What a closed box does: tables in, one statement, its result out."""

from __future__ import annotations

import json
import re

import duckdb

from actorium.datasets.sql.box import answers, frames, tables
from actorium.datasets.sql.box.outlet import PATH, Outlet, attach
from actorium.kernel.limits import SQL_MESSAGE_CHARS_MAX

_SAID_BEFORE = re.compile(r"\n+LINE \d+:.*", re.DOTALL)  # a copy of the statement
_ADVICE = re.compile(r"\n+Possible solutions:.*", re.DOTALL)  # settings that are locked here


def connect(*, memory_mbytes: int, threads: int) -> tuple[duckdb.DuckDBPyConnection, Outlet]:
    """A database in memory that reaches nothing but an outlet, and whose configuration can no longer be changed."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": str(threads),
            "async_threads": "0",
            "memory_limit": f"{memory_mbytes}MiB",
            "temp_directory": "",
            "max_temp_directory_size": "0KiB",
            "allow_persistent_secrets": "false",
            "allow_community_extensions": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
        },
    )
    outlet = attach(connection)
    for setting in (
        "TimeZone = 'UTC'",
        f"allowed_paths = ['{PATH}']",
        "disabled_filesystems = 'LocalFileSystem'",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")
    answers.prepare(connection)
    return connection, outlet


def answer(connection: duckdb.DuckDBPyConnection, outlet: Outlet) -> None:
    """Take in one question with its tables and answer it. Raises frames.PipeClosed."""
    kind, payload = frames.receive()
    assert kind == frames.QUESTION
    question = json.loads(payload)
    try:
        for name in question["tables"]:
            tables.load(connection, name, frames.blocks())
        if question["sql"] is None:
            result = answers.whole(connection, question["tables"][0])
        else:
            result = answers.run(connection, question["sql"], rows_max=question["rowsMax"])
        frames.send(frames.ANSWER, json.dumps({"rows": result.rows, "truncated": result.truncated}).encode())
        answers.write(connection, outlet, result, question["format"], lambda piece: frames.send(frames.DATA, piece))
    except (duckdb.OutOfMemoryException, MemoryError):
        _refuse("memory", "")
    except answers.NoColumns:
        _refuse("empty", "")
    except (tables.UnfitItems, answers.NotOneRead) as error:
        _refuse("unfit", str(error))
    except duckdb.Error as error:
        _refuse("sql", _shown(error))
    else:
        frames.send(frames.DONE)


def _shown(error: duckdb.Error) -> str:
    """DuckDB's message without a copy of the statement and without advice that does not apply."""
    said = str(error)
    if "Traceback (most recent call last)" in said:  # of this process: its paths are nobody's business
        return "The statement asks for something that is not there in this sandbox."
    text = _ADVICE.sub("", _SAID_BEFORE.sub("", said)).strip()
    return " ".join(text.split())[:SQL_MESSAGE_CHARS_MAX]


def _refuse(kind: str, message: str) -> None:
    frames.send(frames.REFUSED, json.dumps({"kind": kind, "message": message}).encode())
