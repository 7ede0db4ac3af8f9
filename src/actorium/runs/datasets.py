"""The datasets that a build declares and a run has not got yet: it may come to another build long after its start."""

from __future__ import annotations

from dataclasses import dataclass, replace

from msgspec import structs

from actorium.builds.row import BuildRow
from actorium.builds.service import Builds
from actorium.database import Tx
from actorium.datasets.service import Datasets
from actorium.kernel.clock import Clock
from actorium.kernel.ids import Ids
from actorium.runs.row import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingDatasets:
    """Makes them. Those of the build before stay with the run."""

    builds: Builds
    datasets: Datasets
    clock: Clock
    ids: Ids

    def made_in(self, tx: Tx, run: Run, build: BuildRow) -> Run:
        """The run with every dataset of the build it goes on with."""
        ids = run.document.storage_ids
        missing = [alias for alias in build.facts.dataset_aliases if alias not in ids.datasets]
        if not missing:
            return run
        schemas = self.builds.storages_in(tx, build).datasets
        made = {alias: self.ids.new() for alias in missing}
        for alias, dataset_id in made.items():
            self.datasets.create_in(
                tx,
                id=dataset_id,
                owner_id=run.owner_id,
                now=self.clock.now(),
                created_by_run=run.id,
                act_id=run.actor_id,
                schema=schemas.get(alias),
            )
        whole = structs.replace(ids, datasets=ids.datasets | made)
        return replace(run, document=structs.replace(run.document, storage_ids=whole))
