-- Lists of runs and the last run cost the same whatever has run before: each filter is a range of one index, and how many
-- finished runs there are is kept beside them (docs/decisions/0011-run-counts.md).

CREATE INDEX runs_of_owner_by_status ON runs (owner_id, status, started_at, id);
CREATE INDEX runs_of_actor_by_status ON runs (actor_id, owner_id, status, started_at, id, origin);
CREATE INDEX runs_of_task_by_status ON runs (task_id, status, started_at, id, origin) WHERE task_id IS NOT NULL;
DROP INDEX runs_live_of_owner;
CREATE INDEX runs_live_of_owner ON runs (owner_id, memory_mbytes, actor_id, task_id, status) WHERE finished_at IS NULL;
DROP INDEX runs_of_actor;
CREATE INDEX runs_of_actor ON runs (actor_id, owner_id, started_at, id, origin);

-- Finished runs of an owner by status: of all, of one Actor, of one task. "within" is '' for all, else that one's id.
CREATE TABLE run_counts (
  owner_id TEXT NOT NULL,
  within TEXT NOT NULL,
  status TEXT NOT NULL,
  amount BIGINT NOT NULL,
  PRIMARY KEY (owner_id, within, status)
);
INSERT INTO run_counts (owner_id, within, status, amount)
  SELECT owner_id, '', status, COUNT(*) FROM runs WHERE finished_at IS NOT NULL GROUP BY owner_id, status;
INSERT INTO run_counts (owner_id, within, status, amount)
  SELECT owner_id, actor_id, status, COUNT(*) FROM runs WHERE finished_at IS NOT NULL
  GROUP BY owner_id, actor_id, status;
INSERT INTO run_counts (owner_id, within, status, amount)
  SELECT owner_id, task_id, status, COUNT(*) FROM runs WHERE finished_at IS NOT NULL AND task_id IS NOT NULL
  GROUP BY owner_id, task_id, status;
