"""The example replies of the two seed pages, and one pricing record of each model in the pages' shape."""

from __future__ import annotations

from typing import Any

_KEYS = (
    "ACTOR_COMPUTE_UNITS",
    "DATASET_READS",
    "DATASET_WRITES",
    "KEY_VALUE_STORE_READS",
    "KEY_VALUE_STORE_WRITES",
    "KEY_VALUE_STORE_LISTS",
    "REQUEST_QUEUE_READS",
    "REQUEST_QUEUE_WRITES",
    "DATA_TRANSFER_INTERNAL_GBYTES",
    "DATA_TRANSFER_EXTERNAL_GBYTES",
    "PROXY_RESIDENTIAL_TRANSFER_GBYTES",
    "PROXY_SERPS",
)
_USED = dict(zip(_KEYS, (3, 4, 4, 5, 3, 5, 2, 1, 1, 3, 34, 3), strict=True))
_ABORT_COSTS = (0.072, 0.0004, 0.0002, 0.0006, 0.002, 0.004, 0.005, 0.02, 0.0004, 0.0002, 0.16, 0.0006)
_REBOOT_COSTS = (0.0003, 0.0001, 0.0001, 0.0001, 0.00005, 0.0001, 0.0001, 0.0001, 0.001, 0.003, 0.034, 0.003)
_STORAGES: dict[str, Any] = {
    "defaultKeyValueStoreId": "eJNzqsbPiopwJcgGQ",
    "defaultDatasetId": "wmKPijuyDnPZAPRMk",
    "defaultRequestQueueId": "FL35cSF7jrxr3BY39",
    "storageIds": {
        "datasets": {"default": "wmKPijuyDnPZAPRMk"},
        "keyValueStores": {"default": "eJNzqsbPiopwJcgGQ"},
        "requestQueues": {"default": "FL35cSF7jrxr3BY39"},
    },
}
ABORT: dict[str, Any] = {
    "id": "HG7ML7M8z78YcAPEB",
    "actId": "janedoe~my-actor",
    "userId": "BPWZBd7Z9c746JAng",
    "actorTaskId": "rANaydYhUxjsnA3oz",
    "startedAt": "2019-11-30T07:34:24.202Z",
    "finishedAt": "2019-12-12T09:30:12.202Z",
    "status": "ABORTED",
    "statusMessage": "Actor was aborted",
    "isStatusMessageTerminal": True,
    "meta": {"origin": "WEB", "clientIp": "172.234.12.34", "userAgent": "Mozilla/5.0 (iPad)"},
    "stats": {
        "inputBodyLen": 240,
        "migrationCount": 0,
        "restartCount": 0,
        "resurrectCount": 1,
        "memAvgBytes": 35914228.4,
        "memMaxBytes": 38244352,
        "memCurrentBytes": 0,
        "cpuAvgUsage": 0.00955965,
        "cpuMaxUsage": 3.1546,
        "cpuCurrentUsage": 0,
        "netRxBytes": 2652,
        "netTxBytes": 1338,
        "durationMillis": 26239,
        "runTimeSecs": 26.239,
        "metamorph": 0,
        "computeUnits": 0.0072886,
    },
    "options": {"build": "latest", "timeoutSecs": 300, "memoryMbytes": 1024, "diskMbytes": 2048},
    "buildId": "7sT5jcggjjA9fNcxF",
    "exitCode": 0,
    "generalAccess": "RESTRICTED",
    **_STORAGES,
    "isContainerServerReady": False,
    "gitBranchName": "master",
    "usage": _USED,
    "usageTotalUsd": 0.2654,
    "usageUsd": dict(zip(_KEYS, _ABORT_COSTS, strict=True)),
}
"""Of the page on aborting. It leaves out some properties of the schema beside it."""

PRICING: dict[str, dict[str, Any]] = {
    model: {
        "pricingModel": model,
        "apifyMarginPercentage": 0,
        "createdAt": "2024-07-29T15:51:28.071Z",
        "startedAt": "2024-07-29T15:51:28.071Z",
        "notifiedAboutFutureChangeAt": "2024-07-29T15:51:28.071Z",
        "notifiedAboutChangeAt": "2024-07-29T15:51:28.071Z",
        "reasonForChange": "string",
    }
    | more
    for model, more in {
        "PAY_PER_EVENT": {
            "pricingPerEvent": {
                "actorChargeEvents": {
                    "page-crawled": {
                        "eventPriceUsd": 0.002,
                        "eventTitle": "Page",
                        "eventDescription": "One page was crawled",
                    }
                }
            },
            "minimalMaxTotalChargeUsd": 0,
        },
        "PRICE_PER_DATASET_ITEM": {"unitName": "result", "pricePerUnitUsd": 0.001},
        "FLAT_PRICE_PER_MONTH": {"trialMinutes": 4320, "pricePerUnitUsd": 25},
        "FREE": {},
    }.items()
}

REBOOT: dict[str, Any] = {
    "id": "HG7ML7M8z78YcAPEB",
    "actId": "HDSasDasz78YcAPEB",
    "userId": "7sT5jcggjjA9fNcxF",
    "actorTaskId": "KJHSKHausidyaJKHs",
    "startedAt": "2019-11-30T07:34:24.202Z",
    "finishedAt": "2019-12-12T09:30:12.202Z",
    "status": "READY",
    "statusMessage": "Actor is running",
    "isStatusMessageTerminal": False,
    "meta": {
        "origin": "DEVELOPMENT",
        "clientIp": "string",
        "userAgent": "string",
        "scheduleId": "string",
        "scheduledAt": "2024-07-29T15:51:28.071Z",
    },
    "pricingInfo": PRICING["PAY_PER_EVENT"] | {"pricingPerEvent": {"actorChargeEvents": {}}},
    "stats": {
        "inputBodyLen": 240,
        "migrationCount": 0,
        "rebootCount": 0,
        "restartCount": 0,
        "resurrectCount": 2,
        "memAvgBytes": 267874071.9,
        "memMaxBytes": 404713472,
        "memCurrentBytes": 0,
        "cpuAvgUsage": 33.7532101107538,
        "cpuMaxUsage": 169.650735534941,
        "cpuCurrentUsage": 0,
        "netRxBytes": 103508042,
        "netTxBytes": 4854600,
        "durationMillis": 248472,
        "runTimeSecs": 248.472,
        "metamorph": 0,
        "computeUnits": 0.13804,
    },
    "chargedEventCounts": {"actor-start": 1, "page-crawled": 150, "data-extracted": 75},
    "options": {
        "build": "latest",
        "timeoutSecs": 300,
        "memoryMbytes": 1024,
        "diskMbytes": 2048,
        "maxItems": 1000,
        "maxTotalChargeUsd": 5,
    },
    "buildId": "7sT5jcggjjA9fNcxF",
    "exitCode": 0,
    "generalAccess": "RESTRICTED",
    **_STORAGES,
    "buildNumber": "0.0.36",
    "containerUrl": "https://g8kd8kbc5ge8.runs.apify.net",
    "isContainerServerReady": True,
    "gitBranchName": "master",
    "usage": _USED,
    "usageTotalUsd": 0.2654,
    "usageUsd": dict(zip(_KEYS, _REBOOT_COSTS, strict=True)),
    "metamorphs": [
        {
            "createdAt": "2019-11-30T07:39:24.202Z",
            "actorId": "nspoEjklmnsF2oosD",
            "buildId": "ME6oKecqy5kXDS4KQ",
            "inputKey": "INPUT-METAMORPH-1",
        }
    ],
}
"""Of the page on rebooting. It has every property of the schema."""
