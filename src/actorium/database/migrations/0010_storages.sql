-- Storages: datasets, key-value stores and request queues. The first columns of the three are the same on purpose:
-- storages/store.py is written once for all of them.

CREATE TABLE datasets (
    id TEXT PRIMARY KEY,
    owner_id TEXT NOT NULL,
    name TEXT,
    created_by_run TEXT,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    accessed_at BIGINT NOT NULL,
    read_count BIGINT NOT NULL DEFAULT 0,
    list_count BIGINT NOT NULL DEFAULT 0,
    write_count BIGINT NOT NULL DEFAULT 0,
    delete_count BIGINT NOT NULL DEFAULT 0,
    byte_count BIGINT NOT NULL DEFAULT 0,
    document TEXT NOT NULL,
    item_count BIGINT NOT NULL DEFAULT 0,
    clean_item_count BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX datasets_name ON datasets (owner_id, name);
CREATE INDEX datasets_owner ON datasets (owner_id, created_at, id);
CREATE INDEX datasets_run ON datasets (created_by_run) WHERE created_by_run IS NOT NULL;
CREATE INDEX datasets_expiry ON datasets (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE key_value_stores (
    id TEXT PRIMARY KEY,
    owner_id TEXT NOT NULL,
    name TEXT,
    created_by_run TEXT,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    accessed_at BIGINT NOT NULL,
    read_count BIGINT NOT NULL DEFAULT 0,
    list_count BIGINT NOT NULL DEFAULT 0,
    write_count BIGINT NOT NULL DEFAULT 0,
    delete_count BIGINT NOT NULL DEFAULT 0,
    byte_count BIGINT NOT NULL DEFAULT 0,
    document TEXT NOT NULL
);
CREATE UNIQUE INDEX key_value_stores_name ON key_value_stores (owner_id, name);
CREATE INDEX key_value_stores_owner ON key_value_stores (owner_id, created_at, id);
CREATE INDEX key_value_stores_run ON key_value_stores (created_by_run) WHERE created_by_run IS NOT NULL;
CREATE INDEX key_value_stores_expiry ON key_value_stores (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE request_queues (
    id TEXT PRIMARY KEY,
    owner_id TEXT NOT NULL,
    name TEXT,
    created_by_run TEXT,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    accessed_at BIGINT NOT NULL,
    read_count BIGINT NOT NULL DEFAULT 0,
    list_count BIGINT NOT NULL DEFAULT 0,
    write_count BIGINT NOT NULL DEFAULT 0,
    delete_count BIGINT NOT NULL DEFAULT 0,
    byte_count BIGINT NOT NULL DEFAULT 0,
    document TEXT NOT NULL,
    total_count BIGINT NOT NULL DEFAULT 0,
    handled_count BIGINT NOT NULL DEFAULT 0,
    last_position BIGINT NOT NULL DEFAULT 0,
    client_key TEXT NOT NULL DEFAULT '',
    had_multiple_clients BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX request_queues_name ON request_queues (owner_id, name);
CREATE INDEX request_queues_owner ON request_queues (owner_id, created_at, id);
CREATE INDEX request_queues_run ON request_queues (created_by_run) WHERE created_by_run IS NOT NULL;
CREATE INDEX request_queues_expiry ON request_queues (expires_at) WHERE expires_at IS NOT NULL;

-- What a deleted storage left behind, until the sweeper has removed its contents in bounded steps.
CREATE TABLE storage_remains (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);

-- Items [first_index, first_index + item_count) of a dataset: JSON texts joined by newlines, inline or in a blob.
CREATE TABLE dataset_chunks (
    dataset_id TEXT NOT NULL,
    first_index BIGINT NOT NULL,
    item_count BIGINT NOT NULL,
    byte_count BIGINT NOT NULL,
    blob_key TEXT,
    payload BYTEA,
    PRIMARY KEY (dataset_id, first_index)
);

CREATE TABLE key_value_records (
    store_id TEXT NOT NULL,
    key BINARY_TEXT NOT NULL,
    byte_count BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    content_encoding TEXT,
    version TEXT NOT NULL,
    modified_at BIGINT NOT NULL,
    blob_key TEXT,
    payload BYTEA,
    PRIMARY KEY (store_id, key)
);

-- order_no is the place in the queue: positive and growing for additions, negative and falling for the forefront,
-- beyond the present while locked, NULL once handled. So the head is a short range of one partial index.
CREATE TABLE queue_requests (
    queue_id TEXT NOT NULL,
    id BINARY_TEXT NOT NULL,
    order_no BIGINT,
    lock_expires_at BIGINT NOT NULL DEFAULT 0,
    lock_client TEXT NOT NULL DEFAULT '',
    lock_run TEXT NOT NULL DEFAULT '',
    byte_count BIGINT NOT NULL,
    summary TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (queue_id, id)
);
CREATE INDEX queue_requests_order ON queue_requests (queue_id, order_no) WHERE order_no IS NOT NULL;
CREATE INDEX queue_requests_locks ON queue_requests (queue_id, lock_expires_at) WHERE lock_expires_at > 0;
