"""From a run's row to what an executor needs to start its container."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from actorium.executors import Spec
from actorium.kernel.clock import Clock
from actorium.kernel.limits import CONTAINER_WEB_PORT, LOG_BYTES_MAX, PIDS_MAX
from actorium.runs.environment import Surroundings, cpu_cores, environment
from actorium.runs.lifecycle import container_name
from actorium.runs.row import Run
from actorium.runs.tokens import RunTokens

OwnVariables = Callable[[Run], Awaitable[Mapping[str, str]]]
"""The Actor's own variables, from the run's build, secrets in clear."""
ChargedCounts = Callable[[Run], Awaitable[Mapping[str, int]]]
"""How often each event of a run was charged until now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Specs:
    """Makes specs; what the server knows of itself is given once."""

    own: OwnVariables
    charged: ChargedCounts
    tokens: RunTokens
    clock: Clock
    api_port: int
    api_base_url: str
    public_base_url: str
    container_url: Callable[[int], str]
    cpu_cores_min: float
    """A run may use at least so many cores while nobody else needs them."""

    async def of(self, run: Run) -> Spec:
        """The spec of a run's present attempt."""
        options = run.options
        own = await self.own(run)
        cores = max(cpu_cores(options.memory_mbytes), self.cpu_cores_min)
        deadline, timeout_secs = run.life.deadline_at, options.timeout_secs or None
        around = Surroundings(
            api_base_url=self.api_base_url,
            public_base_url=self.public_base_url,
            token=self.tokens.token(run.id, len(run.document.metamorphs)),
            cpu_cores=cores,
            container_url=self.container_url(run.web_port),
            container_port=CONTAINER_WEB_PORT,
        )
        told = deadline  # the process is told its deadline before it starts: a little early, the first time
        if told is None and timeout_secs is not None:
            told = self.clock.now().plus(secs=timeout_secs)
        env = environment(run, around, own=own, deadline=told, charged=await self.charged(run))
        return Spec(
            name=container_name(run.id, run.life.attempt),
            image=run.document.image_reference,
            owner_number=run.document.owner_number,
            env=env,
            memory_mbytes=options.memory_mbytes,
            disk_mbytes=options.disk_mbytes,
            cpu_cores=cores,
            cpu_weight=cpu_cores(options.memory_mbytes),
            pids_max=PIDS_MAX,
            deadline=deadline,
            timeout_secs=timeout_secs if deadline is None else None,
            log_bytes_max=LOG_BYTES_MAX,
            web_port=run.web_port,
            container_port=_port(env["ACTOR_WEB_SERVER_PORT"]),
            api_port=self.api_port,
        )


def _port(text: str) -> int:
    """The port an Actor chose for itself; the default when it is no port."""
    return int(text) if text.isdecimal() and 0 < int(text) < 65_536 else CONTAINER_WEB_PORT
