"""A run as it is stored: columns for what SQL filters and sorts, one JSON document for the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from actorium.actors.pricing import PricingInfo, Tier
from actorium.charging.terms import ZERO, Terms
from actorium.kernel.instant import Instant
from actorium.kernel.structs import UNSET, Wire
from actorium.runs.lifecycle import Life, RunStatus
from actorium.runs.model import ForkedFrom, GeneralAccess, Metamorph, RunMeta, RunOptions, StorageIds


class Document(Wire, kw_only=True, frozen=True, omit_defaults=True):
    """What no query filters by. Times are milliseconds."""

    actor_name: str
    username: str
    """The Actor's owner."""
    present_actor_id: str | None = None
    """The Actor that the run has become by a metamorph, which the two names above are of; None: that of the row."""
    starter_name: str
    """The run's owner."""
    owner_number: int
    build_number: str
    build_tags: tuple[str, ...] = ()
    image_reference: str
    options: RunOptions
    storage_ids: StorageIds
    client_ip: str | None = None
    user_agent: str | None = None
    workflow_key: str | None = None
    general_access: GeneralAccess = GeneralAccess.FOLLOW_USER_SETTING
    git_branch_name: str | None = None
    pricing_info: PricingInfo | None = None
    """What the Actor cost when the run started."""
    pricing_tier: Tier = Tier.FREE
    unpaid_usd: Decimal = ZERO
    """What it was charged beyond the limits that it had before it was resurrected."""
    owns_actor: bool = False
    """The run's owner was the Actor's when it started."""
    input_body_len: int | None = None
    input_key: str = "INPUT"
    permission_level: str = "LIMITED_PERMISSIONS"
    granted_storages: dict[str, tuple[str, ...]] = {}
    """Storages that the input hands over, by id: READ, or READ and WRITE."""
    is_container_server_ready: bool = False
    attempt_started_at: int | None = None
    deadline_at: int | None = None
    kill_at: int | None = None
    is_graceful: bool = False
    exit_code: int | None = None
    status_message: str | None = None
    is_status_message_terminal: bool | None = None
    migrate_at: int | None = None
    is_leaving: bool = False
    active_millis: int = 0
    reboot_count: int = 0
    resurrect_count: int = 0
    migration_count: int = 0
    restart_count: int = 0
    restarts: tuple[int, ...] = ()
    metamorphs: tuple[Metamorph, ...] = ()
    earlier_build_ids: tuple[str, ...] = ()
    """Of before its metamorphs and resurrections: what they wrote may be on its way to the log, or in a store."""
    output_templates: dict[str, str] | None = None
    """Of its build's output schema; None: the build has none."""
    forked_from: ForkedFrom | None = None
    persist_at: int | None = None
    """When the Actor was last asked to write its state, for a fork."""
    why_aborted: str | None = None
    """By which limit or brake the server ends it, if it does: the last line of its log."""
    resurrected_at: int | None = None
    """When it stood in line again, the last time."""
    earlier_compute_units: float = 0.0
    """What was used before the memory was last chosen anew, by a resurrection."""
    earlier_millis: int = 0
    """How long containers had run until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run. ``life`` is the part that only ``lifecycle.step`` changes."""

    id: str
    owner_id: str
    actor_id: str
    task_id: str | None = None
    build_id: str
    meta: RunMeta
    started_at: Instant
    web_port: int
    created_by_run: str | None = None
    revision: int = 1
    life: Life
    document: Document = field(repr=False)

    @property
    def status(self) -> RunStatus:
        return self.life.status

    @property
    def in_line_since(self) -> int:
        """Since when it waits for a place, or waited: a resurrected run comes behind those that were there before."""
        return self.document.resurrected_at or int(self.started_at)

    @property
    def options(self) -> RunOptions:
        return self.document.options


def terms(run: Run) -> Terms:
    """What the run is charged for."""
    document, options = run.document, run.options
    return Terms(
        pricing=document.pricing_info,
        tier=document.pricing_tier,
        max_total_usd=None if options.max_total_charge_usd is UNSET else options.max_total_charge_usd,
        max_items=None if options.max_items is UNSET else options.max_items,
        unpaid_usd=document.unpaid_usd,
    )


def instant(millis: int | None) -> Instant | None:
    return None if millis is None else Instant(millis)
