"""Proofs and sums for people: tables on the terminal; and as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from actorium.upkeep.copying import Proof
from actorium.upkeep.usage import Part, Usage

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
NOBODY = "(nobody)"


def amount(size: int) -> str:
    """Bytes in three digits and a unit of a thousand."""
    value, unit = float(size), 0
    while abs(value) >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g} {_UNITS[unit]}" if unit else f"{size} B"


def show_proof(proof: Proof, console: Console) -> None:
    """Every table and the blobs, on both sides."""
    table = _table("What was compared", "", "source", "target", "checksum", "")
    for line in proof.lines:
        checksum = str(line.source) if line.is_same else f"{line.source} / {line.target}"
        mark = Text("same", "green") if line.is_same else Text("DIFFERS", "red")
        table.add_row(line.name, f"{line.source.count:,}", f"{line.target.count:,}", checksum, mark)
    console.print(table)
    if proof.lost:
        console.print(f"{proof.lost:,} rows name a blob that the source does not hold: they lost it before this copy.")


def show_usage(usage: Usage, console: Console) -> None:
    """By kind, by user, and the largest storages."""
    kinds = _table("What it is", "", "rows", "in the database", "blobs", "in blobs", "together")
    for name, part in sorted(usage.kinds.items(), key=lambda item: -item[1].total):
        if part.rows or part.blobs:
            kinds.add_row(name, *_cells(part))
    overhead = [("indexes and overhead", usage.overhead_bytes), ("free for new rows", usage.free_bytes)]
    for name, size in overhead:
        kinds.add_row(name, "", amount(size), "", "", amount(size))
    others = [("deleted, waiting to go", usage.waiting), ("named by no row", usage.unnamed), ("the mark", usage.own)]
    for name, part in others:
        if part.blobs:
            kinds.add_row(name, "", "", f"{part.blobs:,}", amount(part.blob_bytes), amount(part.blob_bytes))
    for name, size in usage.files.items():
        kinds.add_row(name, "", "", "", "", amount(size))
    kinds.add_section()
    kinds.add_row(
        "everything", "", amount(usage.database_bytes), "", amount(usage.blob_bytes), amount(usage.total), style="bold"
    )
    console.print(kinds)
    users = _table("Whose it is", "", "rows", "in the database", "blobs", "in blobs", "together")
    for name, part in sorted(usage.users.items(), key=lambda item: -item[1].total):
        users.add_row(name or NOBODY, *_cells(part))
    console.print(users)
    storages = _table("The largest storages", "", "name", "user", "", "")
    for one in usage.largest:
        storages.add_row(one.kind, one.name or "", one.owner or NOBODY, one.id, amount(one.total))
    console.print(storages)
    if usage.lost:
        console.print(f"{usage.lost:,} rows name a blob that is not there.", style="red")


def usage_document(usage: Usage) -> dict[str, Any]:
    """The same as JSON: bytes, in camel case as the API writes."""
    return {
        "totalBytes": usage.total,
        "databaseBytes": usage.database_bytes,
        "blobBytes": usage.blob_bytes,
        "kinds": {name: _document(part) for name, part in usage.kinds.items()},
        "overheadBytes": usage.overhead_bytes,
        "freeBytes": usage.free_bytes,
        "waitingBlobs": _document(usage.waiting),
        "unnamedBlobs": _document(usage.unnamed),
        "ownBlobs": _document(usage.own),
        "files": usage.files,
        "users": {name or NOBODY: _document(part) for name, part in usage.users.items()},
        "largest": [
            {"kind": one.kind, "id": one.id, "name": one.name, "user": one.owner or NOBODY, "bytes": one.total}
            for one in usage.largest
        ],
        "lostBlobs": usage.lost,
    }


def _document(part: Part) -> dict[str, int]:
    return {"rows": part.rows, "rowBytes": part.row_bytes, "blobs": part.blobs, "blobBytes": part.blob_bytes}


def _cells(part: Part) -> list[str]:
    return [f"{part.rows:,}", amount(part.row_bytes), f"{part.blobs:,}", amount(part.blob_bytes), amount(part.total)]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=any(columns))
    for at, column in enumerate(columns):
        table.add_column(column, justify="right" if at and column not in ("checksum", "name", "user") else "left")
    return table
