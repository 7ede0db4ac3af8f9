"""Every operation of the API, and every path that leads to another one."""

from __future__ import annotations

from actorium.actors import api as actors_api
from actorium.actors import versions_api
from actorium.builds import api as builds_api
from actorium.datasets import api as datasets_api
from actorium.http.route import Alias, Route
from actorium.inputs import api as inputs_api
from actorium.key_value_stores import api as key_value_stores_api
from actorium.logs import api as logs_api
from actorium.request_queues import api as request_queues_api
from actorium.runs import api as runs_api
from actorium.runs import charges_api, forks_api, transitions_api
from actorium.runs.aliases import aliases as run_aliases
from actorium.runs.brakes import api as brakes_api
from actorium.tasks import api as tasks_api
from actorium.users import api as users_api
from actorium.wiring.features import Features
from actorium.wiring.permissions import limited


def routes(features: Features) -> list[Route]:
    """Every operation of the API."""
    found = [
        *users_api.routes(features.users),
        *brakes_api.routes(features.brakes),
        *actors_api.routes(features.actors),
        *versions_api.routes(features.actors.versions),
        *builds_api.routes(features.builds),
        *inputs_api.routes(features.inputs),
        *runs_api.routes(features.runs, features.starter),
        *features.sync_runs.of_actors(features.starter),
        *tasks_api.routes(features.tasks, features.runs, features.sync_runs),
        *charges_api.routes(features.charges),
        *transitions_api.routes(features.transitions),
        *forks_api.routes(features.forks, features.runs),
        *logs_api.routes(features.logs),
        *datasets_api.routes(features.datasets, features.queries),
        *key_value_stores_api.routes(features.key_value_stores),
        *request_queues_api.routes(features.request_queues),
    ]
    return limited(found)


def aliases(features: Features) -> list[Alias]:
    """Every path that leads to another one."""
    runs = features.runs
    return [
        *run_aliases(
            storages=runs.storages,
            run_of_actor=runs.of_actor,
            seen_run_of_actor=runs.seen_of_actor,
            last_run=features.last_run,
        ),
        *tasks_api.aliases(features.tasks, runs.storages),
        *builds_api.aliases(features.builds),
    ]
