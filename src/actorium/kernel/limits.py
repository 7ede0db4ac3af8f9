"""Every limit has a name here and a reason beside it."""

# Requests
BODY_BYTES_MAX = 9_437_184  # the API's own (MAX_PAYLOAD_SIZE_BYTES), after decompression
WAIT_FOR_FINISH_SECS_MAX = 60  # the API's own; larger values are clamped, clients send 999999
PAGE_ITEMS_DEFAULT = 1000  # the API's own for lists
PAGE_ITEMS_MAX = 1000
DATASET_LIMIT_NONE = 999_999_999_999  # what the API prints as limit when there is none
TOKENS_PER_SECOND_USER = 250_000 // 60  # the API's own: 250,000 requests a minute and user
RATE_DEFAULT = 60  # requests a second and resource, the API's own
RATE_RECORD = 200  # key-value records
RATE_HIGH = 400  # starts, pushes, single queue requests
RATE_QUEUE_BATCH = 40  # queue batch add and delete, head and lock

# Runs
MEMORY_MBYTES_MIN = 128  # the API's own; powers of two between
MEMORY_MBYTES_MAX = 32_768
MEMORY_MBYTES_DEFAULT = 1024
MEMORY_MBYTES_PER_CORE = 4096  # the API's own: one core for 4 GB
DISK_PER_MEMORY = 2  # the API's own: disk is twice the memory
GRACEFUL_ABORT_SECS = 30  # the API's own
TIMING_OUT_SECS = 5  # our choice; the API does not publish it: time to leave between TIMING-OUT and the kill
RUN_TIMEOUT_SECS_DEFAULT = 3600
RUN_TIMEOUT_SECS_MAX = 10 * 365 * 86_400  # ten years: far beyond any run, far below an overflow
RUN_TOKEN_GRACE_SECS = 300  # a run's token outlives its process: SDKs send a last status message while exiting
STATUS_MESSAGE_CHARS_MAX = 10_000
PIDS_MAX = 4096  # processes and threads of one run: browsers need hundreds, fork bombs stop here
STARTS_CONCURRENT_MAX = 16  # containers being started at once by one supervisor
CONTAINER_WEB_PORT = 4321  # the API's own default of ACTOR_WEB_SERVER_PORT

# Logs
LOG_BYTES_MAX = 10_485_760  # the API's own
LOG_LINE_BYTES_MAX = 65_536  # longer lines are cut into several
LOG_CHUNK_BYTES = 65_536  # how much of a log one row holds

# Builds
BUILD_TIMEOUT_SECS = 1800  # the API's own
BUILD_MEMORY_MBYTES = 4096  # the API's own
SOURCE_BYTES_MAX = 3 * 1024 * 1024  # the API's own: inline sources of a version

# Storages
INLINE_BYTES_MAX = 65_536  # payloads up to here live in the row, larger ones in blobs
REQUESTS_PER_BATCH_MAX = 25  # the API's own
REQUEST_LOCK_SECS_MAX = 86_400
NAME_CHARS_MAX = 63  # the API's own for resource names
RECORD_KEY_CHARS_MAX = 256  # the API's own

# Loops
SUPERVISOR_PERIOD_SECS = 1.0  # how late a missed hint is noticed
STATS_PERIOD_SECS = 1.0  # how often a run is measured
TOMBSTONE_SECS = 600  # how long a removed container's name is kept: longer than any executor call
