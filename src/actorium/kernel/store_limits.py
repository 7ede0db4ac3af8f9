"""Named limits of the database, of blobs and of the commands that move them."""

# Database
WRITES_PER_COMMIT_MAX = 256  # works that share one synced commit: more gains little and makes the first one wait
WRITES_WAITING_MAX = 10_000  # works in line for a commit: about a second of the slowest disk worth serving
WRITE_TRIES_MAX = 5  # how often a work is run again alone after a deadlock or a failed group
WAKE_KEYS_MAX = 1000  # keys one listener has not read yet; beyond it is told to read everything
SQLITE_BUSY_SECS = 5.0  # how long to wait for another process's transaction
SQLITE_CACHE_KBYTES = 8000  # pages kept by each of the two connections
SQLITE_FREE_PAGES_KEPT = 2048  # 8 MB of free pages stay in the file for reuse, what is beyond leaves the disk
SQLITE_VACUUM_PAGES = 256  # given back at a time, while nobody waits
SQLITE_CHECKPOINT_PAGES = 4000  # 16 MB of changes are folded into the file at once: what changes often is written once
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
S3_PART_BYTES = 5 * 1024 * 1024  # S3's own least; larger streamed blobs go up in parts
S3_PARTS_IN_FLIGHT = 2  # of one upload: one on its way while the other is acknowledged; each is held in memory
S3_KEYS_PER_PAGE = 1000  # S3's own
S3_CONNECT_SECS = 5
S3_STALL_SECS = 60  # without an answer, or between two pieces of one
S3_REQUEST_SECS = 21_600  # one request as a whole: a slow reader of the largest record
S3_RETRIES = 3  # of a request that met a 5xx or a lost connection; about two seconds in all
S3_RETRY_SECS = 30  # no retry begins later
S3_START_RETRIES = 1  # who starts a server wants to know soon
S3_START_SECS = 20  # for the whole start check
S3_ABORT_SECS = 5  # how long a caller that gives up waits for the end of its parts

# Upkeep
COPY_BATCH_ROWS = 2000  # rows moved in one transaction
COPY_BATCH_BYTES = 4_194_304  # unless they are larger: this much is held on the way
COPY_BLOB_SHARES = 16  # blobs moved at once: an object store takes many, each with its own delay
COPY_LARGE_BLOB_SHARES = 8  # what one of several parts counts for: two of these at once, some 15 MB each
COPY_KEYS_PER_LOOK = 100  # blobs looked for in the rows at a time
USAGE_ROWS_PER_STEP = 5000  # rows added up in one reading transaction
USAGE_STORAGES_SHOWN = 10  # the largest ones, unless told otherwise
