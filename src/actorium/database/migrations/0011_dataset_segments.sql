-- Chunks of datasets grow together into segments. The payload is the last column: what stands before it is read
-- without it.
--
-- level: 0 as it was pushed, 1 merged once, 2 finished. From 1 on a chunk has its digest: column_names is null if there
-- are too many of them, field_statistics is null if the dataset has no fields schema.
-- places: where every so many-th item begins, for what is larger than a page wants to read.

CREATE TABLE dataset_chunks_anew (
    dataset_id TEXT NOT NULL,
    first_index BIGINT NOT NULL,
    item_count BIGINT NOT NULL,
    byte_count BIGINT NOT NULL,
    level BIGINT NOT NULL DEFAULT 0,
    blob_key TEXT,
    column_names TEXT,
    field_statistics TEXT,
    places BYTEA,
    payload BYTEA,
    PRIMARY KEY (dataset_id, first_index)
);
INSERT INTO dataset_chunks_anew (dataset_id, first_index, item_count, byte_count, blob_key, payload)
    SELECT dataset_id, first_index, item_count, byte_count, blob_key, payload FROM dataset_chunks;
DROP TABLE dataset_chunks;
ALTER TABLE dataset_chunks_anew RENAME TO dataset_chunks;

-- The tail of a dataset is what no finished segment holds: from item tail_first on. tail_chunks counts its chunks of
-- level 0, tail_bytes all of its bytes.
ALTER TABLE datasets ADD COLUMN tail_first BIGINT NOT NULL DEFAULT 0;
ALTER TABLE datasets ADD COLUMN tail_chunks BIGINT NOT NULL DEFAULT 0;
ALTER TABLE datasets ADD COLUMN tail_bytes BIGINT NOT NULL DEFAULT 0;
UPDATE datasets SET tail_bytes = byte_count,
    tail_chunks = (SELECT COUNT(*) FROM dataset_chunks WHERE dataset_id = datasets.id);

-- Datasets whose tail is long enough to be merged. The claim is a word of the server that is at it, and the key of the
-- blob that it writes.
CREATE TABLE dataset_merges (
    dataset_id TEXT PRIMARY KEY,
    claim TEXT NOT NULL DEFAULT '',
    claimed_at BIGINT NOT NULL DEFAULT 0
);
INSERT INTO dataset_merges (dataset_id) SELECT id FROM datasets WHERE tail_chunks >= 256 OR tail_bytes >= 4194304;
