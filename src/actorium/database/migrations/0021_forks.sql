-- Until when somebody waits for a record to be written here: only then a write wakes anybody.
ALTER TABLE key_value_stores ADD COLUMN awaited_until BIGINT NOT NULL DEFAULT 0;
