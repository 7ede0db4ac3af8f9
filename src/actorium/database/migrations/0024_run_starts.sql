-- Finished runs are also counted by the minute, hour and day in which they started, so that a list from one time to
-- another knows its total without looking at the runs of that time (docs/decisions/0011-run-counts.md).

-- "span": how many milliseconds long; "starts_at": a multiple of that. The longest, ten million days, has all runs.
DROP TABLE run_counts;
CREATE TABLE run_counts (
  owner_id TEXT NOT NULL,
  within TEXT NOT NULL,
  span BIGINT NOT NULL,
  starts_at BIGINT NOT NULL,
  status TEXT NOT NULL,
  amount BIGINT NOT NULL,
  PRIMARY KEY (owner_id, within, span, starts_at, status)
);
INSERT INTO run_counts (owner_id, within, span, starts_at, status, amount)
  SELECT owner_id, '', 60000, started_at - started_at % 60000, status, COUNT(*) FROM runs
  WHERE finished_at IS NOT NULL GROUP BY owner_id, started_at - started_at % 60000, status;
INSERT INTO run_counts (owner_id, within, span, starts_at, status, amount)
  SELECT owner_id, actor_id, 60000, started_at - started_at % 60000, status, COUNT(*) FROM runs
  WHERE finished_at IS NOT NULL GROUP BY owner_id, actor_id, started_at - started_at % 60000, status;
INSERT INTO run_counts (owner_id, within, span, starts_at, status, amount)
  SELECT owner_id, task_id, 60000, started_at - started_at % 60000, status, COUNT(*) FROM runs
  WHERE finished_at IS NOT NULL AND task_id IS NOT NULL
  GROUP BY owner_id, task_id, started_at - started_at % 60000, status;
INSERT INTO run_counts (owner_id, within, span, starts_at, status, amount)
  SELECT owner_id, within, 3600000, starts_at - starts_at % 3600000, status, SUM(amount) FROM run_counts
  WHERE span = 60000 GROUP BY owner_id, within, starts_at - starts_at % 3600000, status;
INSERT INTO run_counts (owner_id, within, span, starts_at, status, amount)
  SELECT owner_id, within, 86400000, starts_at - starts_at % 86400000, status, SUM(amount) FROM run_counts
  WHERE span = 3600000 GROUP BY owner_id, within, starts_at - starts_at % 86400000, status;
INSERT INTO run_counts (owner_id, within, span, starts_at, status, amount)
  SELECT owner_id, within, 864000000000000, 0, status, SUM(amount) FROM run_counts
  WHERE span = 86400000 GROUP BY owner_id, within, status;
