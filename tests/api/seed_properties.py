"""What the two seed pages (abort run, reboot run) say of the run object and of errors: written down by hand.

Both pages print the same schema; their example replies differ. A path names a property: ``stats.memAvgBytes``,
``metamorphs[].createdAt`` for those of a list's entries, ``chargedEventCounts.*`` for those of a map.
"""

from __future__ import annotations

from dataclasses import dataclass

STATUSES = ("READY", "RUNNING", "SUCCEEDED", "FAILED", "TIMING-OUT", "TIMED-OUT", "ABORTING", "ABORTED")
ORIGINS = ("DEVELOPMENT", "WEB", "API", "SCHEDULER", "TEST", "WEBHOOK", "ACTOR", "CLI", "STANDBY")
ACCESSES = ("ANYONE_WITH_ID_CAN_READ", "ANYONE_WITH_NAME_CAN_READ", "FOLLOW_USER_SETTING", "RESTRICTED")
PRICING_MODELS = ("PAY_PER_EVENT", "PRICE_PER_DATASET_ITEM", "FLAT_PRICE_PER_MONTH", "FREE")


@dataclass(frozen=True, kw_only=True)
class Property:
    """One line of the pages' schema."""

    path: str
    kind: str
    """string, date-time, uri, integer, number, boolean, object or list."""
    required: bool = False
    nullable: bool = False
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


def _p(path: str, kind: str, marks: str = "", **more: object) -> Property:
    """``marks``: required, nullable or both."""
    return Property(path=path, kind=kind, required="required" in marks, nullable="nullable" in marks, **more)  # type: ignore[arg-type]


_TOP = (
    _p("id", "string", "required"),
    _p("actId", "string", "required"),
    _p("userId", "string", "required"),
    _p("actorTaskId", "string", "nullable"),
    _p("startedAt", "date-time", "required"),
    _p("finishedAt", "date-time", "nullable"),
    _p("status", "string", "required", choices=STATUSES),
    _p("statusMessage", "string", "nullable"),
    _p("isStatusMessageTerminal", "boolean", "nullable"),
    _p("meta", "object", "required"),
    _p("meta.origin", "string", "required", choices=ORIGINS),
    _p("meta.clientIp", "string", "nullable"),
    _p("meta.userAgent", "string", "nullable"),
    _p("meta.scheduleId", "string", "nullable"),
    _p("meta.scheduledAt", "date-time", "nullable"),
    _p("pricingInfo", "object"),
)
_STATS = (
    _p("stats", "object", "required"),
    _p("stats.inputBodyLen", "integer", low=0),
    _p("stats.migrationCount", "integer", low=0),
    _p("stats.rebootCount", "integer", low=0),
    _p("stats.restartCount", "integer", "required", low=0),
    _p("stats.resurrectCount", "integer", "required", low=0),
    _p("stats.memAvgBytes", "number"),
    _p("stats.memMaxBytes", "integer", low=0),
    _p("stats.memCurrentBytes", "integer", low=0),
    _p("stats.cpuAvgUsage", "number"),
    _p("stats.cpuMaxUsage", "number"),
    _p("stats.cpuCurrentUsage", "number"),
    _p("stats.netRxBytes", "integer", low=0),
    _p("stats.netTxBytes", "integer", low=0),
    _p("stats.durationMillis", "integer", low=0),
    _p("stats.runTimeSecs", "number", low=0),
    _p("stats.metamorph", "integer", low=0),
    _p("stats.computeUnits", "number", "required", low=0),
)
_MIDDLE = (
    _p("chargedEventCounts", "object"),
    _p("chargedEventCounts.*", "integer"),
    _p("options", "object", "required"),
    _p("options.build", "string", "required"),
    _p("options.timeoutSecs", "integer", "required", low=0),
    _p("options.memoryMbytes", "integer", "required", low=128, high=32768),
    _p("options.diskMbytes", "integer", "required", low=0),
    _p("options.maxItems", "integer", low=1),
    _p("options.maxTotalChargeUsd", "number", low=0),
    _p("buildId", "string", "required"),
    _p("exitCode", "integer", "nullable"),
    _p("generalAccess", "string", "required", choices=ACCESSES),
    _p("defaultKeyValueStoreId", "string", "required"),
    _p("defaultDatasetId", "string", "required"),
    _p("defaultRequestQueueId", "string", "required"),
    _p("storageIds", "object"),
    _p("storageIds.datasets", "object"),
    _p("storageIds.datasets.default", "string"),
    _p("storageIds.keyValueStores", "object"),
    _p("storageIds.keyValueStores.default", "string"),
    _p("storageIds.requestQueues", "object"),
    _p("storageIds.requestQueues.default", "string"),
    _p("buildNumber", "string"),
    _p("containerUrl", "uri"),
    _p("isContainerServerReady", "boolean", "nullable"),
    _p("gitBranchName", "string", "nullable"),
)
USAGE_KINDS = {
    "ACTOR_COMPUTE_UNITS": "number",
    "DATASET_READS": "integer",
    "DATASET_WRITES": "integer",
    "KEY_VALUE_STORE_READS": "integer",
    "KEY_VALUE_STORE_WRITES": "integer",
    "KEY_VALUE_STORE_LISTS": "integer",
    "REQUEST_QUEUE_READS": "integer",
    "REQUEST_QUEUE_WRITES": "integer",
    "DATA_TRANSFER_INTERNAL_GBYTES": "number",
    "DATA_TRANSFER_EXTERNAL_GBYTES": "number",
    "PROXY_RESIDENTIAL_TRANSFER_GBYTES": "number",
    "PROXY_SERPS": "integer",
}
_USAGE = (
    _p("usage", "object", "nullable"),
    *(_p(f"usage.{key}", kind, "nullable") for key, kind in USAGE_KINDS.items()),
    _p("usageTotalUsd", "number", "nullable"),
    _p("usageUsd", "object", "nullable"),
    *(_p(f"usageUsd.{key}", "number", "nullable") for key in USAGE_KINDS),
    _p("metamorphs", "list", "nullable"),
    _p("metamorphs[].createdAt", "date-time", "required"),
    _p("metamorphs[].actorId", "string", "required"),
    _p("metamorphs[].buildId", "string", "required"),
    _p("metamorphs[].inputKey", "string", "nullable"),
)
RUN: tuple[Property, ...] = (*_TOP, *_STATS, *_MIDDLE, *_USAGE)
"""The run object without its pricing record."""

_EVERY_MODEL = (
    _p("pricingModel", "string", "required", choices=PRICING_MODELS),
    _p("apifyMarginPercentage", "number", "required", low=0, high=1),
    _p("createdAt", "date-time", "required"),
    _p("startedAt", "date-time", "required"),
    _p("notifiedAboutFutureChangeAt", "date-time", "nullable"),
    _p("notifiedAboutChangeAt", "date-time", "nullable"),
    _p("reasonForChange", "string", "nullable"),
)
PRICING: dict[str, tuple[Property, ...]] = {
    "PAY_PER_EVENT": (
        *_EVERY_MODEL,
        _p("pricingPerEvent", "object", "required"),
        _p("pricingPerEvent.actorChargeEvents", "object"),
        _p("pricingPerEvent.actorChargeEvents.*", "object"),
        _p("pricingPerEvent.actorChargeEvents.*.eventPriceUsd", "number", "required"),
        _p("pricingPerEvent.actorChargeEvents.*.eventTitle", "string", "required"),
        _p("pricingPerEvent.actorChargeEvents.*.eventDescription", "string", "required"),
        _p("minimalMaxTotalChargeUsd", "number", "nullable"),
    ),
    "PRICE_PER_DATASET_ITEM": (
        *_EVERY_MODEL,
        _p("unitName", "string", "required"),
        _p("pricePerUnitUsd", "number", "required"),
    ),
    "FLAT_PRICE_PER_MONTH": (
        *_EVERY_MODEL,
        _p("trialMinutes", "integer", "required"),
        _p("pricePerUnitUsd", "number", "required"),
    ),
    "FREE": _EVERY_MODEL,
}
"""The pricing record by its model."""

ERROR_STATUSES = (400, 401, 403, 404, 405, 429)
"""Both pages list these, each with ``{"error": {"type", "message"}}``."""
