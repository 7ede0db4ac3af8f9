"""A run on the wire, property by property as the API writes it. ``docs/run-object.md`` says where each comes from."""

from __future__ import annotations

from enum import StrEnum

from msgspec import field

from actorium.actors.pricing import PricingInfo
from actorium.kernel.instant import Instant
from actorium.kernel.structs import UNSET, UnsetType, Wire
from actorium.runs.lifecycle import RunStatus


class RunOrigin(StrEnum):
    """Who asked for a run."""

    DEVELOPMENT = "DEVELOPMENT"
    WEB = "WEB"
    API = "API"
    SCHEDULER = "SCHEDULER"
    TEST = "TEST"
    WEBHOOK = "WEBHOOK"
    ACTOR = "ACTOR"
    CLI = "CLI"
    STANDBY = "STANDBY"
    CI = "CI"
    MCP = "MCP"


class GeneralAccess(StrEnum):
    """Who may read a run beside its owner."""

    ANYONE_WITH_ID_CAN_READ = "ANYONE_WITH_ID_CAN_READ"
    ANYONE_WITH_NAME_CAN_READ = "ANYONE_WITH_NAME_CAN_READ"
    FOLLOW_USER_SETTING = "FOLLOW_USER_SETTING"
    RESTRICTED = "RESTRICTED"


class RunAccess(StrEnum):
    """What a caller may choose of it: a run has no name to be read by."""

    ANYONE_WITH_ID_CAN_READ = "ANYONE_WITH_ID_CAN_READ"
    FOLLOW_USER_SETTING = "FOLLOW_USER_SETTING"
    RESTRICTED = "RESTRICTED"


class RunMeta(Wire, kw_only=True, frozen=True):
    """Where a run came from."""

    origin: RunOrigin
    client_ip: str | None = None
    user_agent: str | None = None
    schedule_id: str | None = None
    scheduled_at: Instant | None = None


class RunStats(Wire, kw_only=True, frozen=True):
    """What was measured. A value that this host cannot measure is absent, and so is the length of no input."""

    input_body_len: int | UnsetType = UNSET
    migration_count: int = 0
    reboot_count: int = 0
    restart_count: int = 0
    resurrect_count: int = 0
    mem_avg_bytes: float | UnsetType = UNSET
    mem_max_bytes: int | UnsetType = UNSET
    mem_current_bytes: int | UnsetType = UNSET
    cpu_avg_usage: float | UnsetType = UNSET
    cpu_max_usage: float | UnsetType = UNSET
    cpu_current_usage: float | UnsetType = UNSET
    net_rx_bytes: int | UnsetType = UNSET
    net_tx_bytes: int | UnsetType = UNSET
    duration_millis: int = 0
    run_time_secs: float = 0
    metamorph: int = 0
    compute_units: float = 0


class RunOptions(Wire, kw_only=True, frozen=True):
    """What the run was started with, resolved."""

    build: str
    timeout_secs: int
    memory_mbytes: int
    disk_mbytes: int
    max_items: int | UnsetType = UNSET
    max_total_charge_usd: float | UnsetType = UNSET
    restart_on_error: bool | UnsetType = UNSET


class StorageIds(Wire, kw_only=True, frozen=True):
    """The run's storages by alias; ``default`` is always there."""

    datasets: dict[str, str]
    key_value_stores: dict[str, str]
    request_queues: dict[str, str]

    def every(self) -> frozenset[str]:
        """The ids of all of them."""
        return frozenset((*self.datasets.values(), *self.key_value_stores.values(), *self.request_queues.values()))


class Metamorph(Wire, kw_only=True, frozen=True):
    """One change of the run into another Actor."""

    created_at: Instant
    actor_id: str
    build_id: str
    input_key: str | None = None


class ForkedFrom(Wire, kw_only=True, frozen=True):
    """The moment of another run that a run began with."""

    run_id: str
    at: Instant
    is_persisted: bool
    """Whether nothing of the other run's was only in its memory: it was not running, or had just written its state."""


class RunUsage(Wire, kw_only=True, frozen=True, rename=None):
    """What a run used, by the API's keys."""

    actor_compute_units: float | None | UnsetType = field(name="ACTOR_COMPUTE_UNITS", default=UNSET)
    dataset_reads: int | None | UnsetType = field(name="DATASET_READS", default=UNSET)
    dataset_writes: int | None | UnsetType = field(name="DATASET_WRITES", default=UNSET)
    key_value_store_reads: int | None | UnsetType = field(name="KEY_VALUE_STORE_READS", default=UNSET)
    key_value_store_writes: int | None | UnsetType = field(name="KEY_VALUE_STORE_WRITES", default=UNSET)
    key_value_store_lists: int | None | UnsetType = field(name="KEY_VALUE_STORE_LISTS", default=UNSET)
    request_queue_reads: int | None | UnsetType = field(name="REQUEST_QUEUE_READS", default=UNSET)
    request_queue_writes: int | None | UnsetType = field(name="REQUEST_QUEUE_WRITES", default=UNSET)
    data_transfer_internal_gbytes: float | None | UnsetType = field(name="DATA_TRANSFER_INTERNAL_GBYTES", default=UNSET)
    data_transfer_external_gbytes: float | None | UnsetType = field(name="DATA_TRANSFER_EXTERNAL_GBYTES", default=UNSET)
    proxy_residential_transfer_gbytes: float | None | UnsetType = field(
        name="PROXY_RESIDENTIAL_TRANSFER_GBYTES", default=None
    )
    proxy_serps: int | None | UnsetType = field(name="PROXY_SERPS", default=None)


class RunUsageUsd(Wire, kw_only=True, frozen=True, rename=None):
    """What it costs in USD, by the same keys."""

    actor_compute_units: float | None | UnsetType = field(name="ACTOR_COMPUTE_UNITS", default=UNSET)
    dataset_reads: float | None | UnsetType = field(name="DATASET_READS", default=UNSET)
    dataset_writes: float | None | UnsetType = field(name="DATASET_WRITES", default=UNSET)
    key_value_store_reads: float | None | UnsetType = field(name="KEY_VALUE_STORE_READS", default=UNSET)
    key_value_store_writes: float | None | UnsetType = field(name="KEY_VALUE_STORE_WRITES", default=UNSET)
    key_value_store_lists: float | None | UnsetType = field(name="KEY_VALUE_STORE_LISTS", default=UNSET)
    request_queue_reads: float | None | UnsetType = field(name="REQUEST_QUEUE_READS", default=UNSET)
    request_queue_writes: float | None | UnsetType = field(name="REQUEST_QUEUE_WRITES", default=UNSET)
    data_transfer_internal_gbytes: float | None | UnsetType = field(name="DATA_TRANSFER_INTERNAL_GBYTES", default=UNSET)
    data_transfer_external_gbytes: float | None | UnsetType = field(name="DATA_TRANSFER_EXTERNAL_GBYTES", default=UNSET)
    proxy_residential_transfer_gbytes: float | None | UnsetType = field(
        name="PROXY_RESIDENTIAL_TRANSFER_GBYTES", default=None
    )
    proxy_serps: float | None | UnsetType = field(name="PROXY_SERPS", default=None)


class RunShort(Wire, kw_only=True, frozen=True):
    """A run in a list."""

    id: str
    act_id: str
    user_id: str
    actor_task_id: str | None = None
    status: RunStatus
    started_at: Instant
    finished_at: Instant | None = None
    build_id: str
    build_number: str
    build_number_int: int
    meta: RunMeta
    usage_total_usd: float
    default_key_value_store_id: str
    default_dataset_id: str
    default_request_queue_id: str


class RunView(Wire, kw_only=True, frozen=True):
    """The whole run object."""

    id: str
    act_id: str
    user_id: str
    actor_task_id: str | None = None
    started_at: Instant
    finished_at: Instant | None = None
    status: RunStatus
    status_message: str | None = None
    is_status_message_terminal: bool | None = None
    meta: RunMeta
    pricing_info: PricingInfo | UnsetType = UNSET
    stats: RunStats
    charged_event_counts: dict[str, int] | UnsetType = UNSET
    options: RunOptions
    build_id: str
    exit_code: int | None = None
    general_access: GeneralAccess
    default_key_value_store_id: str
    default_dataset_id: str
    default_request_queue_id: str
    storage_ids: StorageIds
    build_number: str
    container_url: str
    is_container_server_ready: bool | None = False
    git_branch_name: str | None = None
    usage: RunUsage | None
    usage_total_usd: float | None | UnsetType
    usage_usd: RunUsageUsd | None | UnsetType
    metamorphs: list[Metamorph] | None = None
    output: dict[str, str] | UnsetType = UNSET
    """Absent where the build has no output schema."""
    forked_from: ForkedFrom | UnsetType = UNSET
    """Beyond the API: absent in a run that is no fork."""


class UpdateRun(Wire, kw_only=True, frozen=True):
    """What a caller may change of a run. Absent: left as it is."""

    run_id: str | None | UnsetType = UNSET
    status_message: str | None | UnsetType = UNSET
    is_status_message_terminal: bool | None | UnsetType = UNSET
    general_access: RunAccess | UnsetType = UNSET
