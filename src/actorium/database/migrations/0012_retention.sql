-- Retention asks two questions, each a range of one index: which unnamed storages were idle since long, and which runs
-- ended long ago. idle_since is NULL for named storages, which stay for ever. Reads and writes do not touch it: it is
-- the last use that was known when the storage was looked at last, so it may be too early and never too late.

DROP INDEX datasets_expiry;
DROP INDEX key_value_stores_expiry;
DROP INDEX request_queues_expiry;
DROP INDEX runs_expiring;
ALTER TABLE datasets RENAME COLUMN expires_at TO idle_since;
ALTER TABLE key_value_stores RENAME COLUMN expires_at TO idle_since;
ALTER TABLE request_queues RENAME COLUMN expires_at TO idle_since;
ALTER TABLE runs DROP COLUMN expires_at;
UPDATE datasets SET idle_since = modified_at WHERE name IS NULL;
UPDATE key_value_stores SET idle_since = modified_at WHERE name IS NULL;
UPDATE request_queues SET idle_since = modified_at WHERE name IS NULL;
CREATE INDEX datasets_idle ON datasets (idle_since, id) WHERE idle_since IS NOT NULL;
CREATE INDEX key_value_stores_idle ON key_value_stores (idle_since, id) WHERE idle_since IS NOT NULL;
CREATE INDEX request_queues_idle ON request_queues (idle_since, id) WHERE idle_since IS NOT NULL;
CREATE INDEX runs_finished ON runs (finished_at, id) WHERE finished_at IS NOT NULL;

-- Blobs that no row named when the survey came by, and since when: a crash may part a blob from its row.
CREATE TABLE blob_suspects (
  key TEXT PRIMARY KEY,
  seen_at BIGINT NOT NULL
);
CREATE INDEX blob_suspects_seen_at ON blob_suspects (seen_at, key);
CREATE INDEX dataset_chunks_blob ON dataset_chunks (blob_key) WHERE blob_key IS NOT NULL;
CREATE INDEX key_value_records_blob ON key_value_records (blob_key) WHERE blob_key IS NOT NULL;
