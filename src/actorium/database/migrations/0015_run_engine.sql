-- Which machine's executor has a run's containers, and the machines themselves.
ALTER TABLE runs ADD COLUMN node TEXT;

CREATE TABLE nodes (
  id TEXT PRIMARY KEY,
  seen_at BIGINT NOT NULL,
  is_draining BIGINT NOT NULL
);
