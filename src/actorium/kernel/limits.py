"""Every limit has a name here and a reason beside it."""

# Requests
BODY_BYTES_MAX = 9_437_184  # the API's own (MAX_PAYLOAD_SIZE_BYTES), after decompression
WAIT_FOR_FINISH_SECS_MAX = 60  # the API's own; larger values are clamped, clients send 999999
RUN_SYNC_SECS_MAX = 300  # the API's own: how long a synchronous run is waited for
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
MIGRATION_SECS = 30  # our choice; the platform says "within about a minute": time to persist before a node is left
NODE_SEEN_PERIOD_SECS = 60.0  # a node says so often that its supervisor is there
NODE_LOST_SECS = 3600  # a node unseen for so long is gone with its runs; a server may be down for less, its runs go on
RESTARTS_MAX = 3  # the API's own: so many restarts on error within the window, then the run has failed
RESTARTS_WINDOW_SECS = 60  # the API's own
METAMORPHS_MAX = 10  # the API's own
FORK_PERSIST_SECS = 5.0  # our choice: how long a fork waits for its source to write its state; SDKs take milliseconds
FORK_SETTLED_SECS = 0.5  # and how long for one more record after the last: what is written together stays together
FORK_ROWS_MAX = 50_000  # our choice: rows copied in one transaction, while SQLite lets nobody else write (decision 21)
FORK_BYTES_MAX = 67_108_864  # and bytes in them; what is in blobs is shared and not counted
TIMING_OUT_SECS = 5  # our choice; the API does not publish it: time to leave between TIMING-OUT and the kill
RUN_TIMEOUT_SECS_DEFAULT = 3600
RUN_TIMEOUT_SECS_MAX = 10 * 365 * 86_400  # ten years: far beyond any run, far below an overflow
RUN_TOKEN_GRACE_SECS = 300  # a run's token outlives its process: SDKs send a last status message while exiting
STATUS_MESSAGE_CHARS_MAX = 10_000
PIDS_MAX = 4096  # processes and threads of one run: browsers need hundreds, fork bombs stop here
STARTS_CONCURRENT_MAX = 16  # containers being started at once by one supervisor
RUN_MAX_ITEMS_MAX = 2**53 - 1  # what JavaScript counts exactly
RUN_MAX_CHARGE_USD_MAX = 1_000_000_000  # far beyond any budget, far below what sums lose
EXPRESSION_CHARS_MAX = 1000  # the API's own: of an Actor's memory expression
EXPRESSION_DEPTH_MAX = 50  # parentheses within parentheses: reading them recurses
EXPRESSION_LIST_MAX = 10_000  # numbers of an input's list that min and max look at: a millisecond
EXPRESSION_TEXT_CHARS_MAX = 100  # a text of the input that is to be a number is no longer
EXPRESSIONS_KNOWN_MAX = 256  # read expressions remembered, some 50 kB each at most
CONTAINER_WEB_PORT = 4321  # the API's own default of ACTOR_WEB_SERVER_PORT

# Webhooks
AD_HOC_WEBHOOKS_MAX = 100  # our choice: of one start; the API allows a user as many in all
WEBHOOK_EVENTS_MAX = 100  # in one list: there are twelve, some say one twice
WEBHOOK_URL_CHARS_MAX = 4096  # our choice: what most servers take
WEBHOOK_TEMPLATE_CHARS_MAX = 100_000  # our choice: far more than fits the URL of a start
WEBHOOK_KEY_CHARS_MAX = 256  # our choice: clients send some 20

# Charging
CHARGED_COUNT_MAX = 2**53 - 1  # of one event in one run: what JavaScript counts exactly, so two of them fit a BIGINT
CHARGE_KEY_CHARS_MAX = 512  # clients' keys have some 60: run, event, time and chance
CHARGE_KEYS_KEPT_SECS = 900  # the API's own is about 180: eight retries that are held for a minute each take longer
CHARGE_KEYS_PER_PRUNE = 1000  # expired keys one transaction forgets
CHARGE_ABORT_SECS = 10  # our choice: from reaching the limit to the graceful abort, time to end by itself
CHARGE_ABORTS_PER_TICK = 200  # due runs one tick looks at, each in a transaction of its own
CHARGE_LIMIT_PERIOD_SECS = 1.0  # how late such an abort may be, and how often what runs with a limit use is looked at
USAGE_END_SECS = 2.0  # from the moment a run that has used its limit is to be killed until it is gone

# Money brakes
BRAKE_PERIOD_SECS = 2.0  # how often what runs have spent is looked at
BRAKE_SPAN_SECS = 60  # our choice, for each run: a look (2), a graceful end (30), its kill (15), a restart (13)
BRAKE_END_SECS = 15  # from the moment a run is to be killed until it is gone; the server may restart just then
BRAKE_STOPS_PER_WRITE = 100  # waiting runs that one transaction stops; as many transactions as it takes
BRAKE_USD_MAX = 1_000_000_000  # far beyond any budget; in billionths it fits a BIGINT
BRAKES_PER_USER_MAX = 100  # a start and a look compare with all of them
SPENDING_USD_MAX = 4_000_000_000  # sums stop here: prices times counts can be anything, billionths fit a BIGINT
SPENDING_KEPT_DAYS = 62  # sums of days, for whoever asks the table: two months
SPENDING_LATE_SECS = 10  # beyond a token's grace until the last operations of an ended run are flushed
SPENDING_RUNS_PER_WRITE = 100  # accounts of ended runs booked in one transaction
SPENDING_WRITES_PER_TICK = 100  # such transactions between two looks at brakes
SPENDING_ROWS_PER_PRUNE = 1000  # sums of old days one transaction forgets

# Logs
LOG_BYTES_MAX = 10_485_760  # the API's own
LOG_STAMP_BYTES = 25  # of each line's time with the space behind it, which count as well
LOG_LINE_BYTES_MAX = 65_536  # longer lines are cut into several
LOG_ESCAPE_BYTES_MAX = 2048  # a long line is cut so much earlier rather than inside an escape sequence, such as a link
LOG_SECRET_TEXTS_MAX = 100  # searched for in a log beside the secrets: their lines, and how both are encoded
LOG_WINDOW_BYTES = 262_144  # of a followed log kept in memory, once for all followers; slower ones read the table
LOG_CHUNK_BYTES = 65_536  # how much of a log one row holds

# Builds
BUILD_TIMEOUT_SECS = 1800  # the API's own
BUILD_MEMORY_MBYTES = 4096  # the API's own
SOURCE_BYTES_MAX = 3 * 1024 * 1024  # the API's own: inline sources of a version
SOURCE_FETCH_BYTES_MAX = 268_435_456  # our choice: an archive, or what Git sends
SOURCE_TREE_BYTES_MAX = 268_435_456  # our choice: unpacked; a build holds its sources in memory
SOURCE_TREE_ENTRIES_MAX = 50_000  # our choice: files and folders; with all of node_modules there may be as many
SOURCE_LINKS_MAX = 1000  # links among sources; each becomes a copy
SOURCE_LINK_DEPTH_MAX = 40  # links to links to links: the kernel's own
SOURCE_HEADER_BYTES_MAX = 65_536  # what one member of a tar file may say of itself: names and times
SOURCE_DIRECTORY_BYTES_MAX = 16_777_216  # the list of members at a zip file's end
SOURCE_PIECE_BYTES = 1_048_576  # of an archive inflated or received at a time
SOURCE_FETCH_SECS = 600  # for all of fetching: a third of what a build may take
SOURCE_CONNECT_SECS = 15
SOURCE_STALL_SECS = 60  # without a byte
SOURCE_REDIRECTS_MAX = 5
SOURCE_KEPT_SECS = 86_400  # what a build fetched is kept for its next attempt: long after the last of them
GIT_MEMORY_BYTES = 2 * 1024 * 1024 * 1024  # address space of one git process: what deltas blow up to stops here
GIT_LISTING_BYTES_MAX = 67_108_864  # names, sizes and hashes of a commit's files: 50,000 of the longest
GIT_MESSAGE_BYTES_MAX = 65_536  # of what git says when it fails
GIT_REFERENCE_CHARS_MAX = 255  # of a branch, a tag or a commit

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
DATASET_INLINE_BYTES_MAX = 262_144  # pushes up to here are rows: one sync with others; larger ones are written once
DATASET_ROW_BYTES = 131_072  # such a push is cut into rows of about this size: a page reads one, not all of it
PLACE_BYTES = 16_384  # how far two known places in a large chunk are apart: what a page reads too much
SEGMENT_BYTES = 4_194_304  # of a finished segment: ten million items are a thousand rows, a merge takes milliseconds
SEGMENT_CHUNKS = 256  # pushed chunks that are merged before they have come to a segment: what a reading looks up
MERGED_CHUNKS_MAX = 1024  # chunks looked at and merged in one step; twice SEGMENT_CHUNKS at least
MERGES_PER_VISIT = 16  # steps on one dataset before the next one has its turn
MERGES_LISTED = 100  # datasets looked up at a time
MERGE_LEASE_SECS = 60  # a merge takes a second; one that has not ended by now belongs to a server that died
MERGE_PERIOD_SECS = 5.0  # how late a missed wake is noticed
DIGEST_ITEMS_PER_TURN = 64  # items looked into before requests have their turn: a quarter of a millisecond
DIGEST_BYTES_PER_TURN = 32_768  # the same for large items
DIGESTS_PER_READ = 256  # segments whose columns or statistics are read together
COLUMNS_TEXT_BYTES_MAX = 65_536  # names of a segment's columns; of longer ones the segment says nothing
REACHED_KNOWN_MAX = 10_000  # storages remembered as one a run with limited permissions may write to: no second look
SCHEMALESS_KNOWN_MAX = 10_000  # datasets remembered as without a schema, which never changes: a push reads nothing
ITEM_DEPTH_MAX = 200  # levels of nesting in an item: far beyond real ones, far below what recursion bears
COLUMNS_MAX = 2000  # the API's own, of a csv, xlsx or html export
COLUMN_NAME_CHARS_MAX = 200  # the API's own, of the same
ROWS_PER_PIECE = 1000  # transformed and written at a time, some milliseconds; then other requests have their turn
CELLS_PER_PIECE = 16_384  # the same for tables: fewer rows where there are many columns
XLSX_ROWS_MAX = 1_048_576  # Excel's own, the header row included
XLSX_CELL_CHARS_MAX = 32_767  # Excel's own, in UTF-16; longer texts are cut
UNWOUND_MAX = 10_000_000  # records that unwind makes of one item: no array has more elements, several multiply
FLATTENED_CHARS_MAX = 67_108_864  # names of one flattened item together: a long key over many values multiplies
MARKUP_CHARS_MAX = 134_217_728  # of element names that arrays repeat in one piece of XML, for the same reason
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
SUMMARY_BYTES_MIN = 1024  # of a request: what a head shows of larger ones is kept beside them, so it is short to read
UNIQUE_KEY_BYTES_MAX = 65_536  # far beyond any URL
SIGNED_LINK_SECS = 14 * 86_400  # the API's own: how long links made by the server hold
ACCESSES_PENDING_MAX = 100_000  # storages whose uses wait in memory for the next flush
ACCESSES_PER_WRITE = 500
ACCESSES_PERIOD_SECS = 5.0  # how late accessedAt and read counts reach the rows; a crash loses this much of them
SWEPT_ROWS_PER_WRITE = 500  # contents of deleted storages removed in one transaction
SWEEP_PERIOD_SECS = 5.0

# Schemas that users give to storages
SCHEMA_BYTES_MAX = 500_000  # the API's own for input schemas
SCHEMA_DEPTH_MAX = 100  # levels of nesting in a schema: compiling recurses
SCHEMA_PARTS_MAX = 2000  # parts of a schema, its references followed, that is checked in the server's own process
SCHEMA_PATTERNS_MAX = 200  # of its patterns there: compiling one may take a quarter of a millisecond
SCHEMA_STATES_MAX = 50_000  # about, that all its patterns have there
SCHEMA_STEPS_MAX = 500_000  # parts times values checked there: some 20 ms at worst; larger ones go to a process
SCHEMA_ERRORS_STEPS_MAX = 20_000  # the same where every error of one value is listed: that costs ten times as much
SCHEMA_PATTERN_BYTES_MAX = 65_536  # of one compiled pattern in the server's own process
SCHEMA_BACKTRACKS_MAX = 100_000  # of a pattern with lookaround or backreferences, for one text
SCHEMA_CPU_SECS = 5.0  # of the process, for one body: the largest honest ones take a second; then it is killed
SCHEMA_QUICK_CPU_SECS = 0.25  # of the process that is asked first: so long a costly check holds those of others
SCHEMA_QUICK_BYTES_MAX = 1_048_576  # larger bodies are not tried there: they may honestly take longer
SCHEMA_WALL_SECS = 30.0  # until the process is given up: on a loaded machine five seconds of CPU may take long
SCHEMA_MEMORY_BYTES = 1_073_741_824  # address space of the process: a body of 9 MB as values, and its errors
SCHEMA_PROCESS_BYTES_KEPT = 157_286_400  # a process that has grown beyond this makes room for a new one
SCHEMA_CHECKS_WAITING_MAX = 200  # bodies in line for the process; each holds its bytes
SCHEMAS_KNOWN_MAX = 256  # compiled schemas remembered, least recently used ones leave
SCHEMAS_KNOWN_BYTES = 8_388_608  # of their texts together; compiled they take some ten times as much
INVALID_ITEMS_MAX = 100  # reported of one push: the first ones
ITEM_ERRORS_MAX = 50  # reported of one item
VALIDATION_REPORT_BYTES_MAX = 1_048_576  # an error reply is no place for megabytes of allowed values
VALIDATED_RECORD_BYTES_MAX = 9_437_184  # a record with a JSON schema is checked whole, so it is no larger than a push
INPUT_ERRORS_TOLD_MAX = 20  # lines about one invalid input: an error message is read by people
INPUT_SCHEMAS_KNOWN_MAX = 256  # input schemas of builds remembered, least recently used ones leave
INPUT_SCHEMAS_KNOWN_BYTES = 8_388_608  # of their texts together
INPUT_BUILDS_KNOWN_MAX = 1024  # which build a start got last; a wrong memory costs one more try
INPUT_SECRETS_MAX = 100  # secret fields of one schema: each costs an RSA operation a start
INPUT_KEYS_KNOWN_MAX = 256  # key pairs for secret inputs kept open, least recently used ones leave
MASKED_TEXTS_MAX = 200  # texts in a run's secret input that its log does not show: each is looked for in each line
MASKED_CHARS_MAX = 65_536  # of them together: they are kept sealed beside the run
GRANTED_STORAGES_MAX = 100  # handed over by one input: the run's row holds their ids
ZIP_READ_RECORDS = 250  # rows looked at together while a store is packed
ZIP_READ_BYTES = 1_048_576  # of records in rows held at a time
ZIP_PIECE_BYTES = 131_072  # of a ZIP file sent together, where its records are small
ZIP_DIRECTORY_BYTES = 4_194_304  # of a ZIP file's directory held in memory; more waits in a temporary file
COLLECTIONS_MAX = 100  # of one key-value store's schema: each write looks through them

# Retention
DAY_SECS = 86_400
RETENTION_PERIOD_SECS = 60.0  # how late what is due is deleted; rules count in days
RETIRED_STORAGES_PER_WRITE = 100  # idle storages of one kind looked at in one transaction
RETIRED_WRITES_PER_TICK = 5  # and so many times a tick: 700,000 a day of each kind
RETIRED_RUNS_PER_TICK = 200  # ended runs one tick looks at, those that stay included; each is a transaction of its own
BLOB_SURVEY_SECS = 86_400.0  # in which time every blob was looked for in the rows once
BLOB_SURVEY_KEYS = 100  # blobs looked for in one reading transaction: a millisecond of the event loop
BLOB_SUSPECT_SECS = 6 * 3600  # an upload is a blob at its very end only, and its row follows in seconds

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
DOCKERFILE_PATTERN_WORK_MAX = 1_000_000  # characters looked at for one ${X#…}, ${X%…} or ${X/…}: a tenth of a second
BUILD_LAYERS_MAX = 60  # one mount call names them all and has a page for it
IGNORE_PATTERNS_MAX = 1000  # lines of a .dockerignore
IGNORE_CHARS_MAX = 131_072  # of all its lines: real ones have some thousands
IGNORE_LOOKS_MAX = 100_000_000  # its lines with a * times the folders and files they are held against: seconds
IGNORE_TOGETHER = 16  # lines with a * held against a path in one piece, during which nothing else runs: milliseconds
COPY_NAMES_MAX = 20_000_000  # that the sources of a build's COPY and ADD may lead to, patterns and folders together
COPY_PIECE_BYTES = 1_048_576  # after so much of a file the disk that is left is looked at
DISK_BLOCK_BYTES = 4096  # what an empty file takes of a build's disk: usual file systems need as much
IMAGE_PATH_CHARS_MAX = 2048  # of a destination or WORKDIR: below it come names of files, above it folders of ours
IMAGE_PATH_DEPTH_MAX = 200  # folders in a destination or WORKDIR: real ones have a handful
ARCHIVE_BYTES_MAX = 2 * 1024 * 1024 * 1024  # what one ADD of an archive may unpack: bombs stop here
ARCHIVE_ENTRIES_MAX = 200_000
ARCHIVE_READ_BYTES_MAX = 4_194_304  # at once, as of one header: real ones have some kilobytes
ARCHIVE_DICTIONARY_BYTES_MAX = 134_217_728  # what unpacking xz may take of memory: its largest preset takes half
BUILD_LAYER_KEPT_SECS = 7 * 86_400  # how long a layer that no image needs waits for the next build to reuse it
BUILD_CACHE_BYTES_MAX = 10_000_000_000  # our choice: of one user's package caches; larger ones begin anew
BUILD_LINEAGE_COMMANDS_MAX = 200  # remembered for each Actor; with more its new layers are its own
BUILD_LOCK_PERIOD_SECS = 0.05  # how late a build notices that an equal one has finished
PROBE_SECS = 10  # what an interpreter may take to tell its version
NODE_WHEEL_MISSED_SECS = 600  # a Node.js that the package index did not have is not asked for again so soon
BUILD_DISK_PERIOD_SECS = 1.0  # how often a build step's use of the disk is looked at
BUILD_DISK_FREE_BYTES_MIN = 512 * 1024 * 1024  # builds that were taking disk end when the machine has no more than this
BUILD_DISK_FREE_FILES_MIN = 50_000  # the same for the files that its file system has room for
UNNAMED_LOOKS_MAX = 500_000  # open files of a build step or run that are looked at; who holds more fills the disk
IN_FLIGHT_LOOKS = 3  # browsers have some on their way at one look or two, those who hide files at each
PIDS_BUILD_MAX = 2048  # processes and threads of one build step

# Container engines
ENGINE_ANSWER_SECS_MAX = 60.0  # what an engine may take for a call that is no build and no pull
ENGINE_LINE_BYTES_MAX = 16 * 1024 * 1024  # one message of a build's progress

# Users, Actors and builds
TOKEN_CHARS_MIN = 16  # shorter ones could be guessed
STALE_TRIES_MAX = 8  # how often a decision is made again because somebody else changed the row first
ACTORS_PER_USER_MAX = 500  # the API's own
ACTOR_NAME_CHARS_MIN = 3  # the API's own
TASKS_PER_USER_MAX = 5000  # the API's own
TASK_NAME_CHARS_MIN = 3  # the API's own
TASK_FIELDS_SHOWN_MAX = 1000  # our choice: names of input fields in a task's public configuration
VERSIONS_PER_ACTOR_MAX = 50  # our choice: an Actor is read together with all its versions
ENV_VARS_PER_VERSION_MAX = 500  # our choice: they are copied into every build
ENV_NAME_CHARS_MAX = 100  # the API's own
ENV_VALUE_CHARS_MAX = 50_000  # the API's own
SOURCE_FILES_MAX = 5000  # our choice: far above what fits a push, far below what stalls a build
SOURCE_PATH_CHARS_MAX = 1024  # below every file system's limit
PRICING_INFOS_MAX = 200  # our choice: the history of an Actor's prices
PRICE_USD_MAX = 1_000_000  # our choice: far beyond any price of one unit, far below what sums cannot hold
TRIAL_MINUTES_MAX = 10 * 365 * 1440  # ten years
CHARGE_EVENTS_MAX = 200  # our choice: an Actor's price is copied into each of its runs
CHARGE_EVENT_NAME_CHARS_MAX = 100  # our choice
TAG_CHARS_MAX = 63  # as for names
ACTOR_TEXT_CHARS_MAX = 20_000  # our choice: titles, descriptions and example inputs
INPUT_SCHEMA_BYTES_MAX = 500_000  # the API's own
DATASET_ALIASES_MAX = 10  # the API's own: datasets of a run
DATASET_ALIAS_CHARS_MAX = 101  # the API's own
ACTOR_DEFINITION_BYTES_MAX = 4_000_000  # our choice: with its texts and schemas; each answer about a build carries it
ACTOR_TEXT_BYTES_MAX = 1_000_000  # our choice: of a README or CHANGELOG; each answer about a build carries both
OUTPUT_TEMPLATES_CHARS_MAX = 20_000  # our choice: of an output schema; each of the Actor's runs carries them
BUILD_NUMBER_MAX = 99_999  # the API's own: builds of one version
BUILD_DISK_PER_MEMORY = 2  # the API's own
BUILD_ATTEMPTS_MAX = 3  # our choice: a build during which the server dies three times has failed
BUILD_LEASE_SECS = 30.0  # how long a build stays with a server that stopped renewing its claim
BUILDS_LIVE_READ_MAX = 500  # live builds one tick looks at
BUILDS_SWEPT_MAX = 20  # removed builds one tick cleans up behind
BUILDS_RETIRED_PER_TICK = 200  # unused builds one tick looks at, those with a tag included
BUILD_USE_NOTED_SECS = 86_400  # how exactly it is known when a build was last used
BUILD_LOG_FLUSH_SECS = 0.1  # how late a build's line may be in its log
BUILD_LOG_FLUSH_LINES = 64  # as many lines are written at once

# SQL over datasets
SQL_CHARS_MAX = 100_000  # one statement; the parser has a limit of depth, not of length
SQL_TABLES_MAX = 10  # datasets of one query
SQL_TABLE_NAME_CHARS_MAX = 63  # as for names
SQL_INPUT_BYTES_MAX = 268_435_456  # items of one query or Parquet file: they are held in memory, as a table
SQL_MEMORY_MBYTES = 1024  # what the engine counts; the process may have twice as much and is ended beyond it
SQL_THREADS = 2  # of one query
SQL_SECS_MAX = 60  # from the start of a query until its result is there
SQL_SEND_SECS_MAX = 600  # how long a caller may take to fetch a result
SQL_BOXES_MAX = 4  # queries and Parquet exports at once
SQL_BOXES_PER_USER_MAX = 2  # one user leaves room for others
SQL_ROWS_DEFAULT = 10_000  # rows of a result unless maxRows says otherwise
SQL_ROWS_MAX = 1_000_000
SQL_FRAME_BYTES_MAX = 262_144  # how much of a result is sent at a time
SQL_BATCH_BYTES = 4_194_304  # items converted at a time: smaller costs time, larger memory
SQL_FRAME_ROWS = 2048  # DuckDB's own size of a vector
SQL_STRUCT_KEYS_MAX = 200  # an object with more different keys is JSON, not a STRUCT: its keys are data
SQL_STRUCT_DEPTH_MAX = 16  # what is nested deeper is JSON
SQL_MESSAGE_CHARS_MAX = 1000  # of the engine's words about a query

# HTTP edge
COLLECTED_OBJECTS_MIN = 10_000  # new objects before Python looks for garbage in circles: at most a few MB wait for that
BODY_STALL_SECS = 60.0  # a request body may pause this long between two pieces, then 408
HEAD_BYTES_MAX = 131_072  # request line and headers together: run starts carry webhooks in the URL
HEAD_SECS_MAX = 30.0  # for the whole request line and headers, a body nobody reads any more, a proxy's way to a host
ORIGIN_TEXT_CHARS_MAX = 1000  # of a header that says who calls: it is stored with what the call makes
QUERY_PARAMS_MAX = 200  # names in one query string
TOKEN_CHARS_MAX = 512  # longer tokens are unknown without asking
RATE_BUCKETS_MAX = 100_000  # remembered callers and resources, about 20 MB
COMPRESS_BYTES_MIN = 2048  # smaller replies cost more to compress than to send
COMPRESS_BYTES_MAX = 16_777_216  # larger ones would hold the loop
STREAM_WATCH_SECS = 0.05  # streams older than this are watched for clients that leave
KEEP_ALIVE_SECS = 75  # idle connections; longer than clients' own pools keep them
SHUTDOWN_SECS = 10  # how long requests in flight may take after the server was told to stop
EVENT_SOCKETS_PER_RUN_MAX = 16  # an SDK opens one, its child processes a few; each costs a reading a second
WEBSOCKET_BYTES_MAX = 1_048_576  # one message from a client

# Containers
FORWARDER_HOLD_SECS = 60  # how long an API call of a run waits for a server that is down
FORWARDER_CONNECTIONS_MAX = 1024  # of one run's forwarder, and of one build's proxy; more wait or are refused
GATE_REFUSALS_TOLD_MAX = 20  # hosts that a build's log names as kept from its steps
HINTS_MAX = 10_000  # hints that wait for a watcher; more are dropped, a survey finds what they said
LOG_READ_BYTES_MAX = 1_048_576  # how much of a container's log one read returns

# Warm starts
SPARE_SECS_MAX = 600.0  # our choice: an Actor that nobody starts for so long starts cold the next time
SPARE_IMPORT_SECS_MAX = 60.0  # beyond it the imports wait for something
SPARE_DELAY_SECS = 0.5  # the run just started has the machine first
SPARE_CPU_WEIGHT = 0.05  # of a core's share, while it imports
SPARE_BURST_SECS = 60.0  # of one build as many spares as runs started within this time
SPARES_PER_BUILD_MAX = 4  # but no more than so many
SPARE_TRIES_MAX = (
    5  # sandboxes made ahead for each run that was started: one that ends at once is not made again and again
)
SPARE_MEASURE_SECS = 5.0  # how often the memory of those that wait is looked at
SPARES_MAX = 32  # of all builds: each holds a loop device and three processes
SPARE_GROWTH_BYTES = 8 * 1024 * 1024  # what one that waits may take beyond what it had when it was ready
SPARE_BYTES_GUESSED = 134_217_728  # until one of the build was measured: an SDK with a crawler takes some 80 MB
BARE_SPARE_BYTES_GUESSED = 8_388_608  # of one without a program: what its two keepers do not share
SPARE_ENVIRONMENT_BYTES_MAX = 49_152  # fits a pipe whoever reads; larger environments start cold
SPARE_ENVIRONMENT_ROOM_BYTES = 16_384  # kept for the variables of its run: about 60 take some 4 kB; more lie elsewhere
SPARE_REFUSALS_MAX = 1000  # builds remembered as ones that start cold, with the reason
SPARE_REFUSAL_SECS = 86_400  # then they are tried again: the reason may have been the machine's

# Commands that call a server
OWN_SERVER_START_SECS = 30  # from its start to the first answer; a slow disk needs a few
OWN_SERVER_STOP_SECS = 20  # twice what the server gives to requests in flight
OWN_SERVER_LOOK_SECS = 0.05  # how late it is noticed that it is ready
OWN_SERVER_NOTICE_SECS = 0.5  # how long a failure waits to see whether the server has just ended
OWN_SERVER_LOG_LINES = 25  # of the server's log shown after a failure
CALL_SECS = 90  # one call: the longest wait of the API and some more
LOG_LINE_BYTES_SHOWN = 1_048_576  # a longer line of a streamed log is shown in pieces

# Demo
DEMO_BUILD_SECS = 600  # the first build downloads packages
DEMO_RUN_SECS = 120  # a crawl of the documentation takes seconds
DEMO_FOLDERS_MAX = 20  # demos that broke off and left something behind
