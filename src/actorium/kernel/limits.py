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

TOKENS_KNOWN_MAX = 1024  # callers remembered while nothing is committed
REPLIES_KNOWN_MAX = 1024  # replies about finished runs remembered while nothing is committed, 2 kB each

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
RECORD_BYTES_MAX = 1_073_741_824  # one record as stored; streamed, so only the disk pays for it
RECORD_RATIO_MAX = 200  # how far a compressed record may inflate beyond the first 9 MB: honest text stays below 100
KEYS_PER_PAGE_MAX = 1000  # the API's own
CHUNKS_PER_READ = 256  # dataset chunks looked at together
DATASET_BLOCK_BYTES = 262_144  # how much of a dataset is read and sent at a time
ITEM_DEPTH_MAX = 200  # levels of nesting in an item: far beyond real ones, far below what recursion bears
COLUMNS_MAX = 2000  # the API's own, of a csv, xlsx or html export
FIELDS_MAX = 1000  # names in one of the items parameters
HEAD_REQUESTS_MAX = 1000  # the API's own
HEAD_REQUESTS_DEFAULT = 100
LOCKED_REQUESTS_MAX = 25  # the API's own
LISTED_REQUESTS_MAX = 10_000  # the API's own
LISTED_REQUESTS_DEFAULT = 1000
LISTED_BYTES_MAX = 9_437_184  # a page of requests ends here: they may hold payloads
LISTED_ROWS_PER_STEP = 250  # read at a time while a page of requests is put together
UNLOCKED_PER_STEP = 1000  # requests given back in one transaction
CLIENT_KEY_CHARS_MAX = 32  # the API's own
UNIQUE_KEY_BYTES_MAX = 65_536  # far beyond any URL
SIGNED_LINK_SECS = 14 * 86_400  # the API's own: how long links made by the server hold
ACCESSES_PENDING_MAX = 100_000  # storages whose uses wait in memory for the next flush
ACCESSES_PER_WRITE = 500
ACCESSES_PERIOD_SECS = 5.0  # how late accessedAt and read counts reach the rows; a crash loses this much of them
SWEPT_ROWS_PER_WRITE = 500  # contents of deleted storages removed in one transaction
SWEEP_PERIOD_SECS = 5.0

# Loops
EVENTS_KEPT_SECS = 7 * 86_400  # how long the outbox remembers
EVENTS_PER_PRUNE = 1000  # how many old events one transaction forgets
GARBAGE_PER_TICK = 100  # how many blobs are deleted between two looks at the table
SUPERVISOR_PERIOD_SECS = 1.0  # how late a missed hint is noticed
STATS_PERIOD_SECS = 1.0  # how often a run is measured
ACT_RETRY_SECS = 1.0  # how long a container whose start or end failed waits for the next attempt
LOG_LOOK_SECS = 5.0  # how late a line is taken in whose hint was lost
TOMBSTONE_SECS = 600  # how long a removed container's name is kept: longer than any executor call

# The process builder
DOCKERFILE_BYTES_MAX = 262_144  # far beyond any real one; BuildKit reads the whole file too
DOCKERFILE_INSTRUCTIONS_MAX = 500
DOCKERFILE_STAGES_MAX = 20
BUILD_LAYERS_MAX = 60  # one mount call names them all and has a page for it
IGNORE_PATTERNS_MAX = 1000  # lines of a .dockerignore
ARCHIVE_BYTES_MAX = 2 * 1024 * 1024 * 1024  # what one ADD of an archive may unpack: bombs stop here
ARCHIVE_ENTRIES_MAX = 200_000
BUILD_LAYER_KEPT_SECS = 7 * 86_400  # how long a layer that no image needs waits for the next build to reuse it
BUILD_LOCK_PERIOD_SECS = 0.05  # how late a build notices that an equal one has finished
PROBE_SECS = 10  # what an interpreter may take to tell its version
BUILD_DISK_PERIOD_SECS = 1.0  # how often a build step's use of the disk is looked at
PIDS_BUILD_MAX = 2048  # processes and threads of one build step

# Database
WRITES_PER_COMMIT_MAX = 256  # works that share one synced commit: more gains little and makes the first one wait
WRITES_WAITING_MAX = 10_000  # works in line for a commit: about a second of the slowest disk worth serving
WRITE_TRIES_MAX = 5  # how often a work is run again alone after a deadlock or a failed group
WAKE_KEYS_MAX = 1000  # keys one listener has not read yet; beyond it is told to read everything
SQLITE_BUSY_SECS = 5.0  # how long to wait for another process's transaction
SQLITE_CACHE_KBYTES = 8000  # pages kept by each of the two connections
SQLITE_FREE_PAGES_KEPT = 2048  # 8 MB of free pages stay in the file for reuse, what is beyond leaves the disk
SQLITE_VACUUM_PAGES = 256  # given back at a time, while nobody waits
SQLITE_WAL_BYTES_KEPT = 67_108_864  # a larger log file is cut back after a checkpoint
POSTGRES_WRITERS = 2  # threads that group: while one waits for the disk, the other fills the next group
POSTGRES_READERS = 4  # connections that read
POSTGRES_CONNECT_SECS = 10
POSTGRES_LOCK_SECS = 10  # how long a work may wait for another's row; then it is run again alone
POSTGRES_STATEMENT_SECS = 60  # a work touches a bounded number of rows; what takes longer is stuck
POSTGRES_LISTEN_AGAIN_SECS = 1.0  # between attempts to listen again after the connection was lost
POSTGRES_NOTIFY_BYTES_MAX = 7999  # PostgreSQL's own limit of one notification
POSTGRES_STATEMENTS_CACHED = 512  # prepared per connection; more than the server has

# Blobs
BLOB_PIECE_BYTES = 262_144  # how much of a streamed blob is held at a time
BLOB_DIRECT_BYTES = 131_072  # up to here a read on the event loop costs less than a thread
BLOB_THREADS = 4  # more do not make one disk faster
BLOB_KEY_CHARS_MAX = 200  # below every file system's 255

# Users, Actors and builds
TOKEN_CHARS_MIN = 16  # shorter ones could be guessed
STALE_TRIES_MAX = 8  # how often a decision is made again because somebody else changed the row first
ACTORS_PER_USER_MAX = 500  # the API's own
ACTOR_NAME_CHARS_MIN = 3  # the API's own
VERSIONS_PER_ACTOR_MAX = 50  # our choice: an Actor is read together with all its versions
ENV_VARS_PER_VERSION_MAX = 500  # our choice: they are copied into every build
ENV_NAME_CHARS_MAX = 100  # the API's own
ENV_VALUE_CHARS_MAX = 50_000  # the API's own
SOURCE_FILES_MAX = 5000  # our choice: far above what fits a push, far below what stalls a build
SOURCE_PATH_CHARS_MAX = 1024  # below every file system's limit
CLOCK_SKEW_SECS = 300  # our choice: how far a caller's clock may be behind ours
PRICING_INFOS_MAX = 200  # our choice: the history of an Actor's prices
TAG_CHARS_MAX = 63  # as for names
ACTOR_TEXT_CHARS_MAX = 20_000  # our choice: titles, descriptions and example inputs
INPUT_SCHEMA_BYTES_MAX = 500_000  # the API's own
BUILD_NUMBER_MAX = 99_999  # the API's own: builds of one version
BUILD_DISK_PER_MEMORY = 2  # the API's own
BUILD_ATTEMPTS_MAX = 3  # our choice: a build during which the server dies three times has failed
BUILD_LEASE_SECS = 30.0  # how long a build stays with a server that stopped renewing its claim
BUILDS_LIVE_READ_MAX = 500  # live builds one tick looks at
BUILDS_SWEPT_MAX = 20  # removed builds one tick cleans up behind
BUILD_LOG_FLUSH_SECS = 0.1  # how late a build's line may be in its log
BUILD_LOG_FLUSH_LINES = 64  # as many lines are written at once

# HTTP edge
BODY_STALL_SECS = 60.0  # a request body may pause this long between two pieces, then 408
HEAD_BYTES_MAX = 131_072  # request line and headers together: run starts carry webhooks in the URL
HEAD_SECS_MAX = 30.0  # for the whole request line and headers, and for a body nobody reads any more
QUERY_PARAMS_MAX = 200  # names in one query string
TOKEN_CHARS_MAX = 512  # longer tokens are unknown without asking
RATE_BUCKETS_MAX = 100_000  # remembered callers and resources, about 20 MB
COMPRESS_BYTES_MIN = 2048  # smaller replies cost more to compress than to send
COMPRESS_BYTES_MAX = 16_777_216  # larger ones would hold the loop
STREAM_WATCH_SECS = 0.05  # streams older than this are watched for clients that leave
KEEP_ALIVE_SECS = 75  # idle connections; longer than clients' own pools keep them
SHUTDOWN_SECS = 10  # how long requests in flight may take after the server was told to stop
WEBSOCKET_BYTES_MAX = 1_048_576  # one message from a client

# Containers
FORWARDER_HOLD_SECS = 60  # how long an API call of a run waits for a server that is down
FORWARDER_CONNECTIONS_MAX = 1024  # connections of one run's forwarder; more wait in the kernel's queue
HINTS_MAX = 10_000  # hints that wait for a watcher; more are dropped, a survey finds what they said
LOG_READ_BYTES_MAX = 1_048_576  # how much of a container's log one read returns

# Demo
DEMO_START_SECS = 30  # from the start of its server to the first answer; a slow disk needs a few
DEMO_STOP_SECS = 20  # twice what the server gives to requests in flight
DEMO_CALL_SECS = 90  # one call: the longest wait of the API and some more
DEMO_BUILD_SECS = 600  # the first build downloads packages
DEMO_RUN_SECS = 120  # a crawl of the documentation takes seconds
DEMO_WATCH_SECS = 0.05  # how late the demo notices that its server is ready
DEMO_NOTICE_SECS = 0.5  # how long a failure waits to see whether the server has just ended
DEMO_LOG_LINES = 25  # of the server's log shown after a failure
DEMO_FOLDERS_MAX = 20  # demos that broke off and left something behind
