"""Storages that runs made before their Actor was noted are known as that Actor's afterwards."""

from __future__ import annotations

from actorium.database import Tx
from actorium.database.inline import Inline
from actorium.database.migrate import migrate, packaged
from actorium.kernel.instant import Instant
from actorium.storages.kinds import KINDS
from dataset_world import drive


def test_storages_are_known_as_those_of_their_actor() -> None:
    database = drive(Inline.open())
    drive(migrate(database, Instant(1), migrations=[one for one in packaged() if one.number < 17]))

    def fill(tx: Tx) -> None:
        columns = [row["name"] for row in tx.all("SELECT name FROM pragma_table_info('runs') WHERE \"notnull\" = 1")]
        columns = sorted({*columns, "id", "actor_id"})
        values = {name: {"id": "run", "actor_id": "actor"}.get(name, 0) for name in columns}
        tx.run(f"INSERT INTO runs ({', '.join(columns)}) VALUES ({', '.join(f':{one}' for one in columns)})", **values)
        for kind in KINDS:
            for name, maker in (("of-run", "run"), ("of-gone-run", "gone"), ("of-user", None)):
                tx.run(
                    f"INSERT INTO {kind.table} (id, owner_id, name, created_by_run, created_at, modified_at,"
                    " accessed_at, document) VALUES (:name, 'alice', :name, :maker, 1, 1, 1, '{}')",
                    name=name,
                    maker=maker,
                )

    drive(database.write(fill))
    drive(migrate(database, Instant(2)))
    for kind in KINDS:
        rows = drive(database.read(lambda tx, kind=kind: tx.all(f"SELECT id, act_id FROM {kind.table} ORDER BY id")))
        assert [(row["id"], row["act_id"]) for row in rows] == [
            ("of-gone-run", None),
            ("of-run", "actor"),
            ("of-user", None),
        ]
